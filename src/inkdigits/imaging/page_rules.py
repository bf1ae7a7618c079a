"""Page rules: the printed lines of a whole page, bent or askew, found and taken off its ink.

They are traced on a small copy as long thin runs and kept as curves. Where a stroke crosses a line,
or lies on it, the stroke stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Grey, Mask, as_uint8
from inkdigits.imaging.line_ink import quantile
from inkdigits.imaging.printed import COMB, ON_LINE

SMALL = 640
"""Rules are traced on a copy whose longer side is at most this."""
THIN, THIN_SHARE = 3.5, 0.12
"""A rule is at most so many pixels of the small copy thick, and this share of the usual height."""
MAX_SLOPE = 0.16
RUN = 1.25
"""A rule is made of straight runs of so many usual heights."""
LONG = 5.0
"""A rule that no other rule meets has so many usual heights."""
SHARE = 0.16
"""And this share of the page's side."""
STEP = 12
"""A rule's curve has a knot every so many pixels of the small copy."""
ASTRAY = 1.3
"""Most columns of a rule lie within so many pixels of its curve."""
CLEAR = 0.68
"""A rule is inked, and nothing branches off, in this share of its length; digits in a row are not
so."""
CLEAR_PIECE = 0.35
"""A piece of a rule is so in this share, else it is a stroke."""
ALIKE = 0.5
"""A rule of less than this share of the longest ends at rules turned against it."""
CLEAR_SIDE = 0.7
"""The short side of a box is so in this share."""
CHAIN = 0.2
"""Pieces of a rule are joined over gaps of this share of the page's side."""


@dataclass(frozen=True)
class Rule:
    """A printed line lying level, on the small copy: knots `x` ascending, and `y`; its thickness.

    Upright rules are kept turned, x being rows and y columns.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    thickness: float

    def at(self, x: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the row of the rule at columns `x`; beyond its ends it goes straight on."""
        slopes = end_slopes(self.x, self.y)
        inner = np.interp(x, self.x, self.y)
        before = np.minimum(np.asarray(x) - self.x[0], 0) * slopes[0]
        after = np.maximum(np.asarray(x) - self.x[-1], 0) * slopes[1]
        return np.asarray(inner + before + after)

    @property
    def length(self) -> float:
        """Pixels from end to end."""
        return float(self.x[-1] - self.x[0])


