"""Decisions: what people said of readings, on disk before they are told that it is kept.

A file of JSON lines beside the results that only grows. The first line says what it is; each other
is a decision, or takes one back. A line counts once its end is written: a last one that a kill tore
is cut off, and whoever sent it was never told that it is kept. Each has an id of its sender's: what
is sent again is kept once.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, get_args

from inkdigits import __version__
from inkdigits.errors import Conflict, InvalidData, UsageError
from inkdigits.files import cannot_write, lock, open_growing, write_whole
from inkdigits.reading.journal import BEGINNING, MARK, line_of, parsed
from inkdigits.reading.result import Spot
from inkdigits.review.items import Key

SUFFIX = ".decisions"
HEADER = {MARK: __version__, "kind": "decisions"}
Verdict: TypeAlias = Literal["read", "none", "unreadable"]
"""It says `text`; there is no number, as the reader said; nobody can read it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said of one item; `id` is the sender's, `at` a time in ISO 8601.

    `text` is what it says where the verdict is "read", else ""; `reading` is what was read there.
    """

    id: str
    image: str
    spot: Spot | None
    verdict: Verdict
    text: str
    reading: str
    reviewer: str
    at: str

    @property
    def key(self) -> Key:
        """What it is about."""
        return Key(self.image, self.spot)


@dataclass(frozen=True, slots=True)
class Undo:
    """Takes the decision of id `undoes` back."""

    id: str
    undoes: str
    reviewer: str
    at: str


Entry: TypeAlias = Decision | Undo


def decisions_path(results: Path) -> Path:
    """Return where the decisions on `results` lie."""
    return results.with_name(results.name + SUFFIX)


class Book:
    """What entries, one after the other, come to: the decision that stands for each key."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries: dict[str, Entry] = {}
        self._stacks: dict[Key, list[Decision]] = {}
        for entry in entries:
            self.take(entry)

    def take(self, entry: Entry) -> None:
        """Take an entry in, once."""
        if entry.id in self.entries:
            return
        self.entries[entry.id] = entry
        if isinstance(entry, Decision):
            self._stacks.setdefault(entry.key, []).append(entry)
            return
        undone = self.entries.get(entry.undoes)
        if isinstance(undone, Decision):
            stack = self._stacks[undone.key]
            stack[:] = [one for one in stack if one.id != undone.id]

    def of(self, key: Key) -> Decision | None:
        """Return the decision that stands for `key`, if any."""
        stack = self._stacks.get(key)
        return stack[-1] if stack else None


class Decisions:
    """The file of decisions, open, locked and repaired; a context manager.

    Raises UsageError when another process has it or it is another kind of file, InvalidData when a
    line in its midst is broken, CannotWrite.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.book = Book()
        self._turn = threading.Lock()
        self._file = open_growing(path)
        try:
            lock(self._file.fileno(), path, "Use the page of the review that is open.")
            entries, self._size = load(path)
            self.book = Book(entries)
            self._write(line_of(HEADER) if self._size == 0 else b"")
            sync_folder(path.parent)
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
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Keep an entry: it is on the disk when this returns. What is kept already stays as it is.

        Raises Conflict when its id is another's, CannotWrite, after which it can be given again.
        """
        with self._turn:
            known = self.book.entries.get(entry.id)
            if known is not None:
                check_same(entry, known)
                return
            self._write(line_of(asdict(entry)))
            self.book.take(entry)

    def _write(self, line: bytes) -> None:
        """Append a line through to the disk; what a failed attempt left behind goes first."""
        try:
            self._file.seek(self._size)
            self._file.truncate()
            write_whole(self._file, line)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._size += len(line)


def check_same(entry: Entry, known: Entry) -> None:
    """Raise Conflict unless two entries of the same id say the same, whenever it was."""
    if asdict(entry) | {"at": ""} != asdict(known) | {"at": ""}:
        raise Conflict(f"the id {entry.id!r} is taken by something else.", "Send a new id.")


def load(path: Path) -> tuple[list[Entry], int]:
    """Return what the file of decisions says, and how many of its bytes are good.

    A last line that was torn is no part of it. Raises UsageError for another kind of file,
    InvalidData when a line in its midst is broken.
    """
    with path.open("rb") as file:
        lines = file.readlines()
    if not lines:
        return [], 0
    header = parsed(lines[0])
    if header is None or header.get("kind") != HEADER["kind"]:
        refuse_foreign(lines[0], path)
        return [], 0
    entries = []
    size = len(lines[0])
    for number, line in enumerate(lines[1:], start=2):
        if not line.endswith(b"\n"):
            break
        entries.append(entry_of(line, path, number))
        size += len(line)
    return entries, size


def refuse_foreign(first: bytes, path: Path) -> None:
    """Raise UsageError when a first line was never the beginning of a file of decisions."""
    if first.endswith(b"\n") or not BEGINNING.startswith(first[: len(BEGINNING)]):
        raise UsageError(
            f"{str(path)!r} is in the way: it holds no decisions of a review.", "Move that file."
        )


def entry_of(line: bytes, path: Path, number: int) -> Entry:
    """Return what a line says; raises InvalidData."""
    row = parsed(line)
    try:
        if row is None:
            raise ValueError("no JSON object")
        return Undo(**row) if "undoes" in row else decision_of(row)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidData(
            f"{str(path)!r} line {number} is no decision: {error}.",
            "Nothing is lost that stands before and after: mend that line, or delete it.",
        ) from error


def decision_of(row: dict[str, Any]) -> Decision:
    """Return the decision that a line's object is; raises ValueError, KeyError or TypeError."""
    spot = row["spot"]
    if spot is not None:
        left, top, width, height = spot["box"]
        spot = Spot(spot["page"], (left, top, width, height))
    if row["verdict"] not in get_args(Verdict):
        raise ValueError(f"an unknown verdict {json.dumps(row['verdict'])}")
    return Decision(**(row | {"spot": spot}))


def sync_folder(folder: Path) -> None:
    """Make that a file is there last through a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
