"""Clean: a grey page becomes a map of its ink.

Polarity is found, not asked for; uneven light is divided out; what is not ink of the digit (noise,
specks, ruled lines and shadows at the border) is left behind. Every stage is kept, to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Grey, Mask, Strength, as_float32, as_uint8
from inkdigits.imaging.light import Polarity, find_light, ground_light, ink_depth, inner
from inkdigits.imaging.rules import find_rules

WORKING_SIDE = 1000
QUICK_SIDE = 100
"""A page is cleaned at this size first, in a small part of the time."""
LEAST_DIGIT = 40
"""That is enough for a digit of this many pixels: twice what the network sees of it."""
MIN_CONTRAST = 0.06
"""Ink fainter than this share of the ground's brightness does not count as ink."""
FAINT = 0.04
"""A printed line may be this faint."""
MAX_NOISE = 0.05
"""Paper is never noisier; where it seems to be, the ground is misjudged around very bold ink."""
MIN_SIZE = 0.015
"""A mark smaller than this share of the page's longer side is a speck, never a digit."""
MAX_SPOT = 0.05
"""A round, filled mark smaller than this share of the page's longer side is a spot."""
MIN_SHARE = 0.2
"""A digit has at least this share of all that was taken for ink; less is a stain among many."""
STEP = 0.4
"""A stroke is filled by more than this share of its contrast when the ground is closed over it."""
EVEN = 1.1
"""Where the brightest ground exceeds the darkest by less than this factor, there is no shadow."""
NEAR = 0.5
"""Parts of a digit lie within this share of its size of each other."""
BORDER_BAND = 0.1
"""Lines and shadows along the border lie within this share of the page's side."""


@dataclass(frozen=True)
class CleanPage:
    """Every stage from the grey page to its ink, at working size (h, w).

    `grey` is uint8, shrunk so that its longer side is at most `WORKING_SIDE`; `scale` is working
    pixels per source pixel (≤ 1); `depth` is how far the page lies below its ground, see
    `ink_depth`; `strength` is float32 0–1, the depth of the ink by its own darkest parts; `mask` is
    True on the ink kept, whose largest connected part has `longest` as its longer side; `ink` is
    float32 0–1, `strength` where the mask and its soft edge are, 0 elsewhere.
    """

    grey: Grey
    scale: float
    polarity: Polarity
    depth: Strength
    strength: Strength
    mask: Mask
    longest: int
    ink: Strength

    @property
    def flattened(self) -> Grey:
        """The page in even light, uint8, ink dark, its ground at 255."""
        return np.rint(255 * (1 - np.clip(self.depth, 0, 1))).astype(np.uint8)

    @property
    def blank(self) -> bool:
        """Whether no ink was found."""
        return self.longest == 0


def clean(page: Grey) -> CleanPage:
    """Find the ink of one digit on `page`, uint8 (H, W) of any size and either polarity.

    A small copy shows a large digit as well; of a small one, or none, the whole page is asked.
    """
    quick = clean_at(QUICK_SIDE, page)
    if quick.scale == 1 or quick.longest >= LEAST_DIGIT:
        return quick
    return clean_at(WORKING_SIDE, page)


def clean_at(side: int, page: Grey) -> CleanPage:
    """Find the ink of one digit on a copy of `page` whose longer side is at most `side`."""
    grey, scale = at_most(side, page)
    light = find_light(grey)
    dark_on_light = grey if light.polarity is Polarity.DARK_ON_LIGHT else 255 - grey
    ground = ground_light(dark_on_light, light)
    depth = ink_depth(dark_on_light, ground)
    level = ground_level(depth)
    rules = find_rules(faint_ink(level), depth)
    if rules.any():
        level = ground_level(as_float32(np.where(rules, np.minimum(depth, 0), depth)))
    mask, strength = find_ink(level)
    mask, longest = keep_digit(mask, strength, rules, (dark_on_light, ground))
    return CleanPage(
        grey=grey,
        scale=scale,
        polarity=light.polarity,
        depth=depth,
        strength=strength,
        mask=mask,
        longest=longest,
        ink=np.where(soft_edge(mask), strength, np.float32(0)),
    )


