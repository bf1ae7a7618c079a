"""`inkdigits review`: look over the readings of a folder job, or take the corrections along."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from inkdigits.errors import ExitCode, InvalidData, UsageError, one_line
from inkdigits.imaging.limits import DEFAULT_LIMITS
from inkdigits.reading.cores import cores
from inkdigits.reading.reader import LAYOUTS
from inkdigits.reading.table_file import check_format
from inkdigits.reading.table_rows import read_table
from inkdigits.review.decisions import Book, decisions_path, load
from inkdigits.review.export import check_empty, write_corrected, write_labels
from inkdigits.review.items import Item, items_of
from inkdigits.serving.settings import ServiceSettings

TEXTS = 6
"""So many texts are looked for of each number: what was read, and others."""
MOST_READERS = 2
"""People are slower than one process."""


@dataclass(frozen=True)
class Exports:
    """What is taken along: corrected results as a table, labelled images as a folder."""

    table: Path | None = None
    labels: Path | None = None

    def __bool__(self) -> bool:
        return self.table is not None or self.labels is not None


def export(results: Path, wanted: Exports) -> int:
    """Write what is wanted of the decisions on `results`; return the exit code.

    It also works while a review is open. Raises UsageError, InvalidData, CannotWrite.
    """
    if wanted.table is not None:
        check_format(wanted.table)
    if wanted.labels is not None:
        check_empty(wanted.labels)
    path = decisions_path(results)
    next(read_table(results), None)
    if not path.exists():
        raise UsageError(
            f"nothing was decided on {str(results)!r} yet.",
            f"Begin with: inkdigits review {results}",
        )
    book = Book(load(path)[0])
    failed: list[str] = []
    if wanted.table is not None:
        write_corrected(results, book, wanted.table)
        sys.stderr.write(f"inkdigits: corrected results are in {str(wanted.table)!r}.\n")
    if wanted.labels is not None:
        count, failed = write_labels(results, book, wanted.labels)
        sys.stderr.writelines(f"inkdigits: warning: {one_line(why)}\n" for why in failed)
        sys.stderr.write(f"inkdigits: {count:,} labelled images are in {str(wanted.labels)!r}.\n")
    return ExitCode.INPUT if failed else ExitCode.DONE


def check(target: float, layout: str) -> None:
    """Raise UsageError for a target or a layout that cannot be."""
    if not 0 < target < 1:
        raise UsageError(
            f"the target error must lie between 0 and 1, got {target}.", "Give a share, as in 0.01."
        )
    if layout not in LAYOUTS:
        raise UsageError(f"unknown layout {layout!r}.", f"Choose one of: {', '.join(LAYOUTS)}.")


def settings_with(model: Path | None) -> ServiceSettings:
    """Return how the processes work that make the pictures; images are the user's own."""
    limits = DEFAULT_LIMITS
    return ServiceSettings(
        model,
        max_bytes=limits.max_bytes,
        max_pixels=limits.max_pixels,
        max_seconds=limits.max_seconds,
        workers=min(cores(), MOST_READERS),
        queue=sys.maxsize >> 1,
    )


def items_here(results: Path) -> list[Item]:
    """Return what there is to decide; InvalidData for nothing, or where no image is there."""
    items = items_of(read_table(results))
    images = [item.key.image for item in items]
    if not images:
        raise InvalidData(f"{str(results)!r} has no readings.", "Read some images first.")
    if not any(Path(image).exists() for image in images):
        raise InvalidData(
            f"none of the {len(images)} images of {str(results)!r} is here, as {images[0]!r}.",
            "Run this from the folder where they were read.",
        )
    return items
