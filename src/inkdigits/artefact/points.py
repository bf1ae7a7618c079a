"""Points: whether a point or comma parts thousands or makes a decimal, told by what follows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import LINE_LABELS, OTHER, POINT

DECIMALS = 2
"""A point with one digit behind it, or two, makes a decimal; three part thousands."""
POINT_CLASS, OTHER_CLASS = LINE_LABELS.index(POINT), LINE_LABELS.index(OTHER)
BLANK_CLASS = len(LINE_LABELS) - 1
DIGITS = 10


def as_whole(text: str) -> str:
    """Return `text` as a reader says it: without points that part thousands or close an amount.

    A point that makes a decimal is an `OTHER`.
    """
    parts = text.split(POINT)
    told = parts[-1]
    decimal = told.isdigit() and len(told) <= DECIMALS and len(parts) > 1
    return "".join(parts[:-1]) + (OTHER if decimal else "") + told


def without_points(steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `steps` (V, T, 13) of a line network as (V, T, 12): digits, another sign, blank.

    The probability of a point goes to another sign where the view's best path has one or two digits
    behind it and nothing else, to the blank elsewhere.
    """
    folded = np.delete(steps, POINT_CLASS, axis=2)
    for view, probabilities in zip(steps, folded, strict=True):
        point = view[:, POINT_CLASS]
        decimal = makes_decimal(view)
        probabilities[:, OTHER_CLASS] += np.where(decimal, point, 0)
        probabilities[:, -1] += np.where(decimal, 0, point)
    return folded


def makes_decimal(view: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return for each step of `view` (T, 13) whether a point there would make a decimal."""
    best = view.argmax(axis=1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    signs = best[starts]
    seen = signs != BLANK_CLASS
    # How many signs, and how many that are no digits, begin at each run or later.
    later = np.append(np.cumsum(seen[::-1])[::-1], 0)
    others = np.append(np.cumsum((seen & (signs >= DIGITS))[::-1])[::-1], 0)
    following = np.searchsorted(starts, np.arange(len(best)), side="right")
    count = later[following]
    return np.asarray((count >= 1) & (count <= DECIMALS) & (others[following] == 0))
