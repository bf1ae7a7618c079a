"""Printed: the rules, frames and combs around a written number, told from straight strokes.

Unlike `rules`, which knows one digit on a page, this looks at a row of digits: a printed line is
straight and thin, and it runs from border to border or ends at another line. Where a stroke crosses
a line, or lies on it, the stroke stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Grey, Mask
from inkdigits.imaging.rules import median, theil_sen

Bits = NDArray[np.uint8]

LEVEL_RUN, UPRIGHT_RUN = 0.9, 0.45
"""Straight runs of a line are of this share of the page's height, at least."""
ONE_BORDER = 0.55
"""A level line that reaches only one border has this share of the page's width."""
FREE = 0.75
"""A level line that reaches no border, an underline by hand perhaps, has this share."""
MAX_THICKNESS = 0.14
"""A printed line is thinner than this share of the page's shorter side, or than 3 pixels."""
MAX_SLOPE = 0.09
AT_BORDER = 1
"""What begins or ends so many pixels from the border lies at it."""
SIDE_BAND = 0.14
"""A single upright line is printed only within this share of the left or right border."""
COMB = 3
"""So many uprights from the same row to the same row are the teeth of a comb."""
EDGE_BAND = 0.05
"""The same where there is no level line."""
EVEN = 0.5
"""Nearly all of a printed line is darker than this share of its usual depth."""
BRANCHES = 0.07
"""Strokes branch off in less than this share of a printed upright line."""
ON_LINE = 1.35
"""Where a line is that much deeper than elsewhere, a stroke lies on it."""


@dataclass(frozen=True)
class Run:
    """A straight run of ink lying level: columns `start` to `end`, y = slope · x + offset."""

    start: int
    end: int
    slope: float
    offset: float
    thickness: float

    @property
    def length(self) -> int:
        """Columns from start to end."""
        return self.end - self.start

    @property
    def middle(self) -> float:
        """The row at half its length."""
        return self.slope * (self.start + self.end) / 2 + self.offset


def printed_lines(faint: Mask, strong: Mask, depth: Grey) -> Mask:
    """Return which pixels are printed lines, bool (h, w), strokes across left out.

    `faint` is all that may be ink, pale lines too, `strong` what is as dark as writing; `depth`,
    uint8, is how far it lies below its ground.
    """
    shape = faint.shape
    ink = faint.view(np.uint8)
    runs = straight_runs(
        ink, LEVEL_RUN * shape[0], lambda start, end: is_level_rule(start, end, shape)
    )
    flat = [run for run in runs if is_even(run, depth)]
    printed, level = band_of_lines(ink, depth, flat)
    turned = np.ascontiguousarray(ink.T)
    steep = straight_runs(
        turned,
        UPRIGHT_RUN * shape[0],
        lambda start, end: bool(flat) or start <= AT_BORDER or end >= shape[0] - 1 - AT_BORDER,
        at_borders=not flat,
    )
    bare = [run for run in steep if is_bare(run, (strong & ~level).T)] if steep else []
    tall = [run for run in bare if is_upright_rule(run, flat, bare, shape)]
    if tall:
        sides, upright = band_of_lines(turned, np.ascontiguousarray(depth.T), tall)
        printed |= sides.T | (level & upright.T)
    return printed


