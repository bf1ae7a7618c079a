"""Rules: the printed straight lines of a page, told from the straight strokes of a digit.

Notebook lines, the frame of a form's cell, the squares of a grid: long, thin and straight from
border to border, or joined to a rectangle. A digit has straight strokes as well, so lines are taken
away only where they reach beyond the digit, keep clear of it, or come in numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Mask, Strength

SIDE = 160
"""Lines are looked for on a copy of at most this size, on which they are a pixel or two wide."""
MIN_RUN = 0.3
"""A line is made of straight runs of this share of the page's side, at most a few degrees askew."""
MIN_LENGTH = 0.5
MAX_THICKNESS = 0.09
MAX_SLOPE = 0.07
MIN_DIGIT = 0.15
"""What is left beside the lines may be a digit if it has this share of the page's shorter side."""
CLEAR = 0.03
BEYOND = 0.08
"""A line that touches the digit reaches this share of the page's side beyond it, both ways."""
MARGIN = 0.18
"""Lines within this share of the page's border are no strokes of a digit."""
FRAME_MARGIN = 0.25
"""A frame that is joined at its corners lies within this share of the page's border."""
STROKE_ON_LINE = 1.25
"""Where a line is that much deeper than elsewhere, a stroke of the digit crosses it."""


@dataclass(frozen=True)
class Line:
    """A candidate on the small copy: its pixels, and where it starts and ends along its direction.

    `across` is True for a horizontal line; `place` is its middle in the other direction, `slope`
    how much that changes by the pixel, `thickness` the usual one in pixels of the copy.
    """

    pixels: Mask
    across: bool
    start: int
    end: int
    place: float
    slope: float
    thickness: float


