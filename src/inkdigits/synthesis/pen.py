"""Redraw real digits with another pen: their skeleton, moved, then drawn at any width.

MNIST's pen is one pen. The way of a digit is kept as its skeleton; the distance to it, cut at half
a pen width, gives back a stroke of that width with a crisp or a soft edge.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import as_float32, as_uint8
from inkdigits.synthesis.framing import frame_ink
from inkdigits.synthesis.strokes import Ink

CANVAS = 84
"""Side of the canvas that a digit is redrawn on."""
DIGIT = 60
"""Pixels of a redrawn digit's longer side, between the centres of its strokes."""
INK_FROM = 90
BLOT, BLOT_SHARE = 1.6, 0.025
"""Ink further from the skeleton than 1.6 half stroke widths, and how much makes a blot."""
CHUNK = 256


def redraw(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return `images`, uint8 (N, 28, 28) of digits, redrawn with pens of many kinds and framed."""
    inks = redraw_ink(images, rng)
    return np.stack([frame_ink(ink) for ink in inks]) if len(inks) else images.copy()


def redraw_ink(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return `images`, uint8 (N, 28, 28), redrawn as ink on canvases, uint8 (N, 84, 84)."""
    inks = np.zeros((len(images), CANVAS, CANVAS), np.uint8)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        moved = np.stack([move(image, rng) for image in chunk])
        for number, skeleton in enumerate(thin(moved > INK_FROM)):
            away = distance(skeleton)
            drawn = draw_way(away, rng)
            told = tells_all(away, skeleton, moved[number] > INK_FROM)
            inks[start + number] = drawn if told else moved[number]
    return inks


def move(image: NDArray[np.uint8], rng: np.random.Generator) -> Ink:
    """Return a digit on a canvas: enlarged, turned, slanted, stretched and slightly bent."""
    left, top, width, height = cv2.boundingRect((image > INK_FROM).astype(np.uint8))
    aspect = np.exp(rng.normal(0, 0.15))
    slant, turn = rng.normal(0, 0.18), rng.normal(0, 0.07)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.array([[aspect, -slant], [0, 1]])
    # The box of what the matrix makes of the digit's own box decides how much to enlarge.
    extent = np.abs(matrix) @ np.array([max(width, 1), max(height, 1)])
    inverse = np.linalg.inv(matrix * DIGIT / extent.max())
    y, x = np.indices((CANVAS, CANVAS), dtype=np.float32) - (CANVAS - 1) / 2
    amplitude, phase = rng.normal(0, 1.2, 2), rng.uniform(0, 2 * np.pi, 2)
    x, y = (
        x + np.float32(amplitude[0]) * np.sin(y / 12 + np.float32(phase[0])),
        y + np.float32(amplitude[1]) * np.sin(x / 12 + np.float32(phase[1])),
    )
    from_x = inverse[0, 0] * x + inverse[0, 1] * y + left + (width - 1) / 2
    from_y = inverse[1, 0] * x + inverse[1, 1] * y + top + (height - 1) / 2
    return np.asarray(
        cv2.remap(image, from_x.astype(np.float32), from_y.astype(np.float32), cv2.INTER_CUBIC),
        np.uint8,
    )


def distance(skeleton: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance in pixels of every pixel to `skeleton` (h, w), far where it is empty."""
    if not skeleton.any():
        return np.full(skeleton.shape, np.float32(CANVAS))
    return as_float32(cv2.distanceTransform((~skeleton).astype(np.uint8), cv2.DIST_L2, 5))


def draw_way(away: NDArray[np.float32], rng: np.random.Generator) -> Ink:
    """Draw the way whose distances are `away` (h, w) with a pen of random width and softness."""
    width = float(np.clip(np.exp(rng.normal(1.75, 0.45)), 2.2, 17))
    edge = float(rng.choice([1.0, 1.0, 2.0, min(4.0, width)]))
    smooth = as_float32(cv2.GaussianBlur(away, (0, 0), 0.8))
    return as_uint8(np.rint(255 * np.clip((width / 2 - smooth) / edge + 0.5, 0, 1)))


def tells_all(
    away: NDArray[np.float32], skeleton: NDArray[np.bool_], mask: NDArray[np.bool_]
) -> bool:
    """Return whether the skeleton holds all of the digit: a loop filled with ink leaves no trace.

    Where the stroke is of one width, no ink lies much further from the skeleton than half of it.
    """
    if not skeleton.any():
        return False
    inside = as_float32(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5))
    half = float(np.median(inside[skeleton]))
    return float((away[mask] > BLOT * half).mean()) < BLOT_SHARE


def thin(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the skeletons of `masks`, bool (N, h, w), one pixel wide and connected as these.

    T. Y. Zhang, C. Y. Suen, "A fast parallel algorithm for thinning digital patterns" (1984), on
    all images at once.
    """
    ink = np.pad(masks, ((0, 0), (1, 1), (1, 1))).astype(np.uint8)
    changed = True
    while changed:
        changed = False
        for removable in REMOVABLE:
            gone = removable[neighbours(ink)] & ink[:, 1:-1, 1:-1]
            changed = changed or bool(gone.any())
            ink[:, 1:-1, 1:-1] ^= gone
    return ink[:, 1:-1, 1:-1].astype(bool)


AROUND = ((0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))
"""Row and column of the eight neighbours in a 3×3 window, clockwise from the one above."""


def neighbours(padded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return for each inner pixel of `padded` (N, h + 2, w + 2) its neighbours, a bit each."""
    rows, columns = padded.shape[1] - 2, padded.shape[2] - 2
    code = np.zeros((len(padded), rows, columns), np.uint8)
    for bit, (row, column) in enumerate(AROUND):
        code |= padded[:, row : row + rows, column : column + columns] << np.uint8(bit)
    return code


def removable_codes() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return for each of the two half steps which of the 256 neighbourhoods lose their centre."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    north, east, south, west = bits[:, 0], bits[:, 2], bits[:, 4], bits[:, 6]
    count = bits.sum(axis=1)
    rises = ((bits == 0) & (np.roll(bits, -1, axis=1) == 1)).sum(axis=1)
    border = (count >= 2) & (count <= 6) & (rises == 1)
    first = border & (north * east * south == 0) & (east * south * west == 0)
    second = border & (north * east * west == 0) & (north * south * west == 0)
    return first.astype(np.uint8), second.astype(np.uint8)


REMOVABLE = removable_codes()
