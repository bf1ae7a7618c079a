"""Readings as a table to be written: CSV, JSON lines or Parquet, chosen by the file's suffix.

No cell is altered for a spreadsheet's sake. One that opens CSV by itself turns `0047` into 47:
import the column `text` as text, or take Parquet, where it is text. No cell starts a formula,
since a reading has only digits and inputs are named so (see `inputs.harmless`).
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from inkdigits.errors import MissingExtra, UsageError
from inkdigits.files import atomic_path

Row: TypeAlias = dict[str, Any]
"""A reading as `Reading.to_dict` gives it."""

COLUMNS = ("image", "status", "text", "confidence", "reason", "error", "numbers")
ROWS_IN_MEMORY = 5_000


def check_format(path: Path) -> None:
    """Raise UsageError unless `path` ends in a suffix that we write, with what it needs at hand."""
    if path.suffix.lower() not in WRITERS:
        raise UsageError(
            f"cannot tell the format of {str(path)!r} by its suffix {path.suffix!r}.",
            f"Let it end in one of: {', '.join(WRITERS)}.",
        )
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise MissingExtra(
            f"writing {str(path)!r} needs the package 'pyarrow', which is not installed.",
            'Install it with: pip install "inkdigits[parquet]"',
        )


def write_table(path: Path, rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> None:
    """Write `rows` to `path`, whole or not at all, holding few of them in memory.

    `columns` are the cells of a row in CSV and Parquet; JSON lines have all that is in it. Raises
    UsageError for an unknown suffix, CannotWrite where the disk is full.
    """
    check_format(path)
    with atomic_path(path) as temporary:
        WRITERS[path.suffix.lower()](temporary, rows, columns)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())


def write_csv(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write CSV by RFC 4180, in UTF-8, under a header row."""
    with path.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
        CsvTable(file, columns).write(rows)


class CsvTable:
    """Writes readings as CSV to an open text file: the header at once, then row by row.

    Every text is quoted, so that a separator of another locale in a file's name starts no cell.
    """

    def __init__(self, file: TextIO, columns: Sequence[str] = COLUMNS) -> None:
        self._columns = columns
        self._writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        self._writer.writerow(columns)

    def write(self, rows: Iterable[Row]) -> None:
        """Write `rows`, each as one record."""
        self._writer.writerows(cells(row, self._columns, missing="") for row in rows)


def write_jsonl(path: Path, rows: Iterable[Row], _columns: Sequence[str]) -> None:
    """Write one JSON object a line, as `--json` prints it."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def write_parquet(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write Parquet: text columns, a float64 confidence, and null where there is no value."""
    import pyarrow
    import pyarrow.parquet

    types = {"confidence": pyarrow.float64()}
    schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in columns])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for batch in batches(rows):
            table = zip(*(cells(row, columns, missing=None) for row in batch), strict=True)
            filled = [list(map(valid, column)) for column in table]
            writer.write_table(pyarrow.table(filled, schema=schema))


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield `rows` some thousand at a time."""
    left = iter(rows)
    while batch := list(islice(left, ROWS_IN_MEMORY)):
        yield batch


def cells(row: Row, columns: Sequence[str], missing: str | None) -> list[Any]:
    """Return a row's cells in the order of `columns`; `numbers` is one cell of JSON."""
    values = row | {"numbers": json.dumps(row["numbers"], separators=(",", ":"))}
    return [values.get(name, missing) for name in columns]


def valid(cell: Any) -> Any:
    """Return a cell with the bytes of a file's name that are no UTF-8 written as escapes."""
    return cell.encode(errors="backslashreplace").decode() if isinstance(cell, str) else cell


WRITERS: dict[str, Callable[[Path, Iterable[Row], Sequence[str]], None]] = {
    ".csv": write_csv,
    ".jsonl": write_jsonl,
    ".parquet": write_parquet,
}
