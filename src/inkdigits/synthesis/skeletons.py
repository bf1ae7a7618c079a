"""Skeletons: real digits as the distance to their skeleton, drawn again by one pen for a number.

The distance is stored once for a digit; moving that map and cutting it at half a pen's width gives
any stroke, slant and size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Examples
from inkdigits.imaging.arrays import as_float32, as_uint8
from inkdigits.synthesis.pen import INK_FROM, tells_all, thin
from inkdigits.synthesis.strokes import Ink

SIDE = 56
"""Side of a map: twice that of a framed digit."""
STEP = 8.0
"""Steps of a stored distance per pixel of the map."""
CHUNK = 512


@dataclass(frozen=True)
class Skeletons:
    """Real digits to redraw: `maps` uint8 (N, 56, 56), eighths of a pixel to the skeleton.

    `labels` uint8 (N,) 0–9; `slants` float (N,) is x per y, to the right where positive; `heights`
    float (N,) and `middles` float (N, 2), x and y, are those of the digit in pixels of the map.
    `known` lists the rows of each digit.
    """

    maps: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    slants: NDArray[np.float64]
    heights: NDArray[np.float64]
    middles: NDArray[np.float64]
    known: tuple[NDArray[np.intp], ...]

    def draw(self, label: int, pen: RealPen, height: float, rng: np.random.Generator) -> Ink:
        """Redraw one digit `label` about `height` pixels tall; there must be one such digit."""
        rows = self.known[label]
        row = int(rows[rng.integers(len(rows))])
        scale = height * np.exp(rng.normal(0, 0.06)) / max(self.heights[row], 8)
        aspect = pen.aspect * np.exp(rng.normal(0, 0.06))
        slant = pen.slant + rng.normal(0, 0.04) - 0.9 * self.slants[row]
        turn = rng.normal(0, 0.03)
        cos, sin = np.cos(turn), np.sin(turn)
        matrix = scale * np.array([[cos, -sin], [sin, cos]]) @ [[aspect, -slant * aspect], [0, 1]]
        reach = np.abs(matrix) @ [24.0, 24.0] + pen.width
        size = (int(2 * reach[0]) + 2, int(2 * reach[1]) + 2)
        moved = np.column_stack([matrix, np.array(size) / 2 - matrix @ self.middles[row]])
        away = as_float32(
            cv2.warpAffine(self.maps[row], moved, size, flags=cv2.INTER_CUBIC, borderValue=255)
        )
        # The map is stretched by `aspect` sideways, so a distance on it counts by their mean.
        away *= np.float32(scale * np.sqrt(aspect) / STEP)
        edge = max(1.0, pen.softness * pen.width)
        return as_uint8(np.rint(255 * np.clip((pen.width / 2 - away) / edge + 0.5, 0, 1)))


@dataclass(frozen=True)
class RealPen:
    """One pen and hand for a number of real digits: `width` in pixels, `softness` 0–1 of it."""

    width: float
    softness: float
    slant: float
    aspect: float


def new_pen(height: float, rng: np.random.Generator) -> RealPen:
    """Draw a pen and a hand for digits `height` pixels tall."""
    width = float(np.clip(np.exp(rng.normal(-2.3, 0.45)), 0.035, 0.22)) * height
    softness = float(rng.choice([0.0, 0.3, 0.6]))
    slant, aspect = lean(float(rng.normal(0.14, 0.2)), rng), breadth(rng)
    return RealPen(max(1.0, width), softness, slant, aspect)


def lean(usual: float, rng: np.random.Generator) -> float:
    """Return a hand's slant, x per y: the usual one, or that of a hand in a hurry."""
    return float(rng.uniform(0.35, 0.9)) if rng.random() < 0.15 else usual


def breadth(rng: np.random.Generator) -> float:
    """Draw a hand's breadth of digits as a share of the usual one."""
    wide = rng.uniform(1.3, 2.0) if rng.random() < 0.12 else 1.0
    return float(wide * np.exp(rng.normal(-0.05, 0.18)))


def skeletons(digits: Examples, most: int, rng: np.random.Generator) -> Skeletons:
    """Thin up to `most` random ones of `digits`, those with filled loops left out."""
    chosen = rng.permutation(len(digits))[:most]
    maps, kept = [], []
    for start in range(0, len(chosen), CHUNK):
        some = chosen[start : start + CHUNK]
        large = [enlarged(image) for image in digits.images[some]]
        masks = np.stack(large) > INK_FROM
        for mask, skeleton, row in zip(masks, thin(masks), some, strict=True):
            away = cv2.distanceTransform((~skeleton).astype(np.uint8), cv2.DIST_L2, 5)
            if skeleton.any() and tells_all(as_float32(away), skeleton, mask):
                smooth = cv2.GaussianBlur(as_float32(away), (0, 0), 0.8)
                maps.append(np.clip(np.rint(smooth * STEP), 0, 255).astype(np.uint8))
                kept.append(int(row))
    labels = digits.labels[kept]
    shapes = [shape_of(image) for image in digits.images[kept]]
    known = tuple(np.flatnonzero(labels == label) for label in range(10))
    slants, heights, x, y = np.array(shapes, np.float64).reshape(-1, 4).T
    stacked = np.stack(maps) if maps else np.zeros((0, SIDE, SIDE), np.uint8)
    return Skeletons(stacked, labels, slants, heights, np.stack([x, y], axis=1), known)


def enlarged(image: NDArray[np.uint8]) -> Ink:
    """Return a framed digit (28, 28) at twice its size."""
    return as_uint8(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def shape_of(image: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Return slant, height, and x and y of the middle of a digit, on the doubled image."""
    moments = cv2.moments(image)
    slant = -moments["mu11"] / moments["mu02"] if moments["mu02"] > 1e-6 else 0.0
    left, top, width, height = cv2.boundingRect((image > INK_FROM).astype(np.uint8))
    return float(np.clip(slant, -0.8, 0.8)), 2.0 * height, 2.0 * left + width, 2.0 * top + height
