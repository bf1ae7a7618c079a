"""Journal: the rows that a folder job has so far, on disk, so that a kill loses next to nothing.

A file of JSON lines beside the output. The first tells with what the job was started, each other is
one reading; a last one, `{"finished": N}`, says that all are there and only the output is missing.
A line counts once its end is written: what a kill tore is cut off and read again.
"""

from __future__ import annotations

import json
import os
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from inkdigits.errors import CannotWrite, UsageError
from inkdigits.files import cannot_write, lock, make_folder, open_growing, write_whole

SUFFIX = ".part"
FLUSH_SECONDS = 0.05
SYNC_SECONDS = 1.0
NOT_READ = -1
MARK = "inkdigits"
"""The first key of a header: the version that wrote it."""
BEGINNING = f'{{"{MARK}": '.encode()


def journal_path(out: Path) -> Path:
    """Return where the journal of the output `out` lies."""
    return out.with_name(out.name + SUFFIX)


class Journal:
    """The journal of one job, open and locked; a context manager.

    `inputs` are the names of all inputs, each once; `header` is what must be the same for the job
    to be continued. Raises UsageError when the journal is in use, was begun with another header,
    or has nothing to do with these inputs; CannotWrite where it cannot be written.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], inputs: Sequence[str]) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        """How many inputs have each status."""
        self.finished = False
        """Whether all rows were there when the output was about to be written."""
        self.strangers = 0
        """How many rows are of images that are no inputs any more."""
        self._places = array("q", [NOT_READ]) * len(inputs)
        self._waiting: list[bytes] = []
        self._flushed = self._synced = time.monotonic()
        make_folder(path.parent)
        self._file = open_growing(path)
        try:
            lock(self._file.fileno(), path, "Wait for it to end, or choose another --out.")
            self._size = self._load(dict(header), inputs)
            self._file.seek(self._size)
            self._file.truncate()
            if self._size == 0:
                self._append(line_of(dict(header)))
                self.flush()
        except OSError as error:
            self._file.close()
            raise cannot_write(path, error) from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # Where writing failed before, a row that followed a torn one would not count.
            if not isinstance(error, CannotWrite):
                self.flush()
        finally:
            self._file.close()

    def has(self, index: int) -> bool:
        """Return whether input `index` has its row."""
        return self._places[index] != NOT_READ

    def missing(self) -> Iterator[int]:
        """Yield the indices of the inputs that had no row when they were asked for, in order."""
        return (index for index, place in enumerate(self._places) if place == NOT_READ)

    def n_missing(self) -> int:
        """Return how many inputs have no row yet."""
        return len(self._places) - self.counts.total()

    def add(self, index: int, status: str, line: bytes) -> None:
        """Keep the row of input `index`, one line of JSON; it is on disk after the next `flush`."""
        if not self.has(index):
            self._places[index] = self._append(line)
            self.counts[status] += 1
            self.finished = False

    def tick(self) -> None:
        """Write what waits, if that was not done for a while."""
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits; once a second also through to the disk. Raises CannotWrite."""
        content = b"".join(self._waiting)
        self._waiting.clear()
        self._flushed = now = time.monotonic()
        try:
            write_whole(self._file, content)
            if now - self._synced > SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = now
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def finish(self) -> None:
        """Note that every row is here, before the output is written."""
        if not self.finished:
            self._append(line_of({"finished": self.counts.total()}))
        self.flush()
        self.finished = True

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows in input order; raises ValueError when one is missing."""
        self.flush()
        with self.path.open("rb") as file:
            for place in self._places:
                file.seek(place)
                yield json.loads(file.readline())

    def remove(self) -> None:
        """Delete the journal: the output has everything."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _append(self, line: bytes) -> int:
        """Keep a line for the next flush and return its place in the file."""
        place = self._size
        self._waiting.append(line)
        self._size += len(line)
        return place

    def _load(self, header: dict[str, Any], inputs: Sequence[str]) -> int:
        """Take in what the file has and return how many of its bytes are good."""
        with self.path.open("rb") as file:
            first = file.readline()
            found = parsed(first)
            if found is None or MARK not in found:
                refuse_foreign(first, self.path)
                return 0
            check_header(found, header, self.path)
            place = len(first)
            index_of = {name: index for index, name in enumerate(inputs)}
            for line in file:
                row = parsed(line)
                if row is None or not ("finished" in row or {"image", "status"} <= row.keys()):
                    break
                self._take(row, place, index_of)
                place += len(line)
        if self.strangers and not self.counts:
            raise UsageError(
                f"{str(self.path)!r} holds {self.strangers} readings, none of these images.",
                "Choose another --out, or delete that file to begin anew.",
            )
        return place

    def _take(self, row: dict[str, Any], place: int, index_of: dict[str, int]) -> None:
        """Note where a row is, unless it is of no input."""
        self.finished = "finished" in row
        if self.finished:
            return
        index = index_of.get(row["image"])
        if index is None:
            self.strangers += 1
        elif not self.has(index):
            self._places[index] = place
            self.counts[row["status"]] += 1


def line_of(row: dict[str, Any]) -> bytes:
    """Return a row as one line of JSON, in ASCII."""
    return json.dumps(row).encode() + b"\n"


def parsed(line: bytes) -> dict[str, Any] | None:
    """Return what a whole line says, None for one that was torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:  # also of bytes that are no text
        return None
    return row if isinstance(row, dict) else None


def refuse_foreign(first: bytes, path: Path) -> None:
    """Raise UsageError when a file's first line was never the beginning of a journal's."""
    if first.endswith(b"\n") or not BEGINNING.startswith(first[: len(BEGINNING)]):
        raise UsageError(
            f"{str(path)!r} is in the way: it is no journal of a reading.",
            "Move that file, or choose another --out.",
        )


def check_header(found: dict[str, Any], header: dict[str, Any], path: Path) -> None:
    """Raise UsageError when a journal was begun with something else than `header`."""
    differing = [
        f"{name} (then {found.get(name)!r}, now {header.get(name)!r})"
        for name in sorted(found.keys() | header.keys())
        if found.get(name) != header.get(name)
    ]
    if differing:
        raise UsageError(
            f"{str(path)!r} was begun with other settings: {', '.join(differing)}.",
            "Continue with the same ones, delete that file to begin anew, or choose another --out.",
        )
