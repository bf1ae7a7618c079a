"""Line: a page that shows one number becomes the crops of height 32 that the line network sees.

The band of the usual digits is brought to about two thirds of the height; ink is scaled by its own
darkest parts. The same code makes the crops that networks are trained with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Grey, as_float32, as_uint8
from inkdigits.imaging.line_ink import LineInk, find_line_ink, quantile

HEIGHT = 32
BAND = 21
"""Rows of a crop between top and bottom of a usual digit."""
MOST_INK = 30
"""Rows that all ink of a number may fill, tall strokes and tails included."""
FITTED = 26
"""Rows that all ink of a number fills in the fitted view."""
BESIDE = 7
"""Printing within half so many rows of a stroke is left in the open view."""
MIN_WIDTH, MAX_WIDTH, WIDTH_STEP = 16, 512, 4
BATCH_STEP = 16
"""Widths of batches are multiples of it: fewer shapes to prepare for."""
SIDE_MARGIN = 4
"""Columns left free at each side of the ink."""
LONGEST = 640
"""A page is searched on a copy whose longer side is at most this."""
NEAR = 150
"""A page whose shorter side is at most this is never searched from afar."""
ROOM_FOR_TWO = 2.5
"""A picture lower than this many of a number's heights has no room for another line above it."""
WORD_GAP = 1.2
"""A gap narrower than this many heights parts no two numbers."""
CLOSER = 56
"""Rows of the band on the copy that crops are cut from, when the page was searched from afar."""
MIN_STROKE = 1.3
"""Strokes thinner than this, in pixels of the crop, are thickened before shrinking."""
FULL = 0.975
"""The share of the ink below what counts as full strength."""


@dataclass(frozen=True)
class LineCrop:
    """What the line network sees: `image` uint8 (32, W), ink bright on 0, W by fours, 16–512.

    `box` is the ink's left, top, width, height in source pixels. `to_source` is float64 (2, 3): it
    takes a column, a row and 1 of the crop to x and y of the source.
    """

    image: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    to_source: NDArray[np.float64]

    def source_x(self, column: float) -> float:
        """Return x in the source of a place at mid-height, in columns of the crop."""
        return self.source_point(column, HEIGHT / 2)[0]

    def source_point(self, column: float, row: float) -> tuple[float, float]:
        """Return x and y in the source of a place in the crop."""
        x, y = (self.to_source @ (column, row, 1)).tolist()
        return x, y


class View(NamedTuple):
    """One way to crop: all but the number `masked` out, its ink `fitted` to the height, or not.

    The number is made wider by `stretch`; its foot moves by `shear` columns a row to the right of
    its head.
    """

    masked: bool
    fitted: bool
    stretch: float = 1.0
    shear: float = 0.0


VIEWS = (View(masked=True, fitted=False), View(masked=False, fitted=False), View(True, True))
"""The views that networks are trained with, the best first."""
LOOKS = (
    *VIEWS,
    View(masked=True, fitted=False, stretch=0.85),
    View(masked=True, fitted=False, stretch=1.15),
    View(masked=True, fitted=False, shear=-0.15),
    View(masked=True, fitted=False, shear=0.15),
)
"""The views from which a doubtful number is read, the best first."""


@dataclass(frozen=True)
class Place:
    """Where a number was found: its ink, on a copy of the page's part that starts at `origin`.

    `scale` is the copy's pixels per source pixel; `origin` is x and y in the source.
    """

    ink: LineInk
    scale: float
    origin: tuple[int, int]


def line_crops(grey: Grey) -> tuple[LineCrop, ...]:
    """Return alternative crops of the one number on `grey`, uint8 (h, w), best first.

    Either polarity, any size. There are three crops: nothing but the number, the band with all that
    is in it but printed lines, and the number fitted to the height; () where the page is blank.
    """
    place = find_number(grey)
    return () if place is None else crops_of(place)


def crops_of(place: Place) -> tuple[LineCrop, ...]:
    """Return the crops of the number found at `place`, best first."""
    return tuple(cut(place, view) for view in VIEWS)


