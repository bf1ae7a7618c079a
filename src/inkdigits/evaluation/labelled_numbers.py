"""A folder of labelled pictures of numbers, read by a model as a user would."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from inkdigits.errors import InvalidData
from inkdigits.evaluation.numbers import Readings
from inkdigits.reading.line_engine import LineEngine
from inkdigits.reading.reader import Reader

LABELS_FILE = "labels.csv"
COLUMNS = ("file", "label")


def labelled_numbers(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the pictures that `labels.csv` names (columns file and label), and their labels.

    Raises InvalidData when there is no such file or it lacks a column.
    """
    path = folder / LABELS_FILE
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData(
            f"{str(path)!r} cannot be read: {error}.", "Name the pictures and their labels in it."
        ) from error
    if not rows or not set(COLUMNS) <= set(rows[0]):
        raise InvalidData(f"{str(path)!r} needs the columns {' and '.join(COLUMNS)}.")
    return [folder / row["file"] for row in rows], [row["label"] or "" for row in rows]


def read_pictures(engine: LineEngine, paths: list[Path]) -> Readings:
    """Read each picture as one number; what is rejected or cannot be opened is "" with 0."""
    reader = Reader(engine, layout="line")
    readings = [reader.read_or_error(path) for path in paths]
    return Readings(
        [reading.text if reading.status == "ok" else "" for reading in readings],
        np.array([reading.confidence for reading in readings]),
    )