def at_most(side: int, page: Grey) -> tuple[Grey, float]:
    """Return `page` with its longer side at most `side`, and pixels of that per source pixel.

    It is shrunk by a whole number first where that goes without rest, which is much faster.
    """
    longer = max(page.shape)
    if longer <= side:
        return page, 1.0
    scale = side / longer
    size = (max(1, round(page.shape[1] * scale)), max(1, round(page.shape[0] * scale)))
    times = longer // side
    if times > 1 and page.shape[0] % times == page.shape[1] % times == 0:
        coarse = (page.shape[1] // times, page.shape[0] // times)
        page = as_uint8(cv2.resize(page, coarse, interpolation=cv2.INTER_AREA))
    return as_uint8(cv2.resize(page, size, interpolation=cv2.INTER_AREA)), scale


@dataclass(frozen=True)
class Level:
    """How deep the ink is: `depth` float32 (h, w), and `smooth`, without single pixels' noise.

    `centre` is the smooth depth of the ground itself, `noise` its standard deviation.
    """

    depth: Strength
    smooth: Strength
    centre: float
    noise: float


def ground_level(depth: Strength) -> Level:
    """Find the level of the ground.

    Only the paler part of the page is asked, so that ink may cover nearly half of it: in a normal
    distribution the 5th and 30th percentiles lie 1.64 and 0.52 deviations below the mean.
    """
    sigma = min(max(0.4, max(depth.shape) / 70), 1.0)
    smooth = as_float32(cv2.GaussianBlur(depth, (0, 0), sigma))
    pale, middle = quantiles(smooth, 0.05, 0.3)
    noise = min((middle - pale) / 1.12, MAX_NOISE)
    return Level(depth, smooth, middle + 0.52 * noise, noise)


def faint_ink(level: Level) -> Mask:
    """Return all that may be ink, the faintest lines included, and some noise."""
    smooth = level.smooth
    core = cv2.dilate(smooth, np.ones((5, 5), np.uint8))
    least = max(FAINT, level.centre + 4 * level.noise)
    return np.asarray((smooth > least) & (smooth > 0.5 * core))


def find_ink(level: Level) -> tuple[Mask, Strength]:
    """Return the mask of what is ink by depth alone, and the ink's strength, float32 0–1."""
    smooth, centre = level.smooth, level.centre
    floor = max(MIN_CONTRAST, centre + 6 * level.noise)
    candidates = smooth[smooth > floor]
    if candidates.size == 0:
        return np.zeros(smooth.shape, bool), np.zeros(smooth.shape, np.float32)
    (full,) = quantiles(candidates, 0.9)
    strength = np.clip((level.depth - centre) / (full - centre), 0, 1).astype(np.float32)
    high, low = max(floor, 0.5 * full), max(floor, 0.25 * full)
    return hysteresis(smooth, low, high), strength


def quantiles(values: Strength, *shares: float) -> list[float]:
    """Return the values below which those shares of `values` lie, interpolated as NumPy does.

    NumPy's own takes four times as long, a partition at several places at once twice.
    """
    found = []
    for share in shares:
        place = share * (values.size - 1)
        ordered = np.partition(values, int(place), axis=None)[int(place) :]
        low, high = float(ordered[0]), float(ordered[1:].min(initial=np.inf))
        found.append(low + (place % 1) * (high - low) if place % 1 else low)
    return found


def hysteresis(values: Strength | Grey, low: float, high: float) -> Mask:
    """Return True where `values` exceed `low` and are connected to a place that exceeds `high`."""
    count, labels = cv2.connectedComponents((values > low).view(np.uint8), connectivity=8)
    found = np.asarray(labels, np.int32)
    return np.asarray(strong_parts(count, found, values > high)[found])


def strong_parts(count: int, labels: NDArray[np.int32], strong: Mask) -> Mask:
    """Return which of `count` components have a `strong` place, the ground, 0, left out."""
    found = np.zeros(count, bool)
    found[labels[strong]] = True
    found[0] = False
    return found


def keep_digit(
    mask: Mask, strength: Strength, rules: Mask, page: tuple[Grey, Strength]
) -> tuple[Mask, int]:
    """Return `mask` without specks, without marks along the border, and without what is far off.

    Beside it stands the longer side of its largest part. The digit is the part of most ink, and
    what lies near it: strokes break, bars are detached. A part beyond a printed line belongs to a
    neighbour. `page` is the page, dark on light, and its ground.
    """
    found = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    labels, stats = np.asarray(found[1], np.int32), np.asarray(found[2], np.int32)
    of_ink = labels[mask]
    mass = np.bincount(of_ink, strength[mask], len(stats)).astype(np.float64)
    mass[stray_marks(labels, stats, mass)] = 0
    main = main_part(labels, stats, mass, page)
    if main == 0:
        return np.zeros_like(mask), 0
    mass[beyond_rules(stats, main, rules) & at_border(stats, mask.shape)] = 0
    near = gaps_to(stats, main) <= NEAR * max(stats[main, 2:4])
    parts = (mass > 0.03 * mass[main]) & (near | (mass > 0.5 * mass[main]))
    kept = np.zeros_like(mask)
    kept[mask] = parts[of_ink]
    return kept, int(stats[parts, 2:4].max())


def main_part(
    labels: NDArray[np.int32],
    stats: NDArray[np.int32],
    mass: NDArray[np.float64],
    page: tuple[Grey, Strength],
) -> int:
    """Return the component of most ink that may be a digit, 0 when none may."""
    specks = np.array([is_speck(stat, labels.shape) for stat in stats])
    likely = np.where(specks, 0, mass)
    is_even = is_evenly_lit(page[1])
    for _ in range(3):
        main = int(likely.argmax())
        if likely[main] < MIN_SHARE * likely.sum() or likely[main] == 0:
            return 0
        if is_even or not is_step(labels, stats[main], main, page):
            return main
        mass[main] = likely[main] = 0
    return 0


def is_evenly_lit(ground: Strength) -> bool:
    """Tell whether the ground of a page is all about as bright, so that no light has an edge."""
    return float(ground.max()) < EVEN * float(ground.min())


def is_step(
    labels: NDArray[np.int32], stat: NDArray[np.int32], label: int, page: tuple[Grey, Strength]
) -> bool:
    """Tell whether a part is no stroke but one side of a step in the light, as at a shadow's edge.

    A closing wider than the part fills a stroke, which has ground on both sides; not a step.
    """
    left, top, width, height = (int(value) for value in stat[:4])
    own = labels[top : top + height, left : left + width] == label
    padded = cv2.copyMakeBorder(own.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    thickness = 2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max())
    margin = round(2 * thickness) + 4
    rows = slice(max(0, top - margin), top + height + margin)
    columns = slice(max(0, left - margin), left + width + margin)
    dark, ground = (part[rows, columns] for part in page)
    scale = min(1.0, 6 / thickness)
    grey, contrast, inside = (
        cv2.resize(as_float32(part), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for part in (dark, ground - dark, labels[rows, columns] == label)
    )
    side = round(1.6 * thickness * scale) + 3
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    filled = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, kernel) - grey
    return float((filled * inside).sum()) < STEP * float((contrast * inside).sum())


def is_speck(stat: NDArray[np.int32], shape: tuple[int, ...]) -> bool:
    """Tell whether a part is too small for a digit, or small and as round as a spot."""
    _, _, width, height, area = (int(value) for value in stat)
    longer = max(width, height)
    if longer < max(3.0, MIN_SIZE * max(shape)):
        return True
    blob = area > 0.6 * width * height and min(width, height) > 0.6 * longer
    return blob and longer < MAX_SPOT * max(shape)


def gaps_to(stats: NDArray[np.int32], main: int) -> NDArray[np.int32]:
    """Return, for each component, how far its box is from that of `main`, 0 where they overlap."""
    left, top, width, height = stats[:, :4].T
    across = np.maximum(left[main] - left - width, left - left[main] - width[main])
    down = np.maximum(top[main] - top - height, top - top[main] - height[main])
    return np.asarray(np.maximum(np.maximum(across, down), 0))


def at_border(stats: NDArray[np.int32], shape: tuple[int, ...]) -> Mask:
    """Return, for each component, whether it touches the border of the page."""
    left, top, width, height = stats[:, :4].T
    ends = (left + width == shape[1]) | (top + height == shape[0])
    return np.asarray((left == 0) | (top == 0) | ends)


def beyond_rules(stats: NDArray[np.int32], main: int, rules: Mask) -> Mask:
    """Return, for each component, whether a printed line lies between it and `main`."""
    beyond = np.zeros(len(stats), bool)
    if not rules.any():
        return beyond
    left, top, width, height = (int(value) for value in stats[main, :4])
    rows = rules[:, left : left + width].mean(axis=1) > 0.5
    columns = rules[top : top + height].mean(axis=0) > 0.5
    for start, size, middle, lines in (
        (stats[:, 1], stats[:, 3], top + height / 2, rows),
        (stats[:, 0], stats[:, 2], left + width / 2, columns),
    ):
        passed = np.concatenate([[0], np.cumsum(lines)])
        low = np.minimum(start + size, int(middle)).clip(0, len(lines))
        high = np.maximum(start, int(middle)).clip(0, len(lines))
        beyond |= (start + size < middle) & (passed[int(middle)] > passed[low])
        beyond |= (start > middle) & (passed[high] > passed[int(middle)])
    beyond[main] = False
    return beyond


def stray_marks(
    labels: NDArray[np.int32], stats: NDArray[np.int32], mass: NDArray[np.float64]
) -> Mask:
    """Return, for each component, whether it is a line or shadow along the border.

    Such a mark lies in a narrow band at the border. It must be long, or the digit must keep off the
    border altogether: on a tight crop the detached bar of a 5 lies in that band as well.
    """
    rows, columns = labels.shape
    touching = at_border(stats, labels.shape)
    if not touching[1:].any():
        return np.zeros(len(stats), bool)
    inside = inner(labels, BORDER_BAND)
    within = np.bincount(inside.ravel(), minlength=len(stats)) / stats[:, cv2.CC_STAT_AREA]
    left, top, width, height = stats[:, :4].T
    across = (left == 0) & (left + width == columns) & (height < BORDER_BAND * rows)
    along = (top == 0) & (top + height == rows) & (width < BORDER_BAND * columns)
    hugging = touching & (within < 0.2) | across | along
    hugging[0] = False
    main = int(np.where(hugging, 0, mass).argmax())
    if main == 0:
        return lone_marks(hugging, along, stats)
    long = (width > 0.5 * columns) | (height > 0.5 * rows)
    return np.asarray(hugging & (long | ~touching[main]))


def lone_marks(hugging: Mask, along: Mask, stats: NDArray[np.int32]) -> Mask:
    """Return which marks along the border are stray where there is no other ink.

    A single upright from top to bottom stays: it may be a 1, cut out tightly.
    """
    upright = along & (stats[:, 0] > 0) & (stats[:, 3] > 3 * stats[:, 2])
    return np.asarray(hugging & ~upright) if upright.sum() == 1 else hugging


def soft_edge(mask: Mask) -> Mask:
    """Return `mask` grown by one pixel, so that the soft edge of the ink comes along."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
