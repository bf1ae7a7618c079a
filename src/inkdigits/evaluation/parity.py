"""Parity: the largest difference between a Keras model and its ONNX artefact on the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits import __version__
from inkdigits.artefact.metadata import LINE_LABELS, Metadata
from inkdigits.errors import ModelRefused
from inkdigits.evaluation.calibration import with_temperature
from inkdigits.evaluation.model_file import find_model
from inkdigits.files import write_bytes
from inkdigits.imaging.line import HEIGHT
from inkdigits.models.metadata import digit_metadata, line_metadata
from inkdigits.reading.engine import Engine
from inkdigits.reading.line_engine import LineEngine
from inkdigits.reading.session import Session

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
TOLERANCE = 1e-5
SAMPLE = 512
LINE_SAMPLE, LINE_WIDTH = 32, 96


def export_checked(target: Path, out: Path) -> float:
    """Export the Keras model of a run folder (or a .keras/.h5 file) to `out`; return the parity.

    A run's own artefact lends its metadata (recipe, data, scores). Nothing is written when the
    parity is worse than TOLERANCE; raises ModelRefused then, and for a model that is not ours.
    """
    source = find_model(target, ("model.keras", "model.h5"))
    from inkdigits.models.backend import set_up_keras

    set_up_keras()
    from inkdigits.models.export import export_onnx
    from inkdigits.models.predict import make_predictor
    from inkdigits.models.saved import load_model

    model = load_model(source)
    metadata = metadata_for(target, is_line=len(model.output_shape) == 3)
    content = export_onnx(model, metadata)
    parity = (
        measure_line_parity(model.predict_on_batch, content)
        if metadata.labels == LINE_LABELS
        else measure_parity(make_predictor(model), content)
    )
    if not parity <= TOLERANCE:
        raise ModelRefused(f"the ONNX model differs from {str(source)!r} by {parity:.2g}.")
    write_bytes(out, content)
    return parity


def measure_parity(predict: Predict, content: bytes) -> float:
    """Return the largest difference in probability between `predict` and the artefact `content`.

    The artefact's temperature is applied to what `predict` says. Measured on SAMPLE images, half of
    them sparse noise.
    """
    engine = Engine(content)
    images = noise((SAMPLE, 28, 28))
    said = with_temperature(predict(images), engine.metadata.temperature)
    return float(np.abs(engine.predict_proba(images) - said).max())


def measure_line_parity(predict: Callable[[Any], Any], content: bytes) -> float:
    """Return the same for a line network; `predict` takes float32 crops (N, 32, W)."""
    engine = LineEngine(content)
    crops = noise((LINE_SAMPLE, HEIGHT, LINE_WIDTH))
    said = np.asarray(predict(crops.astype(np.float32)), np.float64)
    said **= 1 / engine.metadata.temperature
    said /= said.sum(axis=-1, keepdims=True)
    return float(np.abs(engine.predict_steps(crops) - said).max())


def noise(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return images of noise, half of them sparse, as digits are: dense noise saturates."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    images[shape[0] // 2 :] *= rng.random((shape[0] - shape[0] // 2, *shape[1:])) < 0.2
    return images


def metadata_for(target: Path, is_line: bool = False) -> Metadata:
    """Return the metadata of a run's artefact, or that of a model about which nothing is known."""
    artefact = target / "model.onnx"
    if target.is_dir() and artefact.is_file():
        known = Session(artefact, threads=1).metadata
        return replace(known, package_version=__version__)
    return line_metadata() if is_line else digit_metadata()