def straight_runs(
    ink: Bits, least: float, likely: Callable[[int, int], bool], *, at_borders: bool = False
) -> list[Run]:
    """Return the thin straight parts of `ink` (h, w) made of level runs of `least` pixels or more.

    Left out is what `likely` rules out by its first and last column; `at_borders` says that it
    rules out what lies at neither the left nor the right border.
    Ink is first grown up and down by a pixel, so that a line may be askew, and gaps are closed.
    """
    run = max(8, round(min(least, 0.5 * ink.shape[1])))
    if ink.shape[1] <= run:
        return []
    thick = cv2.dilate(ink, np.ones((3, 1), np.uint8))
    closed = cv2.morphologyEx(thick, cv2.MORPH_CLOSE, np.ones((1, run // 8 | 1), np.uint8))
    kernel = np.ones((1, run), np.uint8)
    shrunk = cv2.erode(closed, kernel)
    if not cv2.countNonZero(shrunk):  # as with most numbers: nothing is so long
        return []
    opened = cv2.dilate(shrunk, kernel)
    borders = opened[:, : AT_BORDER + 1], opened[:, -1 - AT_BORDER :]
    if at_borders and not any(border.any() for border in borders):
        return []
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    found = []
    for label in range(1, count):
        left, top, width, height, _ = stats[label].tolist()
        if not likely(left, left + width - 1):
            continue
        part = np.s_[top : top + height, left : left + width]
        fit = fitted((labels[part] == label) & (ink[part] > 0), left, top)
        if fit is not None and fit.thickness <= max(3.0, MAX_THICKNESS * min(ink.shape)):
            found.append(fit)
    return found


def fitted(flat: Mask, left: int, top: int) -> Run | None:
    """Fit a line to a run at (left, top), None where it bends; higher columns are crossings."""
    heights = flat.sum(axis=0)
    filled = heights > 0
    if filled.sum() < 8:
        return None
    usual = median(heights[filled])
    columns = np.flatnonzero(filled & (heights <= 1.5 * usual + 1))
    if len(columns) < max(6, 0.4 * flat.shape[1]):
        return None
    middles = np.arange(len(flat)) @ flat[:, columns] / heights[columns]
    slope, offset = theil_sen(columns, middles)
    away = np.abs(middles - slope * columns - offset)
    if abs(slope) > MAX_SLOPE or (away > 1.2).mean() > 0.25:
        return None
    end = left + flat.shape[1] - 1
    return Run(left, end, slope, offset + top - slope * left, usual)


def is_level_rule(start: int, end: int, shape: tuple[int, ...]) -> bool:
    """Tell whether a level run is as long as print: it reaches the borders, or nearly."""
    rows, columns = shape
    slack = max(2, round(0.03 * columns))
    one_border = ONE_BORDER if columns > 1.6 * rows else 0.8
    borders = (start <= slack) + (end >= columns - 1 - slack)
    return end - start >= (FREE, one_border, 0.9)[borders] * columns


def is_even(run: Run, depth: Grey) -> bool:
    """Tell whether a run is about as dark in nearly all its columns, as print is."""
    columns = np.arange(run.start, run.end + 1)
    centre = np.rint(run.slope * columns + run.offset).astype(int)
    near = [depth[np.clip(centre + by, 0, len(depth) - 1), columns] for by in (-1, 0, 1)]
    pale, usual = np.percentile(np.max(near, axis=0), [15, 50])
    return bool(pale >= EVEN * usual)


def is_bare(run: Run, ink: Mask) -> bool:
    """Tell whether hardly any stroke of `ink` branches off a run lying level."""
    columns = np.arange(run.start, run.end + 1)
    centre = run.slope * columns + run.offset
    reach = run.thickness / 2 + 2
    above, below = (
        ink[np.clip(np.rint(centre + by), 0, len(ink) - 1).astype(int), columns]
        for by in (-reach, reach)
    )
    return float((above | below).mean()) < BRANCHES


def is_upright_rule(run: Run, level: list[Run], bare: list[Run], shape: tuple[int, ...]) -> bool:
    """Tell whether an upright run is printed: the side of a frame, or a tooth of a comb."""
    rows, columns = shape
    ends = (run.start <= 1, run.end >= rows - 2)
    met = tuple(meets(run, row, level, 0.03 * rows + 2) for row in (run.start, run.end))
    closed = all(end or meeting for end, meeting in zip(ends, met, strict=True))
    margin = (SIDE_BAND if level else EDGE_BAND) * columns
    if columns > rows and not margin <= run.middle <= columns - margin:
        return closed or (any(ends) and run.length >= 0.8 * rows)
    alike = [
        other
        for other in bare
        if abs(other.start - run.start) <= 2 and abs(other.end - run.end) <= 2
    ]
    comb = len(alike) >= COMB and (any(met) or all(ends))
    return comb or (closed and all(met) and len(level) >= 2)


def meets(upright: Run, row: int, level: list[Run], reach: float) -> bool:
    """Tell whether an upright line touches one of the level lines at `row`, ends being loose."""
    x = upright.slope * row + upright.offset
    return any(
        line.start - reach <= x <= line.end + reach
        and abs(line.slope * x + line.offset - row) <= line.thickness / 2 + 2
        for line in level
    )


def band_of_lines(ink: Bits, depth: Grey, runs: list[Run]) -> tuple[Mask, Mask]:
    """Return the pixels of level `runs` without those where a stroke goes on or lies on them.

    And all pixels of the runs.
    """
    printed, whole = np.zeros(ink.shape, bool), np.zeros(ink.shape, bool)
    if not runs:
        return printed, whole
    high = round(max(run.thickness for run in runs)) + 4
    across = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((high, 1), np.uint8))
    for run in runs:
        columns = np.arange(run.start, run.end + 1)
        centre = run.slope * columns + run.offset
        half = run.thickness / 2 + 1.5
        top = max(0, int(centre.min() - half))
        rows = np.arange(top, min(len(ink), int(np.ceil(centre.max() + half)) + 1))
        part = np.s_[rows[0] : rows[-1] + 1, run.start : run.end + 1]
        band = (np.abs(rows[:, None] - centre) <= half) & (ink[part] > 0)
        deepest = np.where(band, depth[part], 0).max(axis=0)
        usual = median(deepest)
        stroke = (across[part] > 0) | (depth[part] > ON_LINE * usual + 8)
        printed[part] |= band & ~stroke
        whole[part] |= band
    return printed, whole
