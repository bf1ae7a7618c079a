"""Light: which way round a page is, and how bright its ground is everywhere.

Whether the ink is dark or light is found, not asked for; the ground is told from the ink by a
smooth surface and a closing. All this runs on a small copy, where noise is averaged away.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import Grey, Strength, as_float32
from inkdigits.imaging.rules import median

Pixel = TypeVar("Pixel", bound=np.generic)

GROUND_SIDE = 40
"""The longer side of the small copy; with 64 it tells no more, and takes three times as long."""
DOUBT = 1.0
"""Where there is less to tell light ink by, the ink is dark, as most is, or there is none."""
DARKEST = 64
"""Ground is taken for no darker than this: its noise would look like ink."""
STROKE_SHARE = 0.3
"""No stroke is wider than this share of the page's longer side."""


class Polarity(Enum):
    """Whether the ink is darker or lighter than its ground."""

    DARK_ON_LIGHT = "dark on light"
    LIGHT_ON_DARK = "light on dark"


@dataclass(frozen=True)
class Light:
    """What is known of a page's light: its `polarity`, and a small copy of it, ink dark.

    `values` is float32 (h, w), `surface` the quadratic through its ground.
    """

    polarity: Polarity
    values: NDArray[np.float32]
    surface: NDArray[np.float32]


def find_light(grey: Grey) -> Light:
    """Tell dark ink from light ink: ink is the minority, and it mostly keeps off the border.

    A narrow margin is left out, because frames, rules and scanner shadows live there.
    """
    values = small_copy(grey)
    surface = smooth_surface(values, degree=2)
    residual = inner(values - surface, 0.06)
    spread = float(residual.std())
    if spread == 0:
        return Light(Polarity.DARK_ON_LIGHT, values, surface)
    border = np.concatenate([residual[0], residual[-1], residual[:, 0], residual[:, -1]])
    cubes = residual * (1 / spread)
    skewness = float(np.mean(cubes * cubes * cubes))
    lean = (median(border) - float(residual.mean())) / spread
    # In each term a positive value speaks for light ink.
    if skewness - 2 * lean > DOUBT:
        return Light(Polarity.LIGHT_ON_DARK, 255 - values, 255 - surface)
    return Light(Polarity.DARK_ON_LIGHT, values, surface)


def inner(values: NDArray[Pixel], margin: float) -> NDArray[Pixel]:
    """Return `values` (h, w) without a margin of that share of each side."""
    rows, columns = (int(margin * side) for side in values.shape)
    return values[rows : values.shape[0] - rows, columns : values.shape[1] - columns]


def small_copy(grey: Grey) -> NDArray[np.float32]:
    """Return `grey` as float32 with its longer side at most `GROUND_SIDE`."""
    scale = min(1.0, GROUND_SIDE / max(grey.shape))
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return as_float32(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))


def smooth_surface(values: NDArray[np.float32], degree: int) -> NDArray[np.float32]:
    """Fit a plane (1) or quadratic (2) to the light of `values` (h, w), hardly heeding outliers.

    A quarter of the pixels is asked.
    """
    asked = values[::2, ::2]
    terms, ridge = surface_terms(values.shape, degree, 2)
    target = asked.ravel().astype(np.float64)
    fit: NDArray[np.float64] = np.full_like(target, median(target))
    weighted = np.empty_like(terms)
    factors: NDArray[np.floating] = np.zeros(len(terms))
    for _ in range(3):
        error = np.abs(target - fit)
        error /= median(error) + 4
        np.multiply(terms, 1 / (error * error + 1), out=weighted)
        # For so few unknowns np.linalg.solve takes four times as long.
        right = (weighted @ target)[:, None]
        _, solved = cv2.solve(weighted @ terms.T + ridge, right, flags=cv2.DECOMP_CHOLESKY)
        factors = solved[:, 0].astype(np.float64, copy=False)
        np.matmul(factors, terms, out=fit)
    everywhere, _ = surface_terms(values.shape, degree, 1)
    return (factors @ everywhere).reshape(values.shape).astype(np.float32)


@lru_cache(64)
def surface_terms(
    shape: tuple[int, int], degree: int, step: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a surface's terms, float64 (K, pixels), and the ridge of its fit (K, K).

    They are those of every `step`-th pixel both ways. The ridge keeps pages of one row or column
    solvable.
    """
    y, x = np.indices(shape, dtype=np.float64)[:, ::step, ::step]
    y, x = (2 * y / shape[0] - 1).ravel(), (2 * x / shape[1] - 1).ravel()
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack([x**i * y**j for i, j in powers]), 1e-6 * np.eye(len(powers))


def ink_depth(grey: Grey, ground: Strength) -> Strength:
    """Return how far each pixel of a dark-on-light page lies below its ground, as a share of it.

    float32 (h, w), 0 = ground, 1 = black; noise makes it slightly negative in places.
    """
    return as_float32(np.subtract(ground, grey) / np.maximum(ground, DARKEST))


def ground_light(grey: Grey, light: Light) -> Strength:
    """Estimate the light of the ground at every pixel, as if there were no ink.

    A smooth surface is divided out, then a closing follows what else there is. A plane takes the
    dark corners of a lens for ink, a quadratic the inside of a sharp shadow, no surface at all the
    dark end of a gradient; real ink is dark by all three, so the darkest ground is believed. All
    this runs on a small copy, where noise is averaged away.
    """
    values = light.values
    curved = [np.maximum(surface, 8) for surface in (smooth_surface(values, 1), light.surface)]
    surfaces = cv2.merge([np.ones_like(values), *curved])
    flat, plane, quadratic = cv2.split(closed_ground(values, as_float32(surfaces)))
    ground = np.minimum(np.minimum(flat, plane), quadratic)
    size = (grey.shape[1], grey.shape[0])
    return as_float32(cv2.resize(ground, size, interpolation=cv2.INTER_LINEAR))


def closed_ground(
    values: NDArray[np.float32], surfaces: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Estimate the ground of `values` (h, w) by each of `surfaces` (h, w, 3) and a closing.

    The closing is wider than any stroke: it fills the dark ink, but not the edges of shadows.
    """
    side = max(3, round(STROKE_SHARE * max(values.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    closed = cv2.morphologyEx(cv2.merge([values] * 3) / surfaces, cv2.MORPH_CLOSE, kernel)
    return as_float32(cv2.blur(closed, (side // 4 | 1, side // 4 | 1)) * surfaces)
