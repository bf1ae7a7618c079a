"""Page ink: a whole page becomes a reduced copy of its ink, and the size of its usual digits.

Reduced by a whole factor, which is fast; the ground is a median over a part of the page, so that
it follows shadows, and dark ink's depth is a share of its light, so that ink in shade is as deep.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Grey, Mask, as_uint8
from inkdigits.imaging.line_ink import (
    FAINT,
    GROUND_WINDOW,
    LEAST_DEPTH,
    LEAST_HEIGHT,
    POLARITY_WINDOW,
    WEAK,
    full_depth,
    grey_quantile,
    ground_side,
    usual_height,
)

LONGEST = 1800
"""A page is searched on a copy whose longer side is at most this."""
LEAST_SIDE = 6
"""Copies smaller than this hold no number."""
FEWEST_ROWS, MOST_ROWS, ROWS_SHARE = 32, 64, 12
"""The ground's copy has a shorter side of this share of the page's, within these."""
NOISE = 2.5
"""Ink exceeds the noise by this factor, unless that were more than the weak share of full depth."""
STANDS_OUT = 1.5
"""Where nothing exceeds the noise by this factor, the page is blank."""
FINE, AROUND = 600, 12
"""Polarity is told from small digits too, on a copy whose shorter side is at most this, against the
mean over this part of it."""
MARGIN = 0.06
"""Frames lie within this share of a page's sides."""
DARKEST = 24
"""A ground darker than this counts as if it were so: in the black nothing can be told."""
SAMPLE = 4
"""Noise is measured on every so many pixels."""
COARSE = 700
"""Of pages with a larger shorter side, every other pixel says how tall the usual digit is."""
MOST_PARTS = 4000
"""Of more components than this the largest are looked at; the rest is noise."""
LARGEST, HOLLOW, FLAT = 0.5, 0.25, 0.12
"""A frame or grid has this share of the page's sides, and ink on less than this share of its box; a
rule is lower than this share of its width."""
WRITING = 0.2
"""Writing is this share of all ink, at least: else what looks like a frame is writing."""

Stats = NDArray[np.int32]


@dataclass(frozen=True)
class PageInk:
    """A page's reduced copy (h, w), each pixel of which is `factor` source pixels wide and high.

    `depth` is uint8, how far each pixel lies below its ground, dark ink as a share of it;
    `noise` is what paper alone shows, in the same steps.
    """

    depth: Grey
    noise: float
    factor: int


@dataclass(frozen=True)
class Parts:
    """Connected components of ink: `labels` is int32 (h, w), `names` (n,) the labels of those kept.

    `stats` is int32 (n, 5): their left, top, width, height and area.
    """

    labels: NDArray[np.int32]
    names: NDArray[np.intp]
    stats: Stats


