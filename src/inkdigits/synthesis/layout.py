"""Layout: glyphs set side by side as a hand sets them: apart, touching, overlapping, linked."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import as_uint8
from inkdigits.synthesis.strokes import Ink

UNDER = 0.5
"""A glyph reaches under or over the one before it by this share of its width, at most."""
NEAR_ROWS = 3
"""Strokes so many rows apart already meet."""
POINTS_A_LOOP = 40
"""Points that a zero in a row of linked ones is drawn through."""


@dataclass
class Line:
    """A line of writing that grows to the right: `ink` uint8 (rows, columns), bright on 0.

    `baseline` is the row on which digits stand, `end` the first free column, `edge` the last inked
    column of each row; `counted` says which columns hold ink of the number, `points` the middle
    columns of points and commas.
    """

    ink: Ink
    baseline: int
    end: int = 0
    edge: NDArray[np.int64] = field(init=False)
    counted: NDArray[np.bool_] = field(init=False)
    points: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.edge = np.full(len(self.ink), -(10**6))
        self.counted = np.zeros(self.ink.shape[1], bool)

    def add(self, glyph: Ink, rise: float, gap: float, counts: bool) -> int | None:
        """Set `glyph` so that its bottom is `rise` rows above the baseline, `gap` columns off.

        The gap is measured where the strokes come nearest; a negative one overlaps them. `counts`
        says whether the glyph is part of the number. Returns its middle column, None where no room
        is left for it.
        """
        glyph = cut_to_ink(glyph)
        rows, columns = glyph.shape
        top = int(np.clip(self.baseline - rise - rows, 0, max(0, len(self.ink) - rows)))
        part = slice(top, top + rows)
        glyph = glyph[: len(self.ink) - top]
        left = self.place(glyph, part, gap)
        if left + columns > self.ink.shape[1]:
            return None
        where = self.ink[part, left : left + columns]
        np.maximum(where, glyph, out=where)
        filled = glyph > 60
        ends = left + columns - 1 - filled[:, ::-1].argmax(axis=1)
        self.edge[part] = np.where(
            filled.any(axis=1), np.maximum(ends, self.edge[part]), self.edge[part]
        )
        self.end = max(self.end, left + columns)
        if counts:
            self.counted[left : left + columns] |= filled.any(axis=0)
        return int(left + columns // 2)

    def place(self, glyph: Ink, part: slice, gap: float) -> int:
        """Return the column at which `glyph` starts."""
        if self.end == 0:
            return max(2, round(gap))
        filled = glyph > 60
        starts = np.where(filled.any(axis=1), filled.argmax(axis=1), 10**6)
        edge = widened(self.edge)[part][: len(starts)]
        meeting = int((edge - starts).max())
        loose = self.end - round(UNDER * glyph.shape[1])
        left = meeting + 1 if meeting > -(10**5) else loose
        # A glyph that fits under a bar or beside a dot still follows the one before it.
        return int(max(2, max(left, loose) + round(gap)))


def new_line(height: float, glyphs: int) -> Line:
    """Return an empty line for so many glyphs of digits `height` pixels tall."""
    rows = round(2.4 * height)
    columns = round((1.7 * glyphs + 4) * height)
    return Line(np.zeros((rows, columns), np.uint8), round(1.7 * height))


def widened(edge: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the largest of `edge` within `NEAR_ROWS` of each row."""
    kernel = np.ones((2 * NEAR_ROWS + 1, 1), np.uint8)
    return np.asarray(cv2.dilate(edge.astype(np.float32)[:, None], kernel)[:, 0], np.int64)


def cut_to_ink(glyph: Ink) -> Ink:
    """Return `glyph` cut to the box of its ink, at least 1×1."""
    left, top, width, height = cv2.boundingRect((glyph > 40).astype(np.uint8))
    return as_uint8(glyph[top : top + max(height, 1), left : left + max(width, 1)])


def scaled(glyph: Ink, scale: float) -> Ink:
    """Return `glyph` scaled, at least 2 pixels a side."""
    size = (max(2, round(glyph.shape[1] * scale)), max(2, round(glyph.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return as_uint8(cv2.resize(glyph, size, interpolation=way))


def linked_zeros(count: int, height: float, pen: float, rng: np.random.Generator) -> Ink:
    """Write `count` zeros in one stroke: loops joined at the top, at half height or at the foot."""
    width = height * rng.uniform(0.6, 1.3)
    step = width * rng.uniform(0.95, 1.6)
    start = -np.pi / 2 + rng.normal(0, 0.3) if rng.random() < 0.7 else rng.normal(-0.4, 0.2)
    turns = np.linspace(0, 1, POINTS_A_LOOP)
    curves = []
    for number in range(count):
        w, h = width * np.exp(rng.normal(0, 0.1)), height * np.exp(rng.normal(0, 0.08))
        angle = start - 2 * np.pi * turns * rng.uniform(0.98, 1.18)
        ring = np.stack([w / 2 * np.cos(angle), h / 2 * np.sin(angle)], axis=1)
        curves.append(ring + np.array([number * step, rng.normal(0, 0.05 * height)]))
        if number:
            link = np.linspace(curves[-2][-1], curves[-1][0], POINTS_A_LOOP // 4)
            curves.insert(-1, link[1:-1])
    points = rounded(np.concatenate(curves), int(rng.integers(1, POINTS_A_LOOP // 6)))
    if rng.random() < 0.15:
        points[:, 1] *= -1
    points += 0.04 * height * shaking(len(points), rng)
    border = pen + 2
    points = points - points.min(axis=0) + border
    size = np.ceil(points.max(axis=0) + border).astype(int)
    ink = np.zeros((size[1], size[0]), np.uint8)
    fixed = [np.rint(points * 16).astype(np.int32)[:, None]]
    cv2.polylines(ink, fixed, False, 255, max(1, round(pen - 0.7)), cv2.LINE_AA, 4)
    return ink


def rounded(points: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return a curve float (n, 2) without its corners: each point the mean of `reach` around it."""
    kernel = np.full(2 * reach + 1, 1 / (2 * reach + 1))
    padded = np.pad(points, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(line, kernel, mode="valid") for line in padded.T], axis=1)


def shaking(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how an unsteady hand strays over `n` points, float (n, 2), slowly, about 1 at most."""
    knots = rng.normal(0, 1, (n // (POINTS_A_LOOP // 6) + 2, 2))
    places = np.linspace(0, len(knots) - 1, n)
    return np.stack([np.interp(places, np.arange(len(knots)), line) for line in knots.T], axis=1)
