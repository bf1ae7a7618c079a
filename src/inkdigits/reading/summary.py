"""What was seen on all places and pages, as one reading of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inkdigits.errors import InputError
from inkdigits.imaging.decode import Source
from inkdigits.reading.result import Box, Number, Reading, Reason


def name_of(source: Source, name: str | None) -> str:
    """Return how a reading calls its image: `name`, else its path, else its type."""
    if name is not None:
        return name
    return str(source) if isinstance(source, str | Path) else type(source).__name__


def error_reading(name: str, error: InputError) -> Reading:
    """Return the reading of an image that cannot be used."""
    return Reading(name, "error", "", 0.0, (), error=str(error))


def moved(number: Number, x: int, y: int) -> Number:
    """Return `number` with its boxes `x` and `y` pixels further."""

    def shifted(box: Box) -> Box:
        return (box[0] + x, box[1] + y, box[2], box[3])

    digits = tuple(replace(digit, box=shifted(digit.box)) for digit in number.digits)
    return replace(number, box=shifted(number.box), digits=digits)


def on_page(verdict: Number | Reason, page: int) -> Number | Reason:
    """Return a verdict that says on which page it is."""
    return replace(verdict, page=page) if isinstance(verdict, Number) else verdict


def summary(name: str, verdicts: Sequence[Number | Reason]) -> Reading:
    """Return the reading of an image from the verdicts on its places."""
    numbers = tuple(verdict for verdict in verdicts if isinstance(verdict, Number))
    sure = [number for number in numbers if number.reason is None]
    told = sure or numbers
    text = "\n".join(number.text for number in told)
    confidence = min((number.confidence for number in told), default=0.0)
    if sure:
        return Reading(name, "ok", text, confidence, numbers)
    if numbers:
        return Reading(name, "rejected", text, confidence, numbers, reason="unsure")
    reasons = [verdict for verdict in verdicts if not isinstance(verdict, Number)]
    return Reading(name, "rejected", "", 0.0, (), reason=next(iter(reasons), "blank"))
