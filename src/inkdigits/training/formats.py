"""A trained model saved in each format of its recipe."""

from __future__ import annotations

from pathlib import Path

import keras

from inkdigits.artefact.metadata import Metadata
from inkdigits.files import write_bytes
from inkdigits.models.export import export_onnx
from inkdigits.models.saved import save_model
from inkdigits.training.job import Job


def save_formats(model: keras.Model, job: Job, metadata: Metadata) -> list[Path]:
    """Save the model in each format of the recipe and return the paths."""
    paths = [job.folder / f"model.{kind}" for kind in job.recipe.save.formats]
    for path in paths:
        if path.suffix == ".onnx":
            write_bytes(path, export_onnx(model, metadata))
        else:
            save_model(model, path)
    return paths
