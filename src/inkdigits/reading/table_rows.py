"""Readings from a table: what `table_file` wrote as CSV, JSON lines or Parquet, row by row again.

The file may have been through other hands: every row is checked before anyone relies on it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from inkdigits.errors import InvalidData, UsageError
from inkdigits.reading.journal import journal_path
from inkdigits.reading.result import Reason, Status
from inkdigits.reading.table_file import Row, check_format

NEEDED = ("image", "status", "text", "confidence", "numbers")
OPTIONAL = ("reason", "error")
LARGEST_CELL = 1 << 26
"""Characters of a cell: `numbers` of a full page is one."""
BOX = 4


def read_table(path: Path) -> Iterator[Row]:
    """Yield the rows of a table of readings, each as `Reading.to_dict` gives it.

    Raises UsageError for another suffix or where there is no such file, InvalidData for what is no
    table of readings, naming the row.
    """
    check_format(path)
    if not path.is_file():
        unfinished = journal_path(path).exists()
        raise UsageError(
            f"there are no results at {str(path)!r}{', only an unfinished job' * unfinished}.",
            "Give the command that began it again: it continues."
            if unfinished
            else "Make them with: inkdigits read FOLDER --out RESULTS.csv",
        )
    try:
        for number, cells in enumerate(READERS[path.suffix.lower()](path), start=1):
            yield checked(cells, f"{str(path)!r} row {number}")
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidData(
            f"{str(path)!r} cannot be read as a table of readings: {error}.",
            "Take what `inkdigits read FOLDER --out` wrote, unchanged.",
        ) from error


def csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV file, numbers and JSON still as text."""
    csv.field_size_limit(LARGEST_CELL)
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, strict=True)
        if not set(NEEDED) <= set(rows.fieldnames or ()):
            raise ValueError(f"its first line does not name {', '.join(NEEDED)}")
        for row in rows:
            yield {
                **row,
                "confidence": float(row.get("confidence") or "nan"),
                "numbers": json.loads(row.get("numbers") or "null"),
            }


def jsonl_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield row if isinstance(row, dict) else {}


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file; whatever pyarrow raises is a ValueError or an OSError."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                yield {**row, "numbers": json.loads(row.get("numbers") or "null")}


def checked(cells: dict[str, Any], where: str) -> Row:
    """Return a row with nothing but what readings have; raises InvalidData naming `where`."""
    missing = [name for name in NEEDED if cells.get(name) is None]
    if missing:
        raise wrong(where, f"it lacks {', '.join(missing)}")
    row = {name: cells[name] for name in NEEDED}
    row |= {name: cells[name] for name in OPTIONAL if cells.get(name)}
    if not isinstance(row["image"], str) or not row["image"]:
        raise wrong(where, "its image has no name")
    if row["status"] not in get_args(Status):
        raise wrong(where, f"its status is {row['status']!r}")
    if row.get("reason", "blank") not in get_args(Reason):
        raise wrong(where, f"its reason is {row['reason']!r}")
    if not is_share(row["confidence"]) or not isinstance(row["text"], str):
        raise wrong(where, f"its confidence is {row['confidence']!r}")
    if not isinstance(row["numbers"], list) or not all(map(is_number, row["numbers"])):
        raise wrong(where, "its numbers are no readings")
    return row


def is_share(value: object) -> bool:
    """Return whether `value` is a number of 0–1."""
    return isinstance(value, int | float) and 0 <= value <= 1


def is_number(entry: object) -> bool:
    """Return whether `entry` is a number as `Number.to_dict` gives it."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("text"), str)
        and is_share(entry.get("confidence"))
        and is_box(entry.get("box"))
        and all(is_box(digit.get("box")) for digit in entry.get("digits", ()))
        and all(
            isinstance(other.get("text"), str) and is_share(other.get("confidence"))
            for other in entry.get("alternatives", ())
        )
        and isinstance(entry.get("page", 1), int)
    )


def is_box(value: object) -> bool:
    """Return whether `value` is left, top, width, height."""
    return isinstance(value, list) and len(value) == BOX and all(isinstance(n, int) for n in value)


def wrong(where: str, what: str) -> InvalidData:
    """Return the error for a row that is no reading."""
    return InvalidData(
        f"{where} is no reading: {what}.",
        "Take what `inkdigits read FOLDER --out` wrote, unchanged.",
    )


READERS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    ".csv": csv_rows,
    ".jsonl": jsonl_rows,
    ".parquet": parquet_rows,
}
