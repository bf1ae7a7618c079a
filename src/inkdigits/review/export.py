"""Export: corrected results as a table, and what people said as a folder of labelled images."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from inkdigits.errors import CannotWrite, InputError, UsageError
from inkdigits.files import atomic_path, write_bytes
from inkdigits.reading.inputs import SUFFIXES
from inkdigits.reading.table_file import COLUMNS, Row, check_format, write_table
from inkdigits.reading.table_rows import read_table
from inkdigits.review.decisions import Book, Decision
from inkdigits.review.items import Key, items_in

REVIEW = "review"
"""The column that corrected results have more."""
ODD = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 80


def write_corrected(results: Path, book: Book, out: Path) -> None:
    """Write the table `results`, corrected by the decisions in `book`, to `out`.

    Its format goes by the suffix. Rows, their order and columns are those of `results`, and one
    more: `review` is accepted, corrected or unreadable, partly where an image has numbers that
    nobody decided on, and empty where nobody did. What a person said has confidence 1. Raises
    UsageError when `out` is there already, InvalidData, CannotWrite.
    """
    check_format(out)
    if out.exists():
        raise UsageError(f"{str(out)!r} is there already.", "Delete it, or name another file.")
    write_table(out, (corrected(row, book) for row in read_table(results)), (*COLUMNS, REVIEW))


def corrected(row: Row, book: Book) -> Row:
    """Return a row as people said it is."""
    items = items_in(row)
    decisions = [book.of(item.key) for item in items]
    review = summary_of(
        None if decision is None else word_of(decision, item.text)
        for item, decision in zip(items, decisions, strict=True)
    )
    if not any(decisions):
        return row | {REVIEW: review}
    if items[0].key.spot is None:
        return whole(row, decisions[0]) | {REVIEW: review}
    pairs = zip(row["numbers"], decisions, strict=True)
    return joined(row, [after(number, decision) for number, decision in pairs]) | {REVIEW: review}


def summary_of(words: Iterable[str | None]) -> str:
    """Return in a word what was said of an image, given that of each of its numbers."""
    said = set(words)
    if said == {None}:
        return ""
    if None in said:
        return "partly"
    return next(iter(said)) if len(said) == 1 else "corrected"  # type: ignore[return-value]


def word_of(decision: Decision, reading: str) -> str:
    """Return accepted, corrected or unreadable, given what is read now: perhaps not as then."""
    if decision.verdict == "unreadable":
        return "unreadable"
    return "accepted" if decision.text == reading else "corrected"


def whole(row: Row, decision: Decision | None) -> Row:
    """Return the row of an image with one number, or none, after a decision."""
    if decision is None or (decision.verdict == "none" and not row["text"]):
        return row
    kept = {name: value for name, value in row.items() if name not in {"reason", "error"}}
    if decision.verdict != "read":
        reason = "unreadable" if decision.verdict == "unreadable" else "not_a_digit"
        unread = {"status": "rejected", "reason": reason, "text": "", "confidence": 0.0}
        return kept | unread | {"numbers": []}
    numbers = [after(number, decision) for number in row["numbers"]]
    return kept | {"status": "ok", "text": decision.text, "confidence": 1.0, "numbers": numbers}


def after(number: dict[str, Any], decision: Decision | None) -> dict[str, Any]:
    """Return a number after a decision: its digits keep their boxes if there are as many."""
    if decision is None:
        return number
    if decision.verdict != "read":
        return number | {"reason": "unreadable"}
    kept = {key: value for key, value in number.items() if key not in {"reason", "alternatives"}}
    digits = number["digits"] if len(number["digits"]) == len(decision.text) else []
    told = [
        digit | {"digit": int(sign), "confidence": 1.0}
        for digit, sign in zip(digits, decision.text, strict=bool(digits))
    ]
    return kept | {"text": decision.text, "confidence": 1.0, "digits": told}


def joined(row: Row, numbers: list[dict[str, Any]]) -> Row:
    """Return the row of an image with several numbers, as `Reading` sums them up."""
    sure = [number for number in numbers if "reason" not in number]
    told = sure or [number for number in numbers if number["reason"] != "unreadable"]
    row = {name: value for name, value in row.items() if name != "reason"} | {
        "status": "ok" if sure else "rejected",
        "text": "\n".join(number["text"] for number in told),
        "confidence": min((number["confidence"] for number in told), default=0.0),
        "numbers": numbers,
    }
    return row if sure else row | {"reason": "unsure" if told else "unreadable"}


def write_labels(results: Path, book: Book, folder: Path) -> tuple[int, list[str]]:
    """Write each image that people read into `folder`, beside a `labels.csv`: file, label, source.

    An image with one number is copied as it is, one of several numbers on a page is cut out as PNG.
    What is unreadable, holds no number, or was not decided is left out. Returns how many are there,
    and of each that could not be opened why. The folder appears whole or not at all. Raises
    CannotWrite when it is there and not empty, InvalidData.
    """
    check_empty(folder)
    labels: list[tuple[str, str, str]] = []
    failed: list[str] = []
    with atomic_path(folder) as place:
        place.mkdir()
        for number, (key, text) in enumerate(read_keys(results, book), start=1):
            try:
                labels.append((copy(key, number, place), text, source_of(key)))
            except (InputError, OSError) as error:
                failed.append(f"{key.image!r} is left out: {error}")
        with (place / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows([("file", "label", "source"), *labels])
    return len(labels), failed


def source_of(key: Key) -> str:
    """Return what the image of an item was cut from: the page, or the image itself."""
    return key.image if key.spot is None else f"{key.image}, page {key.spot.page}"


def read_keys(results: Path, book: Book) -> Iterator[tuple[Key, str]]:
    """Yield each item that people read, with what it says."""
    seen = set()
    for row in read_table(results):
        for item in items_in(row):
            decision = book.of(item.key)
            if decision is not None and decision.verdict == "read" and item.key not in seen:
                seen.add(item.key)
                yield item.key, decision.text


def copy(key: Key, number: int, folder: Path) -> str:
    """Put the image of an item into `folder` and return its name there; InputError, OSError."""
    source = Path(key.image)
    stem = ODD.sub("_", source.stem)[:LONGEST_NAME]
    from inkdigits.imaging.decode import DEFAULT_LIMITS, decode, read_source

    if key.spot is None:
        decode(source)  # a person may have read what no program can
        suffix = source.suffix.lower() if source.suffix.lower() in SUFFIXES else ".png"
        name = f"{number:06}-{stem}{suffix}"
        shutil.copyfile(source, folder / name)
        return name
    from inkdigits.reading.view import number_alone

    name = f"{number:06}-{stem}.png"
    png = number_alone(read_source(source), DEFAULT_LIMITS, key.spot)
    write_bytes(folder / name, png, durable=False)
    return name


def check_empty(folder: Path) -> None:
    """Raise CannotWrite unless `folder` is an empty folder, or nothing yet."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise CannotWrite(
            f"{str(folder)!r} is not an empty folder, and nothing is overwritten.",
            "Name a new folder.",
        )
