"""Parity: the largest difference between a Keras model and its ONNX artefact on the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits import __version__
from inkdigits.artefact.metadata import Metadata
from inkdigits.errors import ModelRefused
from inkdigits.evaluation.model_file import find_model
from inkdigits.files import write_bytes
from inkdigits.models.metadata import digit_metadata
from inkdigits.reading.engine import Engine

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
TOLERANCE = 1e-5
SAMPLE = 512


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
    content = export_onnx(model, metadata_for(target))
    parity = measure_parity(make_predictor(model), content)
    if not parity <= TOLERANCE:
        raise ModelRefused(f"the ONNX model differs from {str(source)!r} by {parity:.2g}.")
    write_bytes(out, content)
    return parity


def measure_parity(predict: Predict, content: bytes) -> float:
    """Return the largest difference in probability between `predict` and the artefact `content`.

    Measured on SAMPLE images, half of them sparse noise.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (SAMPLE, 28, 28), dtype=np.uint8)
    # Half of them sparse, as digits are: uniform noise alone saturates the first layer.
    images[SAMPLE // 2 :] *= rng.random((SAMPLE - SAMPLE // 2, 28, 28)) < 0.2
    found = Engine(content).predict_proba(images)
    return float(np.abs(found - predict(images)).max())


def metadata_for(target: Path) -> Metadata:
    """Return the metadata of a run's artefact, or that of a model about which nothing is known."""
    artefact = target / "model.onnx"
    if target.is_dir() and artefact.is_file():
        return replace(Engine(artefact).metadata, package_version=__version__)
    return digit_metadata()