def find_rules(mask: Mask, depth: Strength) -> Mask:
    """Return which pixels of the page (h, w) are printed line, crossings with the digit left out.

    `mask` is all that may be ink, faint lines included; `depth` is how far it lies below its
    ground, float32 0–1.
    """
    factor = -(-max(mask.shape) // SIDE)
    small = pooled(mask, factor)
    lines = [line for line in candidates(small) if is_straight(line, small)]
    lines = [line for line in lines if is_through(line, small) or is_joined(line, lines, small)]
    if not lines:
        return np.zeros_like(mask)
    digit = largest_part(small & ~grown(union_of(lines), 1))
    if digit is None:
        lines = lines_alone(lines, small)
    elif not are_beside(digit, lines):
        lines = []
    return without_crossings(mask, depth, lines, factor)


def pooled(mask: Mask, factor: int) -> Mask:
    """Return `mask` shrunk by a whole `factor`, True where any pixel was."""
    rows, columns = (-(-side // factor) for side in mask.shape)
    padded = np.zeros((rows * factor, columns * factor), bool)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    return np.asarray(padded.reshape(rows, factor, columns, factor).any(axis=(1, 3)))


def grown(pixels: Mask, by: int) -> Mask:
    """Return `pixels` grown by `by` on all sides."""
    return cv2.dilate(pixels.astype(np.uint8), np.ones((2 * by + 1,) * 2, np.uint8)) > 0


def union_of(lines: list[Line]) -> Mask:
    """Return the pixels of all `lines`."""
    return np.asarray(np.any([line.pixels for line in lines], axis=0))


def candidates(small: Mask) -> list[Line]:
    """Return every long straight run of ink, of either direction."""
    found = [
        line_of(flat, across=across)
        for across, lying in ((True, small), (False, small.T))
        if is_long(np.asarray(lying.any(axis=0)))
        for flat in straight_runs(lying)
    ]
    return [line for line in found if line is not None]


def is_long(filled: Mask) -> bool:
    """Tell whether what has ink in these columns, (w,), reaches far enough for a line."""
    places = np.flatnonzero(filled)
    return bool(places.size) and bool(places[-1] - places[0] + 1 >= MIN_LENGTH * filled.size)


def straight_runs(small: Mask) -> list[Mask]:
    """Return the connected parts of `small` made of long horizontal runs.

    Ink is first grown by a pixel up and down, so that a line may be slightly askew, and small
    gaps along the line are closed.
    """
    length = max(5, round(MIN_RUN * small.shape[1]))
    thick = cv2.dilate(small.astype(np.uint8), np.ones((3, 1), np.uint8))
    closed = cv2.morphologyEx(thick, cv2.MORPH_CLOSE, np.ones((1, length // 4 + 1), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    if not opened.any():
        return []
    count, labels = cv2.connectedComponents(opened, connectivity=8)
    return [(labels == label) & small for label in range(1, count)]


def line_of(flat: Mask, *, across: bool) -> Line | None:
    """Fit a straight line to a run given lying flat, and measure it; None for none or a short one.

    Columns much higher than usual are left out: there a stroke of the digit crosses.
    """
    heights = flat.sum(axis=0)
    if not is_long(np.asarray(heights > 0)):
        return None
    usual = median(heights[heights > 0])
    columns = np.flatnonzero((heights > 0) & (heights <= 1.5 * usual + 1))
    rows = np.arange(len(flat))
    middles = rows @ flat[:, columns] / heights[columns]
    if len(columns) < 3:
        return None
    slope, offset = (float(v) for v in theil_sen(columns, middles))
    away = np.abs(rows[:, None] - (slope * np.arange(flat.shape[1]) + offset))
    pixels = flat & (away <= usual / 2 + 1)
    near = np.flatnonzero(pixels.any(axis=0))
    if not near.size or median(np.abs(middles - slope * columns - offset)) > 1:
        return None
    place = slope * (near[0] + near[-1]) / 2 + offset
    return Line(
        pixels if across else pixels.T, across, int(near[0]), int(near[-1]), place, slope, usual
    )


def theil_sen(x: NDArray[np.intp], y: NDArray[np.float64]) -> tuple[float, float]:
    """Fit a line by the median of slopes over half the length, which heeds no outliers."""
    half = len(x) // 2
    slope = median((y[half:] - y[: len(y) - half]) / (x[half:] - x[: len(x) - half]))
    return slope, median(y - slope * x)


def median(values: NDArray[Any]) -> float:
    """Return the median of `values`, one or more; NumPy's own takes ten times as long for few."""
    middle = values.size // 2
    ordered = values.flatten()
    if values.size % 2:
        ordered.partition(middle)
        return float(ordered[middle])
    ordered.partition((middle - 1, middle))
    return (float(ordered[middle - 1]) + float(ordered[middle])) / 2


def sides(line: Line, small: Mask) -> tuple[int, int]:
    """Return the page's side along the line, and the one across it."""
    rows, columns = small.shape
    return (columns, rows) if line.across else (rows, columns)


def is_straight(line: Line, small: Mask) -> bool:
    """Tell whether a line is long, thin and straight enough to be printed."""
    along, _ = sides(line, small)
    length = line.end - line.start + 1
    return (
        length >= MIN_LENGTH * along
        and line.thickness <= max(3.5, MAX_THICKNESS * min(small.shape))
        and abs(line.slope) <= MAX_SLOPE
    )


def is_through(line: Line, small: Mask) -> bool:
    """Tell whether a line runs from border to border."""
    along, _ = sides(line, small)
    slack = round(0.02 * along)
    return line.start <= slack and line.end >= along - 1 - slack


def is_joined(line: Line, lines: list[Line], small: Mask) -> bool:
    """Tell whether a line is a side of a frame: it ends at lines of the other direction.

    One of its ends may lie free near the border instead, where a side of the frame is lost.
    """
    others = [other for other in lines if other.across != line.across]
    if not others or not is_marginal(line, small, FRAME_MARGIN):
        return False
    along, _ = sides(line, small)
    slack = max(1, round(0.03 * along))
    reach = grown(union_of(others), slack)
    met = np.flatnonzero((reach & line.pixels).any(axis=int(not line.across)))
    if not met.size:
        return False
    ends = met[0] <= line.start + slack, met[-1] >= line.end - slack
    free = line.start <= MARGIN * along, line.end >= (1 - MARGIN) * along - 1
    return any(ends) and all(end or loose for end, loose in zip(ends, free, strict=True))


def largest_part(rest: Mask) -> Mask | None:
    """Return the largest connected part of `rest`, None when it is too small for a digit."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(rest.astype(np.uint8))
    if count < 2:
        return None
    main = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    if max(stats[main, 2:4]) < MIN_DIGIT * min(rest.shape):
        return None
    return np.asarray(labels == main)


def lines_alone(lines: list[Line], small: Mask) -> list[Line]:
    """Return which of `lines` are printed where there is nothing else: an empty cell, a dash.

    Kept as a digit are a single upright, two strokes that meet at an end as in a 7, an upright
    within a frame, and what a blocky digit of five strokes at most may be.
    """
    across = [line for line in lines if line.across]
    down = [line for line in lines if not line.across]
    inside = [line for line in down if is_inside(line, down, small)]
    if len(across) >= 2 and len(inside) == 1:
        return [line for line in lines if line is not inside[0]]
    if len(lines) == 1:
        narrow = small.shape[1] < 0.5 * small.shape[0]
        return across if narrow else [line for line in lines if is_edge(line, small)]
    if len(across) == len(down) == 1:
        return lines if cross(across[0], down[0]) else []
    return [] if len(across) == 3 and 1 <= len(down) <= 2 else lines


def is_edge(line: Line, small: Mask) -> bool:
    """Tell whether a line is horizontal, or runs along the left or right border of the page."""
    return line.across or is_marginal(line, small, 0.1)


def is_inside(line: Line, down: list[Line], small: Mask) -> bool:
    """Tell whether an upright line stands free within a frame, as a 1 does."""
    _, width = sides(line, small)
    lefts = [other.place for other in down if other.place < line.place - 0.1 * width]
    rights = [other.place for other in down if other.place > line.place + 0.1 * width]
    central = MARGIN * width < line.place < (1 - MARGIN) * width
    return central and not is_through(line, small) and len(lefts) <= 2 and len(rights) <= 2


def cross(across: Line, down: Line) -> bool:
    """Tell whether two lines cross like a plus, each reaching well beyond the other."""
    beyond = 0.15
    return all(
        one.start + beyond * (one.end - one.start)
        < other.place
        < one.end - beyond * (one.end - one.start)
        for one, other in ((across, down), (down, across))
    )


def are_beside(digit: Mask, lines: list[Line]) -> bool:
    """Tell whether `lines` are printed and no strokes of `digit`, which was found without them."""
    if len(lines) > 2:
        return True
    if len(lines) == 2 and all(is_marginal(line, digit, MARGIN) for line in lines):
        return True
    if (grown(digit, 2) & union_of(lines)).any():
        return all(line.across for line in lines) and keeps_clear(digit, lines[0], BEYOND)
    return len(lines) == 2 or keeps_clear(digit, lines[0], CLEAR)


def is_marginal(line: Line, small: Mask, margin: float) -> bool:
    """Tell whether a line lies within that share of the border that it runs along."""
    _, side = sides(line, small)
    return not margin * side <= line.place <= (1 - margin) * side


def keeps_clear(digit: Mask, line: Line, share: float) -> bool:
    """Tell whether `digit` keeps off both borders to which `line` runs."""
    filled = np.flatnonzero(digit.any(axis=int(not line.across)))
    along, _ = sides(line, digit)
    return bool(filled[0] >= share * along and filled[-1] <= (1 - share) * along - 1)


def without_crossings(mask: Mask, depth: Strength, lines: list[Line], factor: int) -> Mask:
    """Return the lines at full size, but for the places where a stroke goes on across them."""
    bands = [enlarged(grown(line.pixels, 1), factor, mask.shape) for line in lines]
    rules = np.zeros_like(mask)
    for line, band in zip(lines, bands, strict=True):
        profile = np.where(band, depth, 0).max(axis=int(not line.across))
        usual = float(np.median(profile[band.any(axis=int(not line.across))]))
        rules |= band & (depth < STROKE_ON_LINE * usual + 0.02)
    rules |= meetings(lines, bands, mask.shape)
    kept = mask & ~rules
    for line, band in zip(lines, bands, strict=True):
        side = round((line.thickness + 3) * factor) + 1
        rules &= ~(band & bridged(kept, side, line.across))
    return rules


def meetings(lines: list[Line], bands: list[Mask], shape: tuple[int, ...]) -> Mask:
    """Return where lines of both directions meet: dark, but no stroke."""
    across, down = np.zeros(shape, bool), np.zeros(shape, bool)
    for line, band in zip(lines, bands, strict=True):
        (across if line.across else down)[band] = True
    by = max(2, shape[0] // 100)
    return grown(across & down, by) & (grown(across, by) | grown(down, by))


def enlarged(small: Mask, factor: int, shape: tuple[int, ...]) -> Mask:
    """Return the small copy at full size."""
    return np.asarray(small.repeat(factor, axis=0).repeat(factor, axis=1)[: shape[0], : shape[1]])


def bridged(kept: Mask, side: int, across: bool) -> Mask:
    """Return where ink goes on over a gap of `side` pixels, straight or slanting across a line."""
    found = np.zeros_like(kept)
    for slope in (-0.6, 0.0, 0.6):
        rows = np.arange(side)
        columns = np.round(slope * (rows - side // 2)).astype(int)
        kernel = np.zeros((side, 2 * int(np.abs(columns).max()) + 1), np.uint8)
        kernel[rows, columns + kernel.shape[1] // 2] = 1
        kernel = kernel if across else np.ascontiguousarray(kernel.T)
        padded = np.pad(kept.astype(np.uint8), side)
        closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
        found |= closed[side:-side, side:-side] > 0
    return found
