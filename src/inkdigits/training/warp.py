"""Random warps: an affine map and an elastic field (Simard et al., 2003), sampled once."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from inkdigits.training.augment_recipe import AugmentRecipe
from inkdigits.training.draws import Draws

SIDE = 28
MIDDLE = (SIDE - 1) / 2
# The elastic field is drawn on a coarse grid and made smooth by cubic B-splines between its knots.
KNOTS = 6


def warp(draws: Draws, images: Any, recipe: AugmentRecipe) -> Any:
    """Return `images` sampled where an affine map and an elastic field send each pixel."""
    n = images.shape[0]
    knots = recipe.elastic * draws.normal((2, n, KNOTS * KNOTS))
    # One product for both, also where the elastic part is 0: otherwise XLA computes the sines of
    # an image's map once more for each of its pixels, which takes six times as long.
    maps = ops.concatenate([affine_maps(draws, n, recipe), knots], axis=2)
    fields = np.concatenate([affine_fields(), spline_fields()])
    return sample(images, ops.matmul(maps[0], fields), ops.matmul(maps[1], fields))


def affine_maps(draws: Draws, n: int, recipe: AugmentRecipe) -> Any:
    """Return random affine maps, float32 (2, n, 3): what rows and columns take of y, x and 1."""
    numbers = draws.uniform((6, n))
    angle = math.radians(recipe.rotation) * numbers[0]
    tall, wide = (ops.exp(math.log1p(recipe.scale) * numbers[i]) for i in (1, 2))
    slant = recipe.shear * numbers[3]
    cosine, sine = ops.cos(angle), ops.sin(angle)
    down, right = (MIDDLE + recipe.shift * numbers[i] for i in (4, 5))
    to_rows = [tall * cosine, -wide * sine, down]
    to_columns = [tall * (sine + slant * cosine), wide * (cosine - slant * sine), right]
    return ops.stack([ops.stack(to_rows, axis=-1), ops.stack(to_columns, axis=-1)])


@cache
def affine_fields() -> NDArray[np.float32]:
    """Return float32 (3, 784): each pixel's y and x from the middle of the image, and 1."""
    axis = np.arange(SIDE, dtype=np.float32) - MIDDLE
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return np.stack([y, x, np.ones_like(y)]).reshape(3, -1).astype(np.float32)


def sample(images: Any, rows: Any, columns: Any) -> Any:
    """Return `images` (N, 28, 28) sampled bilinearly at `rows` and `columns`, 0 outside.

    The four neighbours of a place travel packed in one 32-bit word, so that there is one gather
    instead of four: gathering is most of what a warp costs on a CPU.
    """
    side = SIDE + 1
    padded = ops.cast(ops.pad(images, ((0, 0), (1, 1), (1, 1))), "int32")
    packed = (
        padded[:, :-1, :-1]
        | ops.left_shift(padded[:, :-1, 1:], 8)
        | ops.left_shift(padded[:, 1:, :-1], 16)
        | ops.left_shift(padded[:, 1:, 1:], 24)
    )
    # Everything further out than one pixel is background, and so is the far edge of the padding.
    (y, down), (x, right) = (whole_and_part(place, side) for place in (rows, columns))
    words = gather(ops.reshape(packed, (-1, side * side)), y * side + x)
    corners = [
        ops.cast(ops.bitwise_and(ops.right_shift(words, shift), 255), "float32")
        for shift in (0, 8, 16, 24)
    ]
    upper = corners[0] + right * (corners[1] - corners[0])
    lower = corners[2] + right * (corners[3] - corners[2])
    return ops.reshape(upper + down * (lower - upper), (-1, SIDE, SIDE))


def gather(words: Any, index: Any) -> Any:
    """Return `words` (N, M) at `index` (N, K), which lies inside.

    Not `ops.take_along_axis`: guarding against an index outside costs it seven times as much.
    """
    if keras.backend.backend() == "jax":
        from jax.numpy import take_along_axis

        return take_along_axis(words, index, axis=1, mode="promise_in_bounds")
    return ops.take_along_axis(words, index, axis=1)


def whole_and_part(place: Any, side: int) -> tuple[Any, Any]:
    """Return the index of the pixel before `place`, int32 0 … side-1, and how far beyond it is."""
    place = ops.clip(place + 1.0, 0.0, side - 1e-5)
    whole = ops.floor(place)
    return ops.cast(whole, "int32"), place - whole


@cache
def spline_fields(knots: int = KNOTS) -> NDArray[np.float32]:
    """Return float32 (knots², 784) that turns knot values into a smooth field of unit variance.

    Cubic B-splines, their knots spread over the image and one step beyond it on either side.
    """
    step = SIDE / (knots - 3)
    distance = np.abs((np.arange(SIDE)[None] + 0.5) / step - (np.arange(knots)[:, None] - 1))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    line = np.where(distance < 1, near, far)
    line /= np.sqrt((line**2).sum(axis=0, keepdims=True))
    return np.kron(line, line).astype(np.float32)
