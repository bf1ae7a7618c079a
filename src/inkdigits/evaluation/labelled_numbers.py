"""A folder of labelled pictures of numbers, read by a model as a user would."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inkdigits.data.folder import LABELS_FILE, table_rows
from inkdigits.errors import InvalidData
from inkdigits.evaluation.numbers import Readings
from inkdigits.reading.line_engine import LineEngine
from inkdigits.reading.reader import Reader


def labelled_numbers(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the pictures that `labels.csv` names (columns file and label), and their labels.

    Raises InvalidData when there is no such file, it lacks a column or names nothing.
    """
    rows = list(table_rows(folder / LABELS_FILE))
    if not rows:
        raise InvalidData(f"{str(folder / LABELS_FILE)!r} names no picture.")
    return [path for path, _, _ in rows], [row["label"].strip() for _, row, _ in rows]


def read_pictures(engine: LineEngine, paths: list[Path]) -> Readings:
    """Read each picture as one number; what is rejected or cannot be opened is "" with 0."""
    reader = Reader(engine, layout="line")
    readings = [reader.read_or_error(path) for path in paths]
    return Readings(
        [reading.text if reading.status == "ok" else "" for reading in readings],
        np.array([reading.confidence for reading in readings]),
    )
