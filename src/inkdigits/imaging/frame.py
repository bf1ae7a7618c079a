"""Frame: the ink becomes the 28×28 image that a network sees, the way MNIST was made.

The ink's box is scaled so that its longer side is 20 pixels; then its centre of mass is moved to
the centre of the image. Ink is bright, the background exactly 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Mask, Strength, as_float32
from inkdigits.imaging.clean import CleanPage

SIDE = 28
INK_SIDE = 20
MIN_STROKE = 1.8
"""Strokes thinner than this, in pixels of the framed image, are thickened before shrinking."""


@dataclass(frozen=True)
class Frame:
    """A framed digit: `image` uint8 (28, 28), ink bright on 0; `box` in source pixels.

    `box` is left, top, width, height.
    """

    image: NDArray[np.uint8]
    box: tuple[int, int, int, int]


def frame(page: CleanPage) -> Frame | None:
    """Frame the ink of a cleaned page as one digit; None when the page is blank."""
    if page.blank:
        return None
    box = bounding_box(page.mask)
    left, top, width, height = box
    part = np.s_[top : top + height, left : left + width]
    image = centre(shrink(page.ink[part], page.mask[part]))
    return Frame(image, to_source(box, page.scale))


def bounding_box(mask: Mask) -> tuple[int, int, int, int]:
    """Return left, top, width, height of the True pixels of `mask`."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return int(left), int(top), int(width), int(height)


def to_source(box: tuple[int, int, int, int], scale: float) -> tuple[int, int, int, int]:
    """Return `box` in source pixels, given working pixels per source pixel."""
    left, top, width, height = (v / scale for v in box)
    return round(left), round(top), max(1, round(width)), max(1, round(height))


def shrink(ink: Strength, mask: Mask) -> Strength:
    """Scale the ink (h, w) so that its longer side is `INK_SIDE`, keeping thin strokes visible."""
    scale = INK_SIDE / max(ink.shape)
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    ink = thicken(ink, MIN_STROKE / scale - stroke_width(mask))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return as_float32(cv2.resize(ink, size, interpolation=way))


def stroke_width(mask: Mask) -> float:
    """Estimate the mean width of the strokes in `mask`, in its pixels: twice area by outline."""
    steps = [np.count_nonzero(one[1:] != one[:-1]) for one in (mask, mask.T)]
    ends = [np.count_nonzero(end) for end in (mask[0], mask[-1], mask[:, 0], mask[:, -1])]
    edge = sum(steps) + sum(ends)
    # A staircase outline is 4/π longer than the curve it follows.
    return 2 * float(mask.sum()) / max(1.0, edge * np.pi / 4)


def thicken(ink: Strength, by: float) -> Strength:
    """Grow the strokes by `by` pixels in width, if that is at least one pixel."""
    side = 1 + round(by)
    if side < 2:
        return ink
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return as_float32(cv2.dilate(ink, kernel))


def centre(ink: Strength) -> NDArray[np.uint8]:
    """Put the ink's centre of mass on pixel (14, 14) of an empty 28×28 image, as near as it fits.

    Whole pixels, as in MNIST, whose centres of mass lie within half a pixel of (14, 14).
    """
    rows, columns = ink.shape
    total = float(ink.sum()) or 1.0
    top = place(float(ink.sum(axis=1) @ np.arange(rows)) / total, rows)
    left = place(float(ink.sum(axis=0) @ np.arange(columns)) / total, columns)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + rows, left : left + columns] = np.rint(255 * ink)
    return image


def place(mass_centre: float, length: int) -> int:
    """Return where ink of `length` pixels starts so that its centre of mass lies in the middle."""
    return min(max(0, round(SIDE / 2 - mass_centre)), SIDE - length)
