"""Lattice: how probable each prefix is before each step of a view, all steps at once.

The state of a prefix after a step is what arrives there plus what stays from the step before, a
recurrence over the steps. With the products over runs of 1, 2, 4, … steps at hand, a few additions
of shifted arrays solve it, for many prefixes and all views together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import DIGIT_LABELS, OTHER
from inkdigits.errors import InvalidData

SIGNS = "".join([*DIGIT_LABELS, OTHER])
"""The signs that texts are made of, the class of each is its place; points are told by then."""
CLASSES = len(SIGNS) + 1
BLANK = CLASSES - 1
LEAST = 1e-250
"""Less probability than this is none."""
NEGLIGIBLE = 1e-30
"""A digit that stays so long with less than this probability adds nothing to any sum."""

Floats: TypeAlias = NDArray[np.float64]


class Prefix(NamedTuple):
    """A prefix: the probabilities that it was read before each step, of shape (V, T).

    `open` in all, `closed` with a blank behind it, as its last digit needs to be read again.
    """

    text: str
    open: Floats
    closed: Floats


Child: TypeAlias = tuple[float, str, Prefix]
"""A prefix not yet visited: its mass, negative so that the greatest comes first, text, parent."""


class Lattice:
    """The views as one array, and the products over runs of steps that every extension needs.

    Views are filled up with sure blanks, which change no probability. `digits[k]` holds, of shape
    (11, V, T - 2**k), the product of a digit's probabilities over the 2**k steps up to each step
    from 2**k on; `blanks[k]`, (V, T - 2**k), the same of the blank.
    """

    def __init__(self, views: Sequence[NDArray[np.float32]]) -> None:
        steps = max((steps_of(view) for view in views), default=0)
        if not steps:
            raise InvalidData("there is no view to decode, got an empty list.")
        classes = np.zeros((CLASSES, len(views), steps))
        classes[BLANK] = 1
        for index, view in enumerate(views):
            classes[:, index, : len(view)] = view.T
        self.classes = classes = normalised(classes)
        self.blanks = products(classes[BLANK], 0)
        self.digits = products(classes[:BLANK], NEGLIGIBLE)
        # (V·T, 11): a prefix's masses before each step times this are the masses of its children.
        self.emitted = classes[:BLANK].reshape(BLANK, -1).T / len(views)

    def root(self) -> tuple[Prefix, Floats]:
        """Return the empty prefix and the probabilities of the empty text, (1, V)."""
        blank = self.classes[BLANK].cumprod(axis=1)
        before = np.ones_like(blank)
        before[:, 1:] = blank[:, :-1]
        return Prefix("", before, before), blank[None, :, -1]

    def extend(self, children: Sequence[Child]) -> tuple[list[Prefix], Floats]:
        """Return the prefixes of `children`, and the probabilities of their texts, (W, V)."""
        digits = [SIGNS.index(text[-1]) for _, text, _ in children]
        before = np.array(
            [
                parent.closed if parent.text[-1:] == text[-1] else parent.open
                for _, text, parent in children
            ]
        )
        ending = before * self.classes[digits]
        for level, product in enumerate(self.digits):
            carry(ending, product[digits], level)
        closed = np.zeros((*ending.shape[:2], ending.shape[2] + 1))
        blank = closed[..., 1:]
        np.multiply(ending[..., :-1], self.classes[BLANK, :, 1:], out=blank[..., 1:])
        for level, product in enumerate(self.blanks):
            carry(blank, product, level)
        opened = closed.copy()
        opened[..., 1:] += ending
        prefixes = [
            Prefix(child[1], opened[index, :, :-1], closed[index, :, :-1])
            for index, child in enumerate(children)
        ]
        return prefixes, opened[..., -1]

    def masses(self, prefixes: Sequence[Prefix]) -> Floats:
        """Return the masses of the eleven children of each prefix, float64 (W, 11)."""
        before = np.array([prefix.open for prefix in prefixes]).reshape(len(prefixes), -1)
        masses: Floats = before @ self.emitted
        for row, prefix in enumerate(prefixes):
            if prefix.text:
                digit = SIGNS.index(prefix.text[-1])
                masses[row, digit] = prefix.closed.reshape(-1) @ self.emitted[:, digit]
        return masses


def products(steps: Floats, least: float) -> list[Floats]:
    """Return the products of `steps` (…, T) over 1, 2, 4, … steps, until none exceeds `least`."""
    levels: list[Floats] = []
    length = 1
    product = steps
    while length < steps.shape[-1] and (least == 0 or product.max() > least):
        levels.append(product[..., 1:])
        product = product[..., length:] * product[..., :-length]
        length *= 2
    return levels


def carry(states: Floats, product: Floats, level: int) -> None:
    """Add to each state (…, T), in place, what stood there 2**level steps before and stayed.

    Over all levels this solves state[t] = arrived[t] + stay[t] · state[t - 1] for all t at once.
    """
    shift = 1 << level
    states[..., shift:] += product * states[..., :-shift]


def steps_of(view: Any) -> int:
    """Return T of a view; raises InvalidData unless it is an array (T, 12), T ≥ 1."""
    if (
        not isinstance(view, np.ndarray)
        or view.ndim != 2
        or view.shape[1] != CLASSES
        or not len(view)
    ):
        shown = view.shape if isinstance(view, np.ndarray) else type(view).__name__
        raise InvalidData(
            f"a view must be an array (T, {CLASSES}) of one step or more, got {shown}."
        )
    return len(view)


def normalised(classes: Floats) -> Floats:
    """Return `classes` (11, …) with sums of exactly 1; raises InvalidData for no probabilities."""
    sums = classes.sum(axis=0)
    if not (classes.min() >= 0 and sums.min() > 0.9 and sums.max() < 1.1):
        raise InvalidData(
            f"the classes of a step must be probabilities that sum to 1, got sums from "
            f"{sums.min():.3g} to {sums.max():.3g} and values down to {classes.min():.3g}."
        )
    shares: Floats = classes / sums
    return shares
