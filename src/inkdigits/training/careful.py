"""How far a careful reader can trust an artefact for whole numbers, as made pages tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import FORMAT, Metadata
from inkdigits.artefact.selective import risk_coverage
from inkdigits.data.dataset import Examples
from inkdigits.imaging.arrays import Grey
from inkdigits.imaging.line import find_number
from inkdigits.reading.line_engine import LineEngine
from inkdigits.reading.number import is_number, may_be_digit, see_numbers
from inkdigits.reading.trust import LOOKED_AT, confidences
from inkdigits.synthesis.numbers import number_pages
from inkdigits.synthesis.pool import making_pool

PART = 250
"""Pages of one part: some ten seconds' work."""
SEED = 7_919
"""Other pages than those that val's numbers are cut from."""


@dataclass(frozen=True)
class Looked:
    """What was seen in all looks at pages that hold one number each.

    `texts` are "" where no number of two digits or more was the most probable text; `trust`,
    float64 (N,), 0–1, is how probably a careful reader says each is right (0 there); `labels` are
    true, each anything but digits where there is no number.
    """

    texts: list[str]
    labels: list[str]
    trust: NDArray[np.float64]

    @property
    def read(self) -> NDArray[np.bool_]:
        """Which pages were read, bool (N,)."""
        return np.array([bool(text) for text in self.texts], np.bool_)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which were read right, bool (N,)."""
        pairs = zip(self.texts, self.labels, strict=True)
        return np.array([bool(text) and text == label for text, label in pairs], np.bool_)


def look_carefully(engine: LineEngine, pages: Iterable[Grey], labels: Sequence[str]) -> Looked:
    """Look at the one number on each of `pages`, uint8 (h, w), in all ways."""
    told = [told_of(engine, page) for page in pages]
    return Looked([text for text, _ in told], list(labels), np.array([trust for _, trust in told]))


def told_of(engine: LineEngine, page: Grey) -> tuple[str, float]:
    """Return the number on a page and how probably it is right; "" and 0 where none is read.

    What may be one digit is left out: a reader judges that by the model for single digits, too.
    """
    (seen,) = see_numbers([find_number(page)], engine, top=LOOKED_AT, careful=True)
    if seen is None or may_be_digit(seen.candidates) or not is_number(seen.candidates[0]):
        return "", 0.0
    return seen.candidates[0].text, confidences(seen.candidates)[0]


def with_made_curve(metadata: Metadata, content: bytes, digits: Examples, n: int) -> Metadata:
    """Return `metadata` with the curve of the artefact `content` on `n` made pages of `digits`."""
    return with_careful_curve(metadata, look_at_made(content, digits, n, SEED))


def look_at_made(content: bytes, digits: Examples, n: int, seed: int) -> Looked:
    """Look with the artefact `content` at `n` made pages of `digits`, by seed, on all cores."""
    sizes = [min(PART, n - start) for start in range(0, n, PART)]
    with making_pool() as pool:
        tasks = [
            pool.submit(look_at_part, content, digits, size, (seed, number))
            for number, size in enumerate(sizes)
        ]
        return together([task.result() for task in tasks])


def look_at_part(content: bytes, digits: Examples, n: int, seed: tuple[int, int]) -> Looked:
    """Make one part of the pages and look at it."""
    pages = number_pages(n, digits, int(np.random.SeedSequence(seed).generate_state(1)[0]))
    return look_carefully(
        LineEngine(content), (grey for grey, _ in pages), [text for _, text in pages]
    )


def together(parts: Sequence[Looked]) -> Looked:
    """Return what was seen of several parts as one."""
    return Looked(
        [text for part in parts for text in part.texts],
        [label for part in parts for label in part.labels],
        np.concatenate([np.zeros(0), *(part.trust for part in parts)]),
    )


def with_careful_curve(metadata: Metadata, looked: Looked) -> Metadata:
    """Return `metadata` with the curve of error against coverage of what was read.

    In today's format: in older ones such a curve was of something else.
    """
    read = looked.read
    if not read.any():
        return metadata
    curve = risk_coverage(looked.trust[read], looked.right[read])
    return replace(metadata, val_curve=curve, val_n=int(read.sum()), format=FORMAT)
