"""A trained model on disk, whatever its format, asked for its probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelRefused

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
PREFERRED = ("model.onnx", "model.keras", "model.h5")
KERAS_SUFFIXES = {".keras", ".h5"}


def model_file(target: Path) -> Path:
    """Return the model file that `target` names: itself, or the one in a run folder."""
    return find_model(target, PREFERRED)


def find_model(target: Path, names: Sequence[str]) -> Path:
    """Return `target`, or the first of `names` in it if it is a folder; ModelRefused if none is."""
    if not target.is_dir():
        return target
    found = next((target / name for name in names if (target / name).is_file()), None)
    if found is not None:
        return found
    unfinished = (target / "recipe.toml").is_file()
    raise ModelRefused(
        f"{str(target)!r} holds no trained model ({', '.join(names)}).",
        f"Finish its training with `inkdigits train --resume {target}`."
        if unfinished
        else "Name a run folder or a model file.",
    )


def load_predictor(path: Path) -> Predict:
    """Return a function from uint8 images (N, 28, 28) to probabilities (N, 10), float32.

    `.keras` and `.h5` go through Keras; everything else is read as an artefact. Raises
    ModelRefused for a file that is broken, foreign or unsafe.
    """
    if path.suffix in KERAS_SUFFIXES:
        from inkdigits.models.backend import set_up_keras

        set_up_keras()
        from inkdigits.models.predict import make_predictor
        from inkdigits.models.saved import load_model

        return make_predictor(load_model(path))
    from inkdigits.reading.engine import Engine

    return Engine(path, threads=2).predict_proba


def predict_file(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the probabilities (N, 10) of the model in `path` for uint8 images (N, 28, 28).

    Raises what `load_predictor` does.
    """
    return load_predictor(path)(images)
