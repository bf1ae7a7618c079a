"""What a reading says: frozen, plain, and the JSON contract of command, Python and HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, width, height in source pixels."""
Status: TypeAlias = Literal["ok", "rejected", "error"]
Reason: TypeAlias = Literal["blank", "not_a_digit", "unsure"]

DECIMALS = 6


@dataclass(frozen=True)
class Spot:
    """A place in an image: the page, counted from 1, and there the box of a number."""

    page: int
    box: Box


@dataclass(frozen=True)
class Digit:
    """One digit 0–9, its confidence 0–1 and its box."""

    digit: int
    confidence: float
    box: Box

    def to_dict(self) -> dict[str, Any]:
        """Return the digit as it stands in JSON."""
        return {
            "digit": self.digit,
            "confidence": round(self.confidence, DECIMALS),
            "box": list(self.box),
        }


@dataclass(frozen=True)
class Alternative:
    """Another text that the same ink may say, and its probability 0–1."""

    text: str
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return the alternative as it stands in JSON."""
        return {"text": self.text, "confidence": round(self.confidence, DECIMALS)}


@dataclass(frozen=True)
class Number:
    """Digits read as one number: its text, confidence 0–1, box and digits from left to right.

    `alternatives` are the next most probable texts, where they were asked for. `reason` is "unsure"
    for a number that is doubted. `page` counts from 1 in a source of several pages, else None.
    """

    text: str
    confidence: float
    box: Box
    digits: tuple[Digit, ...]
    alternatives: tuple[Alternative, ...] = ()
    reason: Reason | None = None
    page: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the number as it stands in JSON; what is not set is left out."""
        entry: dict[str, Any] = {
            "text": self.text,
            "confidence": round(self.confidence, DECIMALS),
            "box": list(self.box),
            "digits": [digit.to_dict() for digit in self.digits],
        }
        if self.alternatives:
            entry["alternatives"] = [other.to_dict() for other in self.alternatives]
        if self.reason is not None:
            entry["reason"] = self.reason
        if self.page is not None:
            entry["page"] = self.page
        return entry


@dataclass(frozen=True)
class Reading:
    """What was read in one image.

    `image` is its name; `text` joins the numbers in reading order with newlines, those left out
    that are doubted; `confidence`, 0–1, is that of the least sure of them. `reason` is set when the
    status is `rejected`, `error` when it is `error`. A reading rejected as unsure says, in `text`
    and `numbers`, what it doubts.
    """

    image: str
    status: Status
    text: str
    confidence: float
    numbers: tuple[Number, ...]
    reason: Reason | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the reading as it stands in JSON; `reason` and `error` only when set."""
        entry: dict[str, Any] = {
            "image": self.image,
            "status": self.status,
            "text": self.text,
            "confidence": round(self.confidence, DECIMALS),
            "numbers": [number.to_dict() for number in self.numbers],
        }
        if self.reason is not None:
            entry["reason"] = self.reason
        if self.error is not None:
            entry["error"] = self.error
        return entry
