"""`inkdigits evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray

from inkdigits.data.dataset import Dataset
from inkdigits.data.source import load_dataset
from inkdigits.evaluation.measure import (
    Measurement,
    evaluation_dict,
    measure,
    refuse_perfect,
    text_report,
)
from inkdigits.evaluation.model_file import model_file, predict_file


def evaluate(target: Path, data: str | None, as_json: bool, report: Path | None) -> None:
    """Measure the model in `target` on the test split, and print or report it."""
    path = model_file(target)
    dataset = load_dataset(data or "auto")
    probabilities = predict_file(path, dataset.test.images)
    measurement = measure(probabilities, dataset.test.labels)
    refuse_perfect(measurement)
    evaluation = evaluation_dict({"test": measurement})
    if report is not None:
        write_model_report(report, path, dataset, probabilities, measurement)
    if as_json:
        typer.echo(json.dumps(evaluation | {"model": str(path), "data": dataset.name}))
        return
    low, high = measurement.accuracy_interval
    typer.echo(
        f"{path} on {dataset.name}: test accuracy {measurement.accuracy:.2%} "
        f"(95 % interval {low:.2%}–{high:.2%}), loss {measurement.loss:.4f}, "
        f"ECE {measurement.ece:.2%}, {measurement.wrong} of {measurement.n:,} wrong"
    )
    typer.echo(text_report(measurement))
    pairs = measurement.confused_pairs[:5]
    typer.echo(
        "most confused: "
        + ", ".join(
            f"{pair['true']} read as {pair['predicted']} ({pair['count']})" for pair in pairs
        )
    )
    if report is not None:
        typer.echo(f"report  {report}")


def write_model_report(
    report: Path,
    path: Path,
    dataset: Dataset,
    probabilities: NDArray[np.float32],
    measurement: Measurement,
) -> None:
    """Write the report of a bare model, without a history."""
    from inkdigits.evaluation.plots import plot_report, png_bytes
    from inkdigits.evaluation.report import write_report

    test = dataset.test
    figures = plot_report(test.images, test.labels, probabilities, measurement)
    write_report(
        report,
        title=f"{path.name} on {dataset.name}",
        recipe_text="",
        environment={
            "model": str(path),
            "data": {"name": dataset.name, "sha256": dataset.sha256, "test": len(test)},
            "comparable": dataset.comparable,
        },
        evaluation=evaluation_dict({"test": measurement}),
        history=[],
        plots={name: png_bytes(figure) for name, figure in figures.items()},
        saved=[],
    )
