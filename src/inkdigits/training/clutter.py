"""Clutter: what stands between a digit and its reader, drawn over images inside the epoch.

Each kind is made for a few images of every batch, the others stay as they are: the order of the
examples is random anyway, and so nothing is computed that is not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from inkdigits.training.draws import Draws
from inkdigits.training.light import INK, smooth
from inkdigits.training.warp import MIDDLE, SIDE, sample, spline_fields

# Coarse knots make light, fine ones blots.
FINE_KNOTS = 12
AXIS = np.arange(SIDE, dtype=np.float32) - MIDDLE
Y, X = (grid.astype(np.float32)[None] for grid in np.meshgrid(AXIS, AXIS, indexing="ij"))


def clutter(draws: Draws, pixels: Any, share: float) -> Any:
    """Return `pixels`, float32 (N, 28, 28), 0–255, of which a `share` (0–1) carries clutter."""
    count = round(share * pixels.shape[0] / len(KINDS))
    if count == 0:
        return pixels
    parts = [
        kind(draws, pixels[number * count : (number + 1) * count])
        for number, kind in enumerate(KINDS)
    ]
    return ops.concatenate([*parts, pixels[len(KINDS) * count :]])


def one_each(draws: Draws, pixels: Any) -> Any:
    """Return a random number, 0–1, for each image: float32 (N, 1, 1)."""
    return (draws.uniform((pixels.shape[0], 1, 1)) + 1) / 2


def cover(pixels: Any, strength: Any) -> Any:
    """Return `pixels` under ink of a `strength` of 0–1."""
    return pixels + (INK - pixels) * ops.clip(strength, 0.0, 1.0)


def grey_ground(draws: Draws, pixels: Any) -> Any:
    """Raise the ground, evenly or by a smooth field, as dim paper or fog does."""
    n = pixels.shape[0]
    field = ops.reshape(ops.matmul(draws.normal((n, 36)), spline_fields()), pixels.shape)
    level, unevenness = 0.8 * one_each(draws, pixels), 0.3 * one_each(draws, pixels)
    return cover(pixels, level + unevenness * field)


def turned_over(draws: Draws, pixels: Any) -> Any:
    """Exchange ink and ground in a band of any direction, place and width."""
    across = distance_along(draws, pixels)
    inside = ops.abs(across) < 1 + 9 * one_each(draws, pixels)
    return ops.where(inside, INK - pixels, pixels)


def distance_along(draws: Draws, pixels: Any, reach: float = 9.0) -> Any:
    """Return each pixel's distance from a random line, float32 (N, 28, 28), signed."""
    angle = math.pi * draws.uniform((pixels.shape[0], 1, 1))
    offset = reach * draws.uniform((pixels.shape[0], 1, 1))
    return Y * ops.cos(angle) + X * ops.sin(angle) - offset


def grains(draws: Draws, pixels: Any) -> Any:
    """Replace pixels by ink or ground, or shake all of them."""
    chance, shake = draws.uniform(pixels.shape), draws.normal(pixels.shape)
    most = 0.3 * one_each(draws, pixels)
    speckled = ops.where(chance > 1 - most, INK, ops.where(chance < most - 1, 0.0, pixels))
    shaken = pixels + 0.4 * INK * one_each(draws, pixels) * shake
    return ops.clip(ops.where(one_each(draws, pixels) < 0.5, speckled, shaken), 0.0, INK)


def strokes(draws: Draws, pixels: Any) -> Any:
    """Draw a thin line across, straight, dotted or in zigzag."""
    n = pixels.shape[0]
    across = distance_along(draws, pixels)
    turn = math.pi * draws.uniform((n, 1, 1))
    along = Y * ops.sin(turn) + X * ops.cos(turn)
    period = 2 + 6 * one_each(draws, pixels)
    wave = ops.abs(ops.mod(along / period, 2.0) - 1) - 0.5
    bend = 8 * one_each(draws, pixels) * ops.cast(one_each(draws, pixels) < 0.5, "float32")
    gap = ops.cast(one_each(draws, pixels) < 0.5, "float32") * ops.cast(wave > 0, "float32")
    width = 0.6 + one_each(draws, pixels)
    line = ops.clip(width + 0.5 - ops.abs(across + bend * wave), 0.0, 1.0)
    return cover(pixels, line * (1 - gap))


def outline(draws: Draws, pixels: Any) -> Any:
    """Leave the edges of strokes, thin or thick, hard or soft."""
    around = ops.pad(pixels, ((0, 0), (1, 1), (1, 1)))
    thick, thin = pixels, pixels
    for row in range(3):
        for column in range(3):
            neighbour = around[:, row : row + SIDE, column : column + SIDE]
            thick, thin = ops.maximum(thick, neighbour), ops.minimum(thin, neighbour)
    outer, both = thick - pixels, thick - thin
    edge = ops.where(one_each(draws, pixels) < 0.5, outer, both)
    hard = INK * ops.cast(edge > 0.4 * INK, "float32")
    return ops.where(one_each(draws, pixels) < 0.5, hard, edge)


def blots(draws: Draws, pixels: Any) -> Any:
    """Spatter ink, or wipe it away, in small round blots."""
    n = pixels.shape[0]
    knots = draws.normal((n, FINE_KNOTS * FINE_KNOTS))
    field = ops.reshape(ops.matmul(knots, spline_fields(FINE_KNOTS)), pixels.shape)
    blot = ops.clip(3 * (field - 1.2 - one_each(draws, pixels)), 0.0, 1.0)
    wiped = pixels * (1 - blot)
    tone = one_each(draws, pixels)
    return ops.where(one_each(draws, pixels) < 0.7, cover(pixels, tone * blot), wiped)


def blurred(draws: Draws, pixels: Any) -> Any:
    """Move the camera: a blur along one direction, by sampling at three places on it."""
    angle = math.pi * draws.uniform((pixels.shape[0], 1))
    length = 3.0 * one_each(draws, pixels)[:, :, 0]
    down, right = length * ops.sin(angle), length * ops.cos(angle)
    rows, columns = (np.broadcast_to(g + MIDDLE, (1, SIDE, SIDE)) for g in (Y, X))
    flat_rows, flat_columns = rows.reshape(1, -1), columns.reshape(1, -1)
    whole = ops.cast(ops.clip(pixels, 0.0, INK), "uint8")
    total = pixels
    for step in (-1.0, -0.5, 0.5, 1.0):
        total = total + sample(whole, flat_rows + step * down, flat_columns + step * right)
    return smooth(total / 5)


def shattered(draws: Draws, pixels: Any) -> Any:
    """Look through rough glass: each pixel is taken from a random place nearby."""
    n = pixels.shape[0]
    reach = 2.0 * one_each(draws, pixels)[:, :, 0]
    places = [g.reshape(1, -1) + MIDDLE + reach * draws.uniform((n, SIDE * SIDE)) for g in (Y, X)]
    return sample(ops.cast(ops.clip(pixels, 0.0, INK), "uint8"), *places)


KINDS: tuple[Callable[[Draws, Any], Any], ...] = (
    grey_ground,
    turned_over,
    grains,
    strokes,
    outline,
    blots,
    blurred,
    shattered,
)
