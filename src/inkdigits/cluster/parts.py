"""Parts: the inputs of a job, divided so that each part is read and written as one.

The division depends on the inputs alone: given again, a job finds the parts that it has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inkdigits.files import sha256

FEWEST, MOST = 256, 8192
"""Images of a part, where their bytes allow it."""
PARTS = 2048
"""A job is divided into so many parts, if that makes none too small or too large."""
PART_BYTES = 64 * 1024 * 1024
HASH_DIGITS = 12


@dataclass(frozen=True, slots=True)
class File:
    """An image file: its path or URL, its size in bytes, and where its drawing goes, if anywhere.

    A path is as the user gives it, from the folder where the command was given.
    """

    name: str
    size: int
    drawing: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """So many rows of a Parquet file's column of images.

    They begin at row `first` of the row group `group`, which is row `number` of the file; both
    count from 0.
    """

    file: str
    column: str
    group: int
    first: int
    count: int
    number: int


@dataclass(frozen=True, slots=True)
class Part:
    """Inputs that become one file: image files, or rows of one Parquet file."""

    index: int
    inputs: tuple[File, ...] | Rows

    def __len__(self) -> int:
        """Return how many inputs it has."""
        return self.inputs.count if isinstance(self.inputs, Rows) else len(self.inputs)

    @property
    def file(self) -> str:
        """Return the name of the file with its readings: its place in the job, and its content."""
        return f"part-{self.index:07}-{hash_of(self.inputs)[:HASH_DIGITS]}.parquet"


def hash_of(inputs: tuple[File, ...] | Rows) -> str:
    """Return what tells inputs apart: a SHA-256 of their names."""
    if isinstance(inputs, Rows):
        text = f"{inputs.file}\0{inputs.column}\0{inputs.number}\0{inputs.count}"
    else:
        text = "\0".join(file.name for file in inputs)
    return sha256(os.fsencode(text))


def images_of_a_part(n: int) -> int:
    """Return how many images a part has, at most, in a job of `n`."""
    return min(MOST, max(FEWEST, n // PARTS))


def divide(files: Sequence[File], tables: Sequence[Rows]) -> list[Part]:
    """Return the parts of a job over `files` and the row groups `tables`, in this order."""
    most = images_of_a_part(len(files) + sum(rows.count for rows in tables))
    inputs: list[tuple[File, ...] | Rows] = [*parts_of_files(files, most)]
    for rows in tables:
        inputs += parts_of_rows(rows, most)
    return [Part(index, part) for index, part in enumerate(inputs)]


def parts_of_files(files: Sequence[File], most: int) -> Iterator[tuple[File, ...]]:
    """Yield `files` in parts of so many, and of PART_BYTES, at most, but for a single file."""
    part: list[File] = []
    size = 0
    for file in files:
        if part and (len(part) == most or size + file.size > PART_BYTES):
            yield tuple(part)
            part, size = [], 0
        part.append(file)
        size += file.size
    if part:
        yield tuple(part)


def parts_of_rows(rows: Rows, most: int) -> Iterator[Rows]:
    """Yield the rows in parts of so many at most."""
    for start in range(0, rows.count, most):
        count = min(most, rows.count - start)
        yield Rows(
            rows.file, rows.column, rows.group, rows.first + start, count, rows.number + start
        )
