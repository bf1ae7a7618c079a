"""Settings: how a reader is made, in this process or in another, and on how many cores."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from inkdigits.reading.constraints import Constraints
from inkdigits.reading.reader import Reader


@dataclass(frozen=True)
class ReaderSettings:
    """How a `Reader` is made: every field is one of its arguments.

    `layout` is checked by the reader.
    """

    model: Path | None = None
    target_error: float | None = None
    layout: str = "auto"
    constraints: Constraints | None = None
    top: int = 1

    def reader(self, at_once: int = 1) -> Reader:
        """Return a reader on one thread for each number; raises what `Reader` raises.

        The numbers of a page are read on so many threads `at_once`.
        """
        given = {part.name: getattr(self, part.name) for part in fields(self)}
        return Reader(threads=1, at_once=at_once, **given)