def end_slopes(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return the slope of a curve near both of its ends."""
    many = min(len(x) - 1, 6)
    if many < 1:
        return 0.0, 0.0
    first = (y[many] - y[0]) / max(x[many] - x[0], 1)
    last = (y[-1] - y[-1 - many]) / max(x[-1] - x[-1 - many], 1)
    return float(first), float(last)


@dataclass(frozen=True)
class PageRules:
    """The rules of a page, on a small copy of that `shape`, with `scale` pixels per page pixel."""

    level: list[Rule]
    upright: list[Rule]
    scale: float
    shape: tuple[int, int]


def find_rules(faint: Mask, usual: float) -> PageRules:
    """Return the rules of `faint`, bool (h, w), all that may be ink, pale lines too.

    `usual` is the height of the usual digit on the page, in its pixels.
    """
    small, scale = small_mask(faint)
    tall = max(usual * scale, 3.0)
    level = rules_along(small, tall)
    upright = rules_along(np.ascontiguousarray(small.T), tall)
    level, upright = (
        printed_among(level, upright, small, tall),
        printed_among(upright, level, small.T, tall),
    )
    return PageRules(level, upright, scale, (small.shape[0], small.shape[1]))


def small_mask(faint: Mask) -> tuple[NDArray[np.uint8], float]:
    """Return the mask on the small copy, uint8 0 or 1, and its pixels per pixel of the mask."""
    scale = min(1.0, SMALL / max(faint.shape))
    if scale == 1.0:
        return faint.view(np.uint8), scale
    size = (max(1, round(faint.shape[1] * scale)), max(1, round(faint.shape[0] * scale)))
    grey = cv2.resize(faint.view(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    # A line one pixel wide covers this share of the small copy's pixel, or half in each of two.
    return (as_uint8(grey) > 110 * scale).astype(np.uint8), scale


def rules_along(small: NDArray[np.uint8], tall: float) -> list[Rule]:
    """Return the level rules of `small`, uint8 (h, w), where the usual digit is `tall`."""
    run = max(9, round(RUN * tall))
    if run >= small.shape[1]:
        return []
    thick = cv2.dilate(small, np.ones((3, 1), np.uint8))
    closed = cv2.morphologyEx(thick, cv2.MORPH_CLOSE, np.ones((1, run // 5 | 1), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    pieces = []
    thickest = THIN + THIN_SHARE * tall
    for label in range(1, count):
        left, top, width, height, area = stats[label].tolist()
        if area > (thickest + 3) * width or height > 2 * MAX_SLOPE * width + thickest + 2:
            continue
        part = np.s_[top : top + height, left : left + width]
        rule = traced((labels[part] == label) & (small[part] > 0), left, top, thickest)
        if rule is not None and clear_share(rule, small) >= CLEAR_PIECE:
            pieces.append(rule)
    chains = chained(pieces, CHAIN * small.shape[1])
    return [rule for rule in chains if clear_share(rule, small) >= CLEAR]


def clear_share(rule: Rule, small: NDArray[np.uint8]) -> float:
    """Return in which share of its length, ends left out, a rule is inked and nothing branches."""
    ends = min(rule.thickness + 2, rule.length / 6)
    along = np.arange(np.ceil(rule.x[0] + ends), np.floor(rule.x[-1] - ends) + 1)
    columns = along.astype(np.intp).clip(0, small.shape[1] - 1)
    centre = rule.at(along)
    reach = rule.thickness / 2 + 1.5

    def inked(by: float) -> Mask:
        rows = np.rint(centre + by).astype(np.intp).clip(0, len(small) - 1)
        return np.asarray(small[rows, columns] > 0)

    on_it = inked(0) | inked(-0.7) | inked(0.7)
    return float((on_it & ~inked(-reach) & ~inked(reach)).mean())


def traced(flat: Mask, left: int, top: int, thickest: float) -> Rule | None:
    """Follow a run at (left, top) as a curve; None where it is thick, or bends sharply."""
    heights = flat.sum(axis=0)
    filled = np.flatnonzero(heights)
    if len(filled) < 6:
        return None
    usual = quantile(heights[filled].astype(np.float32), 0.5)
    columns = filled[heights[filled] <= 1.5 * usual + 1]
    if usual > thickest or len(columns) < 0.3 * flat.shape[1]:
        return None
    middles = np.arange(len(flat)) @ flat[:, columns] / heights[columns]
    count = max(2, round(len(columns) / STEP))
    starts = np.arange(count) * len(columns) // count
    sizes = np.diff(np.append(starts, len(columns)))
    x, y = (np.add.reduceat(values, starts) / sizes for values in (columns, middles))
    astray = np.abs(np.interp(columns, x, y) - middles) > ASTRAY
    if astray.mean() > 0.25 or abs(y[-1] - y[0]) > MAX_SLOPE * (x[-1] - x[0]) + 1:
        return None
    slopes = end_slopes(x, y)
    first, last = float(columns[0]), float(columns[-1])
    y = np.concatenate(
        [[y[0] + slopes[0] * (first - x[0])], y, [y[-1] + slopes[1] * (last - x[-1])]]
    )
    x = np.concatenate([[first - 0.5], x, [last + 0.5]])
    return Rule(x + left, y + top, usual)


def chained(pieces: list[Rule], reach: float) -> list[Rule]:
    """Return the pieces with those joined that go on straight over a gap of `reach` at most."""
    chains: list[Rule] = []
    for piece in sorted(pieces, key=lambda rule: float(rule.x[0])):
        best, least = -1, np.inf
        for place, chain in enumerate(chains):
            gap = float(piece.x[0] - chain.x[-1])
            if not -0.5 * min(piece.length, chain.length) <= gap <= reach:
                continue
            off = abs(float(chain.at(piece.x[0])) - float(piece.y[0]))
            back = abs(float(piece.at(chain.x[-1])) - float(chain.y[-1]))
            if max(off, back) < 2.5 + 0.03 * max(gap, 0) and off + gap / 10 < least:
                best, least = place, off + gap / 10
        if best < 0:
            chains.append(piece)
        else:
            chains[best] = linked(chains[best], piece)
    return chains


def linked(one: Rule, other: Rule) -> Rule:
    """Return two pieces of a rule as one."""
    beyond = other.x > one.x[-1]
    x, y = np.concatenate([one.x, other.x[beyond]]), np.concatenate([one.y, other.y[beyond]])
    return Rule(x, y, max(one.thickness, other.thickness))


def printed_among(
    rules: list[Rule], others: list[Rule], small: NDArray[np.uint8], tall: float
) -> list[Rule]:
    """Return which rules are long enough to be print, or sides and teeth of boxes.

    Those end at `others`, which are turned against them, where these end too, or in numbers. The
    page's border is as good an end.
    """
    side, slack = small.shape[1], max(3.0, 0.35 * tall)
    least = max(LONG * tall, SHARE * side)
    longest = max((rule.length for rule in rules), default=0.0)

    def ends_well(rule: Rule) -> bool:
        return all(is_border(rule, end, side) or met(rule, end, others, slack) for end in (0, -1))

    long = [
        rule
        for rule in rules
        if rule.length >= least and (rule.length >= ALIKE * longest or ends_well(rule))
    ]
    short = [
        rule
        for rule in rules
        if rule.length < least and ends_well(rule) and clear_share(rule, small) >= CLEAR_SIDE
    ]
    return long + [
        rule
        for rule in short
        if all(is_border(rule, end, side) or at_corner(rule, end, others, slack) for end in (0, -1))
        or sum(alike(rule, other, slack) for other in short) >= COMB
    ]


def is_border(rule: Rule, end: int, side: int) -> bool:
    """Tell whether one end of a rule lies at the page's border."""
    return bool(rule.x[end] <= 2 if end == 0 else rule.x[end] >= side - 3)


def alike(one: Rule, other: Rule, slack: float) -> bool:
    """Tell whether two rules start and end alike, as the teeth of a comb do."""
    return bool(np.abs(one.x[[0, -1]] - other.x[[0, -1]]).max() <= slack)


def at_corner(rule: Rule, end: int, others: list[Rule], slack: float) -> bool:
    """Tell whether one end of a rule lies at an end of one of the rules turned against it."""
    x, y = float(rule.x[end]), float(rule.y[end])
    return any(
        abs(float(other.y[place]) - x) <= slack and abs(float(other.x[place]) - y) <= slack
        for other in others
        for place in (0, -1)
    )


def met(rule: Rule, end: int, others: list[Rule], slack: float) -> bool:
    """Tell whether one end of a rule lies at, or beyond, one of the rules turned against it."""
    x, y = float(rule.x[end]), float(rule.y[end])
    return any(
        other.x[0] - slack <= y <= other.x[-1] + slack and abs(float(other.at(y)) - x) <= slack
        for other in others
    )


def printed_by(rules: PageRules, faint: Mask, depth: Grey) -> Mask:
    """Return which pixels of `faint`, bool (h, w), are rules, strokes across or on them left out.

    `depth`, uint8 (h, w), is how far each pixel lies below its ground.
    """
    printed = np.zeros(faint.shape, bool)
    whole = [np.zeros(faint.shape, bool), np.zeros(faint.shape, bool)]
    for place, found in enumerate((rules.level, rules.upright)):
        if not found:
            continue
        high = round(max(rule.thickness for rule in found) / rules.scale) + 4
        kernel = np.ones((1, high) if place else (high, 1), np.uint8)
        across = cv2.morphologyEx(faint.view(np.uint8), cv2.MORPH_OPEN, kernel)
        for rule in found:
            at = band_of(rule, rules.scale, faint.shape, turned=bool(place))
            band = faint[at]
            deep = depth[at]
            usual = float(np.median(np.where(band, deep, 0).max(axis=0)))
            stroke = (across[at] > 0) | (deep > ON_LINE * usual + 8)
            printed[at] |= band & ~stroke
            whole[place][at] |= band
    return np.asarray(printed | (whole[0] & whole[1]))


def band_of(
    rule: Rule, scale: float, shape: tuple[int, ...], *, turned: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the pixels of a page on which a rule lies."""
    rows, columns = shape[::-1] if turned else shape
    start, end = np.clip((rule.x[[0, -1]] + 0.5) / scale, 0, columns - 1).astype(int)
    along = np.arange(start, end + 1)
    centre = (rule.at((along + 0.5) * scale - 0.5) + 0.5) / scale - 0.5
    half = round(rule.thickness / 2 / scale + 1)
    across = np.rint(centre).astype(np.intp) + np.arange(-half, half + 1)[:, None]
    across = np.clip(across, 0, rows - 1)
    along = np.broadcast_to(along, across.shape)
    return (along, across) if turned else (across, along)
