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
class Number:
    """Digits read as one number: its text, confidence 0–1, box and digits from left to right."""

    text: str
    confidence: float
    box: Box
    digits: tuple[Digit, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the number as it stands in JSON."""
        return {
            "text": self.text,
            "confidence": round(self.confidence, DECIMALS),
            "box": list(self.box),
            "digits": [digit.to_dict() for digit in self.digits],
        }


@dataclass(frozen=True)
class Reading:
    """What was read in one image.

    `image` is its name; `text` joins the numbers in reading order with newlines; `confidence` is
    0–1. `reason` is set when the status is `rejected`, `error` when it is `error`. A reading
    rejected as unsure still carries the numbers it doubts.
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