def page_ink(grey: Grey) -> PageInk | None:
    """Return the reduced copy of `grey`, uint8 (H, W) of either polarity; None of a sliver."""
    factor = -(-max(grey.shape) // LONGEST)
    rows, columns = (side // factor for side in grey.shape)
    if min(rows, columns) < LEAST_SIDE:
        return None
    whole = np.ascontiguousarray(grey[: rows * factor, : columns * factor])
    copy = as_uint8(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA))
    depth, noise = page_depth(copy)
    smooth = as_uint8(cv2.blur(depth, (3, 3))) if min(rows, columns) > 80 else depth
    return PageInk(smooth, noise, factor)


def page_depth(page: Grey) -> tuple[Grey, float]:
    """Return how far each pixel lies on the ink's side of its ground, and the noise."""
    side = min(page.shape)
    scale = min(1.0, float(np.clip(side / ROWS_SHARE, FEWEST_ROWS, MOST_ROWS)) / side)
    size = (max(1, round(page.shape[1] * scale)), max(1, round(page.shape[0] * scale)))
    small = as_uint8(cv2.resize(page, size, interpolation=cv2.INTER_AREA))
    dark = is_dark_on_light(page, small)
    if not dark:
        page, small = as_uint8(cv2.bitwise_not(page)), as_uint8(cv2.bitwise_not(small))
    median = as_uint8(cv2.medianBlur(small, ground_side(small, GROUND_WINDOW)))
    ground = as_uint8(cv2.resize(median, page.shape[::-1], interpolation=cv2.INTER_LINEAR))
    other = as_uint8(cv2.subtract(page, ground)[::SAMPLE, ::SAMPLE])
    if not dark:
        return as_uint8(cv2.subtract(ground, page)), grey_quantile(other, 0.9)
    ground = np.maximum(ground, DARKEST)
    depth = as_uint8(cv2.bitwise_not(cv2.divide(page, ground, scale=255)))
    return depth, grey_quantile(other, 0.9) * 255 / float(np.median(ground[::8, ::8]))


def is_dark_on_light(page: Grey, small: Grey) -> bool:
    """Tell dark ink from light: what differs most from its ground is ink, be it large or fine.

    On `small`, the ground's copy, fine digits are blurred away, and large ones have no inside on
    the finer one.
    """
    large = lean(small, as_uint8(cv2.medianBlur(small, ground_side(small, POLARITY_WINDOW))))
    scale = min(1.0, FINE / min(page.shape))
    size = (max(1, round(page.shape[1] * scale)), max(1, round(page.shape[0] * scale)))
    finer = as_uint8(cv2.resize(page, size, interpolation=cv2.INTER_AREA))
    side = max(3, min(size) // AROUND | 1)
    return large + lean(finer, as_uint8(cv2.blur(finer, (side, side)))) >= 0


def lean(page: Grey, ground: Grey) -> float:
    """Return the mean cube of how much darker `page` is than `ground`, frames left out."""
    rows, columns = (round(MARGIN * side) for side in page.shape)
    inner = np.s_[rows : page.shape[0] - rows, columns : page.shape[1] - columns]
    away = ground[inner].astype(np.float32) - page[inner]
    return float((away * away * away).mean())


def faint_and_ink(ink: PageInk, depth: Grey) -> tuple[Mask, Mask] | None:
    """Return what may be a printed line, and what is as dark as writing; None on a blank page."""
    full = full_depth(depth)
    if full is None or full < STANDS_OUT * ink.noise:
        return None
    faint = max(FAINT * full, min(1.5 * ink.noise, 0.25 * full), LEAST_DEPTH / 2)
    least = max(WEAK * full, min(NOISE * ink.noise, 0.5 * full), LEAST_DEPTH)
    return depth > faint, depth > least


def parts_of(ink: Mask) -> Parts:
    """Return the components of `ink`, the smallest left out where there are too many."""
    found = cv2.connectedComponentsWithStats(ink.view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    labels, stats = np.asarray(found[1], np.int32), np.asarray(found[2], np.int32)[1:]
    size = np.maximum(stats[:, 2], stats[:, 3])
    kept = np.flatnonzero(size >= 2)
    if len(kept) > MOST_PARTS:
        kept = np.sort(kept[np.argsort(-stats[kept, 4], kind="stable")[:MOST_PARTS]])
    return Parts(labels, kept + 1, stats[kept])


def digit_height(stats: Stats, shape: tuple[int, ...]) -> float:
    """Return the height of the usual digit among components of a page, 0.0 where there is none."""
    height, area = stats[:, 3].astype(np.float64), stats[:, 4].astype(np.float64)
    tall = height >= LEAST_HEIGHT
    likely = tall & ~are_frames(stats, shape)
    if area[likely].sum() < WRITING * area[tall].sum():
        likely = tall
    return usual_height(height[likely], area[likely]) if likely.any() else 0.0


def rough_height(ink: Mask) -> float:
    """Return the height of the usual digit in `ink`, bool (h, w), before rules are taken off."""
    by = 2 if min(ink.shape) > COARSE else 1
    few = np.ascontiguousarray(ink[::by, ::by])
    return by * digit_height(parts_of(few).stats, few.shape)


def are_frames(stats: Stats, shape: tuple[int, ...]) -> Mask:
    """Return which components are a frame, a grid or a rule by their shape, digits on it or not."""
    width, height, area = (stats[:, i].astype(np.float64) for i in (2, 3, 4))
    wide, tall = width > LARGEST * shape[1], height > LARGEST * shape[0]
    return np.asarray(
        (wide & tall & (area < HOLLOW * width * height)) | (wide & (height < FLAT * width))
    )
