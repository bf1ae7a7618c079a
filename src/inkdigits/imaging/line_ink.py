"""Line ink: where on a page the ink of one number lies, printing and neighbours left behind.

The ground is a median over more than a digit's height, so that it follows light and paper but no
stroke. Printed lines are taken off before ink is parted into components: else a frame with all that
touches it is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Grey, Mask, Strength, as_float32, as_uint8
from inkdigits.imaging.clean import strong_parts
from inkdigits.imaging.printed import printed_lines

Stats = NDArray[np.int32]

GROUND_ROWS = 32
"""The ground is estimated on a copy whose shorter side is at most this."""
GROUND_WINDOW, POLARITY_WINDOW = 27, 17
"""Sides of the medians' windows on that copy; the smaller follows steps in the light."""
LEAST_DEPTH = 10
"""Ink is at least so many of 255 steps darker than its ground."""
PALE, WEAK, STRONG = 0.22, 0.4, 0.55
"""Ink exceeds the weak share of the full depth, the pale one on clean paper, and is joined to what
exceeds the strong one."""
PATTERN = 2.0
"""Ink exceeds the noise by this factor, unless that were more than the weak share."""
FAINT = 0.12
"""A printed line may be paler than ink by this share."""
LEAST_HEIGHT = 5
MAIN = 0.55
"""A component of this share of the usual height is a digit or several; less may be a dot."""


@dataclass(frozen=True)
class LineInk:
    """The ink of one number on a page (h, w).

    `depth` is uint8, how far each pixel lies below the ground, printing still in it; `printed` and
    `mask` are bool: printed lines, and the ink kept. `box` is left, top, width, height of the ink,
    `top` and `bottom` the band between which usual digits stand, `slope` how much that band sinks
    by the pixel (rows per column).
    """

    depth: Grey
    printed: Mask
    mask: Mask
    box: tuple[int, int, int, int]
    top: float
    bottom: float
    slope: float


def find_line_ink(page: Grey) -> LineInk | None:
    """Find the ink of the one number on `page`, uint8 (h, w); None where the page is blank."""
    depth, noise = line_depth(page)
    smooth = as_uint8(cv2.blur(depth, (3, 3)) if min(page.shape) > 80 else depth.copy())
    full = full_depth(smooth)
    if full is None:
        return None
    faint = max(FAINT * full, min(1.5 * noise, 0.25 * full), LEAST_DEPTH / 2)
    printed = printed_lines(smooth > faint, smooth > WEAK * full, depth)
    if printed.any():
        smooth[printed] = 0
        full = full_depth(smooth)
        if full is None:
            return None
    labels, stats, written = ink_parts(smooth, full, noise)
    kept = np.zeros(len(stats), bool)
    kept[written] = number_parts(stats[written], page.shape)
    if not kept.any():
        return None
    top, bottom, slope = band_of(stats[kept])
    left, high = stats[kept, :2].min(axis=0).tolist()
    right, low = (stats[kept, :2] + stats[kept, 2:4]).max(axis=0).tolist()
    box = (left, high, right - left, low - high)
    return LineInk(depth, printed, kept.take(labels), box, top, bottom, slope)


def line_depth(page: Grey) -> tuple[Grey, float]:
    """Return how far each pixel of `page` lies on the ink's side of its ground, and the noise.

    uint8 0–255; the noise, paper's pattern included, is what the other side shows, without ink.
    """
    scale = min(1.0, GROUND_ROWS / min(page.shape))
    size = (max(1, round(page.shape[1] * scale)), max(1, round(page.shape[0] * scale)))
    small = as_uint8(cv2.resize(page, size, interpolation=cv2.INTER_AREA))
    median = as_uint8(cv2.medianBlur(small, ground_side(small, GROUND_WINDOW)))
    near = as_uint8(cv2.medianBlur(small, ground_side(small, POLARITY_WINDOW)))
    dark = is_dark_on_light(small, near)
    ground = cv2.resize(median, page.shape[::-1], interpolation=cv2.INTER_LINEAR)
    below, above = as_uint8(cv2.subtract(ground, page)), as_uint8(cv2.subtract(page, ground))
    depth, other = (below, above) if dark else (above, below)
    return depth, grey_quantile(other, 0.9)


def ground_side(small: Grey, most: int) -> int:
    """Return the side of a median's window on the small copy: odd, 3 to `most`."""
    return max(3, min(most, int(min(small.shape)) | 1))


def is_dark_on_light(small: Grey, median: Grey) -> bool:
    """Tell dark ink from light: what differs most from the ground is ink, frames left out."""
    rows, columns = (round(0.06 * side) for side in small.shape)
    inner = np.s_[rows : small.shape[0] - rows, columns : small.shape[1] - columns]
    away = median[inner].astype(np.float32) - small[inner]
    return bool((away * away * away).sum() >= 0)


def full_depth(smooth: Grey) -> float | None:
    """Return the usual depth of ink by all that stands out, None where nothing does."""
    threshold, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_OTSU)
    least = int(max(threshold, LEAST_DEPTH)) + 1
    above = histogram(smooth)[least:]
    return least + quantile_of(above, 0.75) if above.sum() >= 4 else None


