"""Query: the options of a request, each checked before anything else is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request

from inkdigits.errors import UsageError
from inkdigits.serving.reader_process import Options

LAYOUTS = ("auto", "digit", "line", "page")
CHECKSUMS = ("luhn", "ean", "mod97", "verhoeff", "damm")
MOST_TOP = 100
MOST_LENGTH = 512
NAME = "name"


def options_of(request: Request) -> Options:
    """Return the options in a request's query; raises UsageError.

    What only the reader can judge, such as a pattern, it judges later.
    """
    values: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if name == NAME:
            continue
        if name not in TAKEN:
            known = ", ".join([*TAKEN, NAME])
            raise UsageError(f"unknown option {name[:60]!r}.", f"The options are: {known}.")
        if name in values:
            raise UsageError(f"{name} is given twice.", "Give it once.")
        values[name] = TAKEN[name](name, text)
    return Options(**values)


def one_of(*known: str) -> Callable[[str, str], str]:
    """Return what reads one of some words."""

    def read(name: str, text: str) -> str:
        if text not in known:
            raise UsageError(f"{name} must be one of {', '.join(known)}, got {text[:60]!r}.")
        return text

    return read


def whole(least: int, most: float = math.inf) -> Callable[[str, str], int]:
    """Return what reads a whole number from `least` to `most`."""

    def read(name: str, text: str) -> int:
        # As many digits as Python turns into an integer without a limit of its own.
        digits = text.removeprefix("-")
        fits = digits.isascii() and digits.isdigit() and len(digits) <= 30
        if not fits or not least <= int(text) <= most:
            end = "" if most == math.inf else f" to {most:g}"
            told = f"of {least}{end}" if end else f"of {least} or more"
            raise UsageError(f"{name} must be a whole number {told}, got {text[:60]!r}.")
        return int(text)

    return read


def share(name: str, text: str) -> float:
    """Return a number of 0–1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UsageError(f"{name} must be a number of 0–1, got {text[:60]!r}.")
    return value


def as_it_is(_name: str, text: str) -> str:
    """Return a text."""
    return text


TAKEN: Mapping[str, Callable[[str, str], Any]] = {
    "layout": one_of(*LAYOUTS),
    "length": whole(1, MOST_LENGTH),
    "pattern": as_it_is,
    "checksum": one_of(*CHECKSUMS),
    "max": whole(0),
    "top": whole(1, MOST_TOP),
    "target_error": share,
}
