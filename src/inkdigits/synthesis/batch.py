"""A training set of made images, by seed: digits of every make, and what is no digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Examples
from inkdigits.errors import UsageError
from inkdigits.synthesis import NOT_A_DIGIT
from inkdigits.synthesis.framing import frame_ink
from inkdigits.synthesis.hand import new_hand
from inkdigits.synthesis.negatives import negative_inks, upright_bar
from inkdigits.synthesis.paper import blank_page, through_paper
from inkdigits.synthesis.pen import redraw_ink
from inkdigits.synthesis.pool import making_pool
from inkdigits.synthesis.strokes import Ink
from inkdigits.synthesis.wear import wear

Images = NDArray[np.uint8]
Part = tuple[Images, NDArray[np.uint8]]

KINDS = ("digits", "negatives")
ON_PAPER = 0.2
"""The share of glyphs that go over a page and the real cleaning; the others are framed at once."""
REDRAWN = 0.5
"""The share of digits that are real ones redrawn; the others are written by hands made up."""
BLANK_PAGES = 0.02
"""The share of negatives that come from a page with nothing written on it."""
PER_HAND = 20
"""So many digits are written by one hand."""
CHUNK = 1000
WORTH_A_POOL = 4
"""So many chunks take longer than processes take to start."""
_DIGITS: list[Examples] = []


def synthesise(
    n_digits: int, n_negatives: int, digits: Examples, seed: int
) -> tuple[Images, NDArray[np.uint8]]:
    """Make `n_digits` digits and `n_negatives` images of no digit, shuffled, the same for a seed.

    On all cores when they are many. `digits` are real framed digits to redraw; those that come out
    repeat in random order. Returns images, uint8 (N, 28, 28) framed as MNIST is, and labels, uint8
    (N,): 0–9, or 10 for no digit. Raises UsageError for a negative count or no digits to redraw.
    """
    if n_digits < 0 or n_negatives < 0:
        raise UsageError(f"counts must be ≥ 0, got {n_digits} digits and {n_negatives} negatives.")
    if not len(digits):
        raise UsageError("there are no digits to redraw: `digits` is empty.", "Give some of MNIST.")
    order, *streams = np.random.default_rng(seed).spawn(3)
    orders = [
        Order(kind, min(CHUNK, n - start), rng)
        for kind, n, stream in zip(KINDS, (n_digits, n_negatives), streams, strict=True)
        for start, rng in zip(range(0, n, CHUNK), stream.spawn(-(-n // CHUNK)), strict=True)
    ]
    parts = [empty(0), *made(orders, digits)]
    images = np.concatenate([part[0] for part in parts])
    labels = np.concatenate([part[1] for part in parts])
    shuffled = order.permutation(len(images))
    return images[shuffled], labels[shuffled]


@dataclass(frozen=True)
class Order:
    """So many images of one kind, at most `CHUNK`, by random numbers of their own."""

    kind: str
    n: int
    rng: np.random.Generator


def made(orders: Sequence[Order], digits: Examples) -> list[Part]:
    """Return what was ordered; with more than a few orders other processes help."""
    if len(orders) < WORTH_A_POOL:
        return [fill(order, digits) for order in orders]
    with making_pool(_remember, digits) as pool:
        return list(pool.map(_fill, orders))


def _remember(digits: Examples) -> None:
    """Keep the digits to redraw in a new process."""
    _DIGITS[:] = [digits]


def _fill(order: Order) -> Part:
    """Fill an order in such a process."""
    return fill(order, _DIGITS[0])


def fill(order: Order, digits: Examples) -> Part:
    """Return the images of an order with their labels."""
    if order.kind == "digits":
        return made_digits(order.n, digits, order.rng)
    return made_negatives(order.n, digits, order.rng)


def made_digits(n: int, digits: Examples, rng: np.random.Generator) -> Part:
    """Return `n` made digits with their labels: half redrawn, half written."""
    redrawn = round(REDRAWN * n)
    chosen = rng.integers(0, len(digits), redrawn)
    inks: list[Ink] = list(redraw_ink(digits.images[chosen], rng))
    labels = digits.labels[chosen].tolist()
    for _ in range(redrawn, n, PER_HAND):
        some = rng.integers(0, 10, min(PER_HAND, n - len(inks)))
        hand = new_hand(rng)
        inks += [hand.digit(int(label), rng) for label in some]
        labels += some.tolist()
    return finish(inks, rng), np.array(labels, np.uint8)


def made_negatives(n: int, digits: Examples, rng: np.random.Generator) -> Part:
    """Return `n` images of no digit with their label, 10."""
    remains = [blank_page(rng) for _ in range(round(BLANK_PAGES * n))]
    found = [image for image in remains if image is not None and not upright_bar(image)]
    inks = negative_inks(n - len(found), digits, rng)
    images = np.concatenate([finish(inks, rng), np.array(found, np.uint8).reshape(-1, 28, 28)])
    return images, np.full(n, NOT_A_DIGIT, np.uint8)


def empty(n: int) -> Part:
    """Return room for `n` images and labels."""
    return np.zeros((n, 28, 28), np.uint8), np.zeros(n, np.uint8)


def finish(inks: Sequence[Ink], rng: np.random.Generator) -> Images:
    """Frame each glyph: over a page for some, at once for the others and where a page failed."""
    paper = rng.random(len(inks)) < ON_PAPER
    results = iter(through_paper([ink for ink, on in zip(inks, paper, strict=True) if on], rng))
    images = np.zeros((len(inks), 28, 28), np.uint8)
    for number, (ink, on) in enumerate(zip(inks, paper, strict=True)):
        framed = next(results) if on else None
        images[number] = frame_ink(wear(ink, rng)) if framed is None else framed
    return images
