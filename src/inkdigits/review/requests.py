"""Requests: what the page may ask of the desk, each field checked before anything is done."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

from inkdigits.errors import UsageError
from inkdigits.reading.result import Reason, Status
from inkdigits.review.decisions import Verdict
from inkdigits.review.desk import Filter

ID = re.compile(r"[!-~]{1,64}")
MOST_AT_ONCE = 64
SHOW: tuple[Literal["open", "decided"], ...] = ("open", "decided")


def name_in(body: dict[str, Any], field: str) -> str:
    """Return an id, as `ID` has it; raises UsageError."""
    value = body.get(field)
    if isinstance(value, str) and ID.fullmatch(value):
        return value
    raise UsageError(f"{field} must be an id of 1–64 letters, got {told(value)}.")


def optional_name(body: dict[str, Any], field: str) -> str | None:
    """Return an id, or None where there is none; raises UsageError."""
    return None if body.get(field) is None else name_in(body, field)


def whole_in(body: dict[str, Any], field: str, below: int) -> int:
    """Return a whole number from 0 to less than `below`; raises UsageError."""
    return whole(body.get(field), field, below)


def whole(value: object, field: str, below: int) -> int:
    """Return `value` if it is a whole number from 0 to less than `below`; raises UsageError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < below:
        raise UsageError(f"{field} must be a whole number below {below}, got {told(value)}.")
    return value


def wholes_in(body: dict[str, Any], field: str, below: int) -> list[int]:
    """Return a list of whole numbers, empty where there is none; raises UsageError."""
    values = body.get(field, [])
    if not isinstance(values, list) or len(values) > MOST_AT_ONCE:
        raise UsageError(f"{field} must be a list of at most {MOST_AT_ONCE}, got {told(values)}.")
    return [whole(value, field, below) for value in values]


def holding_in(body: dict[str, Any], below: int) -> dict[int, str | None]:
    """Return the items that a page has, each with the id of the decision that it shows."""
    values = body.get("holding", [])
    if not isinstance(values, list) or len(values) > MOST_AT_ONCE:
        raise UsageError(f"holding must be a list of at most {MOST_AT_ONCE}, got {told(values)}.")
    if not all(isinstance(value, dict) for value in values):
        raise UsageError("holding must be a list of objects.")
    return {whole_in(one, "item", below): optional_name(one, "decision") for one in values}


def verdict_in(body: dict[str, Any]) -> Verdict:
    """Return a verdict; raises UsageError."""
    for known in get_args(Verdict):
        if body.get("verdict") == known:
            return known  # type: ignore[no-any-return]
    raise unknown("verdict", get_args(Verdict), body.get("verdict"))


def text_in(body: dict[str, Any]) -> str:
    """Return the text of a decision, "" where there is none; raises UsageError."""
    value = body.get("text", "")
    if not isinstance(value, str):
        raise UsageError(f"text must be a text, got {told(value)}.")
    return value


def filter_in(body: dict[str, Any]) -> Filter:
    """Return which items are wanted; raises UsageError."""
    wanted = body.get("filter", {})
    if not isinstance(wanted, dict):
        raise UsageError(f"filter must be an object, got {told(wanted)}.")
    show = one_of(wanted, "show", SHOW) or "open"
    status = one_of(wanted, "status", get_args(Status))
    reason = one_of(wanted, "reason", get_args(Reason))
    low, high = (share_in(wanted.get(name, end), name) for name, end in (("low", 0), ("high", 1)))
    return Filter("decided" if show == "decided" else "open", status, reason, low, high)


def one_of(body: dict[str, Any], field: str, known: tuple[str, ...]) -> str | None:
    """Return one of some words, None where there is none; raises UsageError."""
    value = body.get(field)
    if value is not None and value not in known:
        raise unknown(field, known, value)
    return value


def share_in(value: object, field: str) -> float:
    """Return a number of 0–1; raises UsageError."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = -1.0
    if not 0 <= found <= 1:
        raise UsageError(f"{field} must be a number of 0–1, got {told(value)}.")
    return found


def unknown(field: str, known: tuple[str, ...], value: object) -> UsageError:
    """Return the error for a word that is not known."""
    return UsageError(f"{field} must be one of {', '.join(known)}, got {told(value)}.")


def told(value: object) -> str:
    """Return a value as an error tells it."""
    return repr(value)[:60]