def quantile(values: Strength, share: float) -> float:
    """Return the value below which that share of `values` lies, without interpolation."""
    place = min(values.size - 1, int(share * values.size))
    return float(np.partition(values, place, axis=None)[place])


def grey_quantile(values: Grey, share: float) -> float:
    """Return what `quantile` does, by counting, which takes a fraction of its time."""
    return float(quantile_of(histogram(values), share))


def histogram(values: Grey) -> Strength:
    """Return how often each of the 256 values occurs."""
    whole = np.ascontiguousarray(values)
    return as_float32(cv2.calcHist([whole], [0], None, [256], [0, 256])).reshape(256)


def quantile_of(counts: Strength, share: float) -> int:
    """Return the place among `counts` below which that share of all that was counted lies."""
    filled = np.cumsum(counts, dtype=np.float64)
    n = int(filled[-1])
    return int(np.searchsorted(filled, min(n - 1, int(share * n)), side="right"))


def ink_parts(
    smooth: Grey, full: float, noise: float
) -> tuple[NDArray[np.int32], Stats, NDArray[np.intp]]:
    """Return the components of all that may be ink by its depth, and which of them are ink.

    `labels` int32 (h, w), their `stats`, and the labels, 0 for the ground first, of those with
    strong places: weak ones are ink only where they are joined to strong ones.
    """
    least = max(PALE * full, min(PATTERN * noise, WEAK * full), LEAST_DEPTH / 2)
    found = cv2.connectedComponentsWithStats((smooth > least).view(np.uint8), connectivity=8)
    labels, stats = np.asarray(found[1], np.int32), np.asarray(found[2], np.int32)
    strong = strong_parts(len(stats), labels, smooth > max(STRONG * full, LEAST_DEPTH))
    strong[0] = True
    return labels, stats, np.flatnonzero(strong)


def number_parts(stats: Stats, shape: tuple[int, ...]) -> Mask:
    """Return which components, the ground being 0, belong to the number.

    What stands in the band of the usual digits is kept, small zeros and dots too; what is cut by
    the upper or lower border is a neighbour's.
    """
    left, top, width, height, area = (stats[:, i].astype(np.float64) for i in range(5))
    likely = height >= LEAST_HEIGHT
    likely[0] = False
    if not likely.any():
        return likely
    outer = (top == 0) | (top + height == shape[0])
    cut = likely & outer & (height < 0.5 * height[likely & ~outer].max(initial=0))
    likely &= ~cut
    usual = usual_height(height[likely], area[likely])
    main = likely & (height >= MAIN * usual)
    middle = top + height / 2
    line = heaviest_line(middle, height, area, main, usual)
    high, low = top[line].min(), (top + height)[line].max()
    inside = np.minimum(top + height, low) - np.maximum(top, high)
    small = (height >= 0.12 * usual) & (inside >= 0.6 * height) & ~cut
    small[0] = False
    return np.asarray(line | small & near_along(left, width, line, 2.5 * usual), bool)


def usual_height(height: NDArray[np.float64], area: NDArray[np.float64]) -> float:
    """Return the median height of components, weighted by their area."""
    order = np.argsort(height)
    filled = np.cumsum(area[order])
    return float(height[order][np.searchsorted(filled, filled[-1] / 2)])


def heaviest_line(
    middle: NDArray[np.float64],
    height: NDArray[np.float64],
    area: NDArray[np.float64],
    main: Mask,
    usual: float,
) -> Mask:
    """Return those main components that stand beside each other and hold most ink together."""
    beside = np.abs(middle[:, None] - middle[main]) < 0.5 * np.maximum(height[main], usual)
    mass = area[main] @ beside[main]
    return main & beside[:, int(mass.argmax())]


def near_along(
    left: NDArray[np.float64], width: NDArray[np.float64], line: Mask, reach: float
) -> Mask:
    """Return which components lie within `reach` of the line's extent."""
    start, end = left[line].min() - reach, (left + width)[line].max() + reach
    return np.asarray((left + width >= start) & (left <= end))


def band_of(stats: Stats) -> tuple[float, float, float]:
    """Return top and bottom of the usual digits at the line's middle, and the slope of the band."""
    left, top, width, height, area = (stats[:, i].astype(np.float64) for i in range(5))
    usual = usual_height(height, area)
    main = height >= MAIN * usual
    x, y, weight = (left + width / 2)[main], (top + height / 2)[main], area[main]
    slope = level_slope(x, y) if np.ptp(x) > 2.5 * usual else 0.0
    centre = float(weight @ (y - slope * (x - x.mean())) / weight.sum())
    return centre - usual / 2, centre + usual / 2, slope


def level_slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Fit the slope of `y` by the median over pairs, at most 0.3; 0.0 for fewer than three."""
    if len(x) < 3:
        return 0.0
    first, second = np.triu_indices(len(x), 1)
    apart = np.abs(x[first] - x[second]) > 0.25 * np.ptp(x)
    if not apart.any():
        return 0.0
    slopes = (y[first] - y[second])[apart] / (x[first] - x[second])[apart]
    return float(np.clip(np.median(slopes), -0.3, 0.3))
