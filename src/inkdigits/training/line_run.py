"""A line network's run from its numbers to its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from inkdigits.artefact.metadata import Metadata
from inkdigits.artefact.points import as_whole
from inkdigits.data.dataset import Examples
from inkdigits.errors import ModelRefused
from inkdigits.evaluation.numbers import Readings, measure_numbers, read_crops
from inkdigits.evaluation.numbers_report import misread_numbers, write_numbers_report
from inkdigits.imaging.line import side_by_side
from inkdigits.models.export import export_onnx
from inkdigits.models.metadata import line_metadata
from inkdigits.reading.line_engine import LineEngine
from inkdigits.training.callbacks import Row
from inkdigits.training.careful import with_made_curve
from inkdigits.training.formats import save_formats
from inkdigits.training.job import Job
from inkdigits.training.line import made_numbers, train_line
from inkdigits.training.numbers import Numbers

TOLERANCE = 1e-4
"""Keras and ONNX may differ by this in a probability."""
COMPARED = 64
MEASURED = 3000
"""So many numbers of train are read again for its accuracy."""


def carry_out_line(
    job: Job, train_part: Examples, val_part: Examples
) -> tuple[keras.Model, list[Row], dict[str, Any]]:
    """Make the numbers, train, save, measure; return the model, its history and the evaluation.

    Test numbers are made of the test split's digits and read once, at the end.
    """
    digits = {"train": train_part, "val": val_part, "test": job.dataset.test}
    train, val, test = (made_numbers(job, split, part) for split, part in digits.items())
    model, history = train_line(job, train, val)
    content = export_onnx(model, described(job))
    check_parity(model, content, val)
    seen = Numbers(train.images[:MEASURED], train.texts[:MEASURED])
    splits = {"train": seen, "val": val, "test": test}
    read = {name: read_crops(LineEngine(content), part.images) for name, part in splits.items()}
    labels = {name: [as_whole(text) for text in part.texts] for name, part in splits.items()}
    measured = {
        name: measure_numbers(read[name].texts, labels[name], read[name].confidences.tolist())
        for name in splits
    }
    scores = {f"{name}_accuracy": result.accuracy for name, result in measured.items()}
    told = with_made_curve(described(job), content, val_part, job.recipe.data.val_numbers)
    metadata = replace(told, scores=scores)
    save_formats(model, job, metadata)
    evaluation: dict[str, Any] = {
        **{f"{name}_accuracy": result.accuracy for name, result in measured.items()},
        **{f"{name}_digit_error_rate": row.digit_error_rate for name, row in measured.items()},
        "gap": measured["train"].accuracy - measured["test"].accuracy,
        "test_accuracy_interval": list(measured["test"].accuracy_interval),
        **measured["test"].to_dict(),
    }
    report(job, history, measured, Numbers(test.images, labels["test"]), read["test"])
    return model, history, evaluation


def described(job: Job) -> Metadata:
    """Return what the artefact says of the recipe and the data that made it."""
    return line_metadata(
        recipe=job.recipe.to_toml(),
        data_name=job.dataset.name,
        data_sha256=job.dataset.sha256,
    )


def check_parity(model: keras.Model, content: bytes, numbers: Numbers) -> None:
    """Raise ModelRefused when Keras and the artefact do not say the same of the same crops."""
    batch = side_by_side(numbers.images[:COMPARED])
    found = LineEngine(content).predict_steps(batch)
    wanted = np.asarray(model.predict_on_batch(batch.astype(np.float32)))
    parity = float(np.abs(found - wanted).max())
    if not parity <= TOLERANCE:
        raise ModelRefused(f"the ONNX model differs from the trained one by {parity:.2g}.")


def report(job: Job, history: Sequence[Row], measured: Any, test: Numbers, read: Readings) -> None:
    """Draw the curves and write report.html."""
    import json

    from inkdigits.evaluation.plots import plot_curves, save_png

    curves = job.folder / "plots" / "curves.png"
    save_png(plot_curves(history), curves)
    recipe = job.recipe
    environment = json.loads((job.folder / "environment.json").read_text(encoding="utf-8"))
    seconds = sum(row["seconds"] for row in history)
    write_numbers_report(
        job.folder / "report.html",
        title=f"{recipe.name}: {recipe.title}" if recipe.title else recipe.name,
        recipe_text=recipe.to_toml(),
        environment=environment | {"training_seconds": round(seconds, 2)},
        measured=measured,
        history=history,
        curves=curves,
        gallery=misread_numbers(test.images, test.texts, read.texts, read.confidences.tolist()),
    )
