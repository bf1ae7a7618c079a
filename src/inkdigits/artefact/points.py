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
    point, decimal = steps[:, :, POINT_CLASS], makes_decimal(steps)
    folded[:, :, OTHER_CLASS] += np.where(decimal, point, 0)
    folded[:, :, -1] += np.where(decimal, 0, point)
    return folded


def makes_decimal(steps: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return for each step of views (V, T, 13) whether a point there would make a decimal."""
    best = steps.argmax(axis=2)
    begins = np.ones(best.shape, bool)
    begins[:, 1:] = best[:, 1:] != best[:, :-1]
    signs = begins & (best != BLANK_CLASS)
    count = later(signs)
    return np.asarray((count >= 1) & (count <= DECIMALS) & (later(signs & (best >= DIGITS)) == 0))


def later(found: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return how many are found behind each step of views (V, T)."""
    until = found.cumsum(axis=1)
    return np.asarray(until[:, -1:] - until)
