"""`inkdigits evaluate` for models of whole numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import typer

from inkdigits.data.source import NAMES, load_dataset
from inkdigits.evaluation.labelled_numbers import labelled_numbers, read_pictures
from inkdigits.evaluation.numbers import NumbersMeasurement, Readings, measure_numbers, read_crops
from inkdigits.reading.line_engine import LineEngine
from inkdigits.synthesis.numbers import number_examples

MADE = 1000
SEED = 0


def evaluate_numbers(path: Path, data: str | None, as_json: bool) -> None:
    """Measure the line model in `path` and print what was found.

    `data` is a folder of pictures with labels.csv; otherwise numbers are made of the test digits of
    that data set. Raises ModelRefused, InvalidData, DataUnavailable.
    """
    engine = LineEngine(path, threads=2)
    source = data or "auto"
    if source in NAMES:
        dataset = load_dataset(source)
        crops, labels = number_examples(MADE, dataset.test, SEED)
        read, name = (
            read_crops(engine, crops),
            f"{MADE} numbers made of the digits of {dataset.name}",
        )
    else:
        paths, labels = labelled_numbers(Path(source))
        read, name = read_pictures(engine, paths), source
    measured = measure_numbers(read.texts, labels, read.confidences.tolist())
    if as_json:
        typer.echo(json.dumps(measured.to_dict() | {"model": str(path), "data": name}))
        return
    for line in lines(path, name, measured, read, labels):
        typer.echo(line)


def lines(
    path: Path, name: str, measured: NumbersMeasurement, read: Readings, labels: list[str]
) -> Iterator[str]:
    """Yield what is printed."""
    low, high = measured.accuracy_interval
    yield (
        f"{path} on {name}: {measured.accuracy:.2%} of {measured.n} read wholly right "
        f"(95 % interval {low:.2%}–{high:.2%}), digit error rate {measured.digit_error_rate:.2%}, "
        f"ECE {measured.ece:.2%}"
    )
    yield "by length: " + ", ".join(
        f"{length} {row['accuracy']:.1%} of {row['n']:.0f}"
        for length, row in measured.by_length.items()
    )
    none = measured.no_number
    yield f"without a whole number: {none['n']}, of which {none['read_as_number']} read as one"
    yield "error at coverage: " + ", ".join(
        f"{point['coverage']:.0%} {point['error']:.2%}" for point in measured.selective
    )
    yield f"read when 1 % of the answers may be wrong: {measured.coverage_at_1_percent:.1%}"
    wrong = [
        f"{label or 'none'} as {text or 'none'}"
        for text, label in zip(read.texts, labels, strict=True)
        if text != label
    ]
    yield "misread: " + (", ".join(wrong[:10]) or "none")