def has_room(place: Place, shape: tuple[int, ...]) -> bool:
    """Tell whether a picture of `shape` (h, w) has room for another line above or below `place`."""
    return shape[0] * place.scale > ROOM_FOR_TWO * (place.ink.bottom - place.ink.top)


def stands_alone(place: Place, shape: tuple[int, ...]) -> bool:
    """Tell whether a picture of `shape` (h, w) has room for no other number than that at `place`.

    Cheaper than parting the picture; where it is False, there may be others or not.
    """
    if has_room(place, shape):
        return False
    ink = place.ink
    columns = np.flatnonzero(ink.mask.any(axis=0))
    return bool(np.diff(columns, prepend=columns[0]).max() < WORD_GAP * (ink.bottom - ink.top))


def side_by_side(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return crops uint8 (32, W) as one batch (N, 32, W), each in the middle of its width."""
    widest = max((image.shape[1] for image in images), default=MIN_WIDTH)
    batch = np.zeros((len(images), HEIGHT, -(-widest // BATCH_STEP) * BATCH_STEP), np.uint8)
    for row, image in zip(batch, images, strict=True):
        left = left_in_batch(image.shape[1], batch.shape[2])
        row[:, left : left + image.shape[1]] = image
    return batch


def left_in_batch(width: int, batch_width: int) -> int:
    """Return the column of a batch at which a crop starts."""
    return (batch_width - width) // 2 // WIDTH_STEP * WIDTH_STEP


def find_number(grey: Grey) -> Place | None:
    """Find the one number on `grey`, uint8 (h, w); None where the page is blank."""
    place = find_from_afar(grey)
    return None if place is None else find_closely(grey, place)


def find_from_afar(grey: Grey) -> Place | None:
    """Find the one number on a small copy of `grey`, as a first look; None where it is blank."""
    page, scale = shrunk(grey, LONGEST / max(grey.shape))
    ink = find_line_ink(page)
    return None if ink is None else Place(ink, scale, (0, 0))


def find_closely(grey: Grey, place: Place) -> Place:
    """Find a number that was found from afar once more on the part of `grey` around it.

    It is `place` where that is close enough, or where it is not found again.
    """
    return place if not is_far(place.ink, grey.shape) else look_closer(grey, place) or place


def shrunk(grey: Grey, scale: float) -> tuple[Grey, float]:
    """Return `grey` scaled down by `scale`, itself where that is 1 or more, and the scale."""
    if scale >= 1:
        return grey, 1.0
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return as_uint8(cv2.resize(grey, size, interpolation=cv2.INTER_AREA)), scale


def is_far(ink: LineInk, shape: tuple[int, ...]) -> bool:
    """Tell whether the number is a small part of a large page, so that a closer look pays."""
    small = ink.bottom - ink.top < 0.4 * min(ink.mask.shape) and min(shape) > NEAR
    return small or max(shape) > 1.3 * LONGEST


def look_closer(grey: Grey, place: Place) -> Place | None:
    """Find the ink again on the part of `grey` around it; None where it is not found again."""
    ink, scale = place.ink, place.scale
    left, top, width, height = ink.box
    tall = max(ink.bottom - ink.top, 4)
    columns = (int((left - 1.5 * tall) / scale), int((left + width + 1.5 * tall) / scale) + 1)
    rows = (int((top - tall) / scale), int((top + height + tall) / scale) + 1)
    x, y = max(0, columns[0]), max(0, rows[0])
    part, closer = shrunk(grey[y : rows[1], x : columns[1]], CLOSER * scale / tall)
    found = find_line_ink(np.ascontiguousarray(part))
    return None if found is None else Place(found, closer, (x, y))


def cut(place: Place, view: View) -> LineCrop:
    """Cut one crop of the number found at `place`."""
    ink = place.ink
    left, top, width, height = ink.box
    centre = left + width / 2
    rise = abs(ink.slope) * width / 2
    usual = max(ink.bottom - ink.top, 1.0)
    middle = (ink.top + ink.bottom) / 2
    reach = max(middle - top - rise, top + height - rise - middle, usual / 2)
    by = min(BAND / usual, MOST_INK / 2 / reach)
    if view.fitted:
        middle, by = top + height / 2, FITTED / max(height - 2 * rise, usual)
    lean = abs(view.shear) * MOST_INK
    long = width * by * view.stretch + lean + 2 * SIDE_MARGIN
    columns = int(np.clip(-(-long // WIDTH_STEP) * WIDTH_STEP, MIN_WIDTH, MAX_WIDTH))
    across = min(by * view.stretch, (columns - lean - 2 * SIDE_MARGIN) / width)
    forward = np.array(
        [
            [across, 0, columns / 2 - across * centre],
            [-ink.slope * by, by, HEIGHT / 2 - by * (middle - ink.slope * centre)],
        ]
    )
    forward[0] += view.shear * (forward[1] - (0, 0, HEIGHT / 2))
    image = rendered(ink, view.masked, forward, columns)
    to_source = inverse_of(forward, place.scale, place.origin)
    return LineCrop(image, in_source(ink.box, place.scale, place.origin), to_source)


def rendered(
    ink: LineInk, masked: bool, forward: NDArray[np.float64], columns: int
) -> NDArray[np.uint8]:
    """Return the ink under the affine map `forward` as uint8 (32, columns), full strength 255."""
    left, top, width, height = ink.box
    pad = 3
    x, y = max(0, left - pad), max(0, top - pad)
    part = np.s_[y : top + height + pad, x : left + width + pad]
    grown = cv2.dilate(ink.mask[part].view(np.uint8), np.ones((3, 3), np.uint8))
    # What lies on a printed line beside a stroke may be the stroke's own: the open view shows it.
    close = grown if masked else cv2.dilate(grown, np.ones((BESIDE, 3), np.uint8))
    hidden = close == 0 if masked else ink.printed[part] & (close == 0)
    depth = as_uint8(ink.depth[part].copy())
    depth[hidden] = 0
    by = float(forward[1, 1])
    depth = thickened(depth, as_uint8(grown), by)
    few, _ = shrunk(depth, by)
    shrink = np.array([few.shape[1] / depth.shape[1], few.shape[0] / depth.shape[0]])
    # Pixel centres: a pixel of `few` at (u, v) lies at (u + 0.5) / shrink − 0.5 of the part.
    to_part = np.array(
        [
            [1 / shrink[0], 0, x + 0.5 / shrink[0]],
            [0, 1 / shrink[1], y + 0.5 / shrink[1]],
            [0, 0, 1],
        ]
    )
    warp = forward @ to_part
    warp[:, 2] -= 0.5
    image = as_float32(
        cv2.warpAffine(as_float32(few), warp, (columns, HEIGHT), flags=cv2.INTER_LINEAR)
    )
    inside = image[image > 0.25 * image.max()]
    full = max(quantile(inside, FULL), 1.0) if inside.size else 1.0
    return as_uint8(np.rint(np.minimum(image * (255 / full), 255)))


def thickened(depth: Grey, mask: NDArray[np.uint8], by: float) -> Grey:
    """Grow strokes that scaling by `by` would make thinner than `MIN_STROKE`."""
    if by >= 1:
        return depth
    outline = int(cv2.countNonZero(cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, CROSS)))
    width = 4 * cv2.countNonZero(mask) / max(outline, 1) - 2
    side = 1 + round(MIN_STROKE / by - width)
    return depth if side < 2 else as_uint8(cv2.dilate(depth, np.ones((side, side), np.uint8)))


CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def inverse_of(
    forward: NDArray[np.float64], scale: float, origin: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the way back from a crop to the source, given the way from the copy to the crop."""
    back = np.asarray(cv2.invertAffineTransform(forward), np.float64) / scale
    back[:, 2] += origin
    return back


def in_source(
    box: tuple[int, int, int, int], scale: float, origin: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return a box of the copy in source pixels."""
    left, top, width, height = (v / scale for v in box)
    x, y = round(left + origin[0]), round(top + origin[1])
    return x, y, max(1, round(width)), max(1, round(height))
