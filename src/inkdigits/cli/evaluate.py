"""`inkdigits evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.data.dataset import Dataset
from inkdigits.data.source import load_dataset
from inkdigits.errors import UsageError
from inkdigits.evaluation.measure import (
    Measurement,
    evaluation_dict,
    measure,
    refuse_perfect,
    text_report,
)
from inkdigits.evaluation.model_file import Predict, load_predictor, model_file
from inkdigits.evaluation.paired import Paired, compare_models
from inkdigits.evaluation.robustness import (
    Robustness,
    measure_robustness,
    recorded_reference,
    robustness_dict,
    robustness_table,
)


@dataclass(frozen=True)
class Against:
    """The other model: its file, its accuracy (0–1), and how the two compare on the test split."""

    path: Path
    accuracy: float
    paired: Paired

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of the comparison."""
        return {"model": str(self.path), "accuracy": self.accuracy, **self.paired.to_dict()}


@dataclass(frozen=True)
class Evaluated:
    """All that was measured of the model in `path`; what was not asked for is None."""

    path: Path
    dataset: Dataset
    probabilities: NDArray[np.float32]
    measurement: Measurement
    against: Against | None = None
    robustness: Robustness | None = None
    beside: Robustness | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of evaluation.json, and what else was asked for."""
        content = evaluation_dict({"test": self.measurement})
        if self.against is not None:
            content["against"] = self.against.to_dict()
        if self.robustness is not None:
            content["robustness"] = robustness_dict(self.robustness, self.beside)
        return content


def evaluate(
    target: Path,
    data: str | None,
    as_json: bool,
    report: Path | None,
    robustness: bool = False,
    against: Path | None = None,
) -> None:
    """Measure the model in `target` on the test split, and print or report it."""
    path = model_file(target)
    if is_line_model(path):
        from inkdigits.cli.evaluate_numbers import evaluate_numbers

        if report is not None or robustness or against is not None:
            raise UsageError(
                "--report, --robustness and --against are for models of single digits.",
                "A run of a line network has its report in its folder.",
            )
        evaluate_numbers(path, data, as_json)
        return
    other_path = model_file(against) if against is not None else None
    dataset = load_dataset(data or "auto")
    predict = load_predictor(path)
    other = load_predictor(other_path) if other_path is not None else None
    test = dataset.test
    probabilities = predict(test.images)
    measurement = measure(probabilities, test.labels)
    refuse_perfect(measurement)
    found = Evaluated(
        path,
        dataset,
        probabilities,
        measurement,
        measure_against(other_path, other, probabilities, dataset)
        if other_path and other
        else None,
        measure_robustness(predict, test, str(path)) if robustness else None,
        robustness_beside(other_path, other, dataset) if robustness else None,
    )
    if report is not None:
        write_model_report(report, found)
    if as_json:
        typer.echo(json.dumps(found.to_dict() | {"model": str(path), "data": dataset.name}))
        return
    for line in lines(found):
        typer.echo(line)
    if report is not None:
        typer.echo(f"report  {report}")


def is_line_model(path: Path) -> bool:
    """Return whether the model file is an artefact that reads whole numbers."""
    if path.suffix != ".onnx" or not path.is_file():
        return False
    from inkdigits.reading.session import Session

    return Session(path, threads=1).metadata.labels == LINE_LABELS


def measure_against(
    path: Path, predict: Predict, probabilities: NDArray[np.float32], dataset: Dataset
) -> Against:
    """Compare the probabilities of the first model with what the model in `path` says."""
    test = dataset.test
    theirs = predict(test.images)
    paired = compare_models(probabilities.argmax(axis=1), theirs.argmax(axis=1), test.labels)
    return Against(path, measure(theirs, test.labels).accuracy, paired)


def robustness_beside(
    path: Path | None, predict: Predict | None, dataset: Dataset
) -> Robustness | None:
    """Return the robustness of the other model; without one, what was recorded on this data."""
    if path is not None and predict is not None:
        return measure_robustness(predict, dataset.test, str(path))
    reference = recorded_reference()
    return reference if reference.data_sha256 == dataset.sha256 else None


def lines(found: Evaluated) -> Iterator[str]:
    """Yield what is printed."""
    measurement = found.measurement
    low, high = measurement.accuracy_interval
    yield (
        f"{found.path} on {found.dataset.name}: test accuracy {measurement.accuracy:.2%} "
        f"(95 % interval {low:.2%}–{high:.2%}), loss {measurement.loss:.4f}, "
        f"ECE {measurement.ece:.2%}, {measurement.wrong} of {measurement.n:,} wrong"
    )
    yield text_report(measurement)
    pairs = measurement.confused_pairs[:5]
    yield "most confused: " + ", ".join(
        f"{pair['true']} read as {pair['predicted']} ({pair['count']})" for pair in pairs
    )
    yield "error at coverage: " + ", ".join(
        f"{point['coverage']:.1%} {point['error']:.2%}" for point in measurement.selective
    )
    if (known := measurement.label_errors) is not None:
        yield (
            f"labels known to be wrong: {known['n']}, without them {known['accuracy_without']:.2%};"
            f" {known['differs']} read otherwise than labelled, {known['as_people']} as people do"
        )
    if found.against is not None:
        yield against_line(found.against)
    if found.robustness is not None:
        yield ""
        yield robustness_table(found.robustness, found.beside)


def against_line(against: Against) -> str:
    """Return the paired comparison in one line."""
    paired = against.paired
    low, high = paired.interval
    return (
        f"against {against.path} ({against.accuracy:.2%}): {100 * paired.difference:+.2f} points "
        f"(95 % interval {100 * low:+.2f} to {100 * high:+.2f}); right alone {paired.only_first}, "
        f"wrong alone {paired.only_second}; exact McNemar p = {paired.p_value:.2g}"
    )


def write_model_report(report: Path, found: Evaluated) -> None:
    """Write the report of a bare model, without a history."""
    from inkdigits.evaluation.gallery import misread_images
    from inkdigits.evaluation.plots import plot_report, png_bytes
    from inkdigits.evaluation.report import write_report
    from inkdigits.evaluation.robustness_plot import plot_robustness

    test, dataset = found.dataset.test, found.dataset
    figures = plot_report(test.images, test.labels, found.probabilities, found.measurement)
    if found.robustness is not None:
        figures["robustness"] = plot_robustness(found.robustness, found.beside, test.images)
    write_report(
        report,
        title=f"{found.path.name} on {dataset.name}",
        recipe_text="",
        environment={
            "model": str(found.path),
            "data": {"name": dataset.name, "sha256": dataset.sha256, "test": len(test)},
            "comparable": dataset.comparable,
        },
        evaluation=found.to_dict(),
        history=[],
        plots={name: png_bytes(figure) for name, figure in figures.items()},
        saved=[],
        gallery=misread_images(test, found.probabilities),
    )
