"""A training set of made images, by seed: digits of every make, and what is no digit."""

from __future__ import annotations

from collections.abc import Sequence

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
from inkdigits.synthesis.strokes import Ink
from inkdigits.synthesis.wear import wear

Images = NDArray[np.uint8]

ON_PAPER = 0.2
"""The share of glyphs that go over a page and the real cleaning; the others are framed at once."""
REDRAWN = 0.5
"""The share of digits that are real ones redrawn; the others are written by hands made up."""
BLANK_PAGES = 0.02
"""The share of negatives that come from a page with nothing written on it."""
PER_HAND = 20
"""So many digits are written by one hand."""
CHUNK = 1000


def synthesise(
    n_digits: int, n_negatives: int, digits: Examples, seed: int
) -> tuple[Images, NDArray[np.uint8]]:
    """Make `n_digits` digits and `n_negatives` images of no digit, shuffled, the same for a seed.

    `digits` are real framed digits to redraw; those that come out repeat in random order. Returns
    images, uint8 (N, 28, 28) framed as MNIST is, and labels, uint8 (N,): 0–9, or 10 for no digit.
    Raises UsageError for a negative count or no digits to redraw.
    """
    if n_digits < 0 or n_negatives < 0:
        raise UsageError(f"counts must be ≥ 0, got {n_digits} digits and {n_negatives} negatives.")
    if not len(digits):
        raise UsageError("there are no digits to redraw: `digits` is empty.", "Give some of MNIST.")
    order, *streams = np.random.default_rng(seed).spawn(3)
    parts = [made_digits(n_digits, digits, streams[0])]
    parts.append(made_negatives(n_negatives, digits, streams[1]))
    images = np.concatenate([part[0] for part in parts])
    labels = np.concatenate([part[1] for part in parts])
    shuffled = order.permutation(len(images))
    return images[shuffled], labels[shuffled]


def made_digits(
    n: int, digits: Examples, rng: np.random.Generator
) -> tuple[Images, NDArray[np.uint8]]:
    """Return `n` made digits with their labels: half redrawn, half written."""
    images, labels = empty(n)
    for start in range(0, n, CHUNK):
        count = min(CHUNK, n - start)
        redrawn = round(REDRAWN * count)
        chosen = rng.integers(0, len(digits), redrawn)
        inks: list[Ink] = list(redraw_ink(digits.images[chosen], rng))
        found = digits.labels[chosen].tolist()
        for _ in range(redrawn, count, PER_HAND):
            some = rng.integers(0, 10, min(PER_HAND, count - len(inks)))
            hand = new_hand(rng)
            inks += [hand.digit(int(label), rng) for label in some]
            found += some.tolist()
        images[start : start + count] = finish(inks, rng)
        labels[start : start + count] = found
    return images, labels


def made_negatives(
    n: int, digits: Examples, rng: np.random.Generator
) -> tuple[Images, NDArray[np.uint8]]:
    """Return `n` images of no digit with their label, 10."""
    images, labels = empty(n)
    labels[:] = NOT_A_DIGIT
    for start in range(0, n, CHUNK):
        count = min(CHUNK, n - start)
        remains = [blank_page(rng) for _ in range(round(BLANK_PAGES * count))]
        found = [image for image in remains if image is not None and not upright_bar(image)]
        inks = negative_inks(count - len(found), digits, rng)
        images[start : start + count] = [*finish(inks, rng), *found]
    return images, labels


def empty(n: int) -> tuple[Images, NDArray[np.uint8]]:
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
