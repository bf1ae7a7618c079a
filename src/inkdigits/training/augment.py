"""Augmentation inside the compiled epoch: every image is distorted anew each time it is seen.

An affine map and an elastic field (Simard et al., 2003) are combined into one warp, so that each
image is sampled once. All of it is a handful of array operations on a whole batch, which XLA fuses
into the training step: no generator process, no second copy of the data. Written with `keras.ops`,
it is the same on JAX and on TensorFlow; only the random numbers come from the engine's own source.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from inkdigits.training.recipe import AugmentRecipe

SIDE = 28
MIDDLE = (SIDE - 1) / 2
# The elastic field is drawn on a coarse grid and made smooth by cubic B-splines between its knots.
KNOTS = 6
INK = 255.0


class Draws(Protocol):
    """A source of random arrays, each call a fresh one."""

    def uniform(self, shape: tuple[int, ...]) -> Any:
        """Return float32 numbers between -1 and 1."""

    def normal(self, shape: tuple[int, ...]) -> Any:
        """Return float32 standard normal numbers."""


class JaxDraws:
    """Random arrays from a JAX key, inside or outside a compiled program."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def _next(self) -> Any:
        import jax

        self._key, key = jax.random.split(self._key)
        return key

    def uniform(self, shape: tuple[int, ...]) -> Any:
        """Return float32 numbers between -1 and 1."""
        import jax

        return jax.random.uniform(self._next(), shape, minval=-1.0, maxval=1.0)

    def normal(self, shape: tuple[int, ...]) -> Any:
        """Return float32 standard normal numbers."""
        import jax

        return jax.random.normal(self._next(), shape)


def augment(draws: Draws, images: Any, recipe: AugmentRecipe) -> Any:
    """Return float32 (N, 28, 28), 0–255: `images`, uint8 of that shape, distorted by `recipe`.

    Each image gets its own numbers from `draws`. Without any augmentation in the recipe the images
    come back as they are.
    """
    pixels = warp(draws, images, recipe) if recipe.moves else ops.cast(images, "float32")
    if recipe.pen > 0:
        pixels = redraw_pen(draws, pixels, recipe.pen)
    if recipe.changes_light:
        pixels = relight(draws, pixels, recipe)
    return pixels


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
def spline_fields() -> NDArray[np.float32]:
    """Return float32 (KNOTS², 784) that turns knot values into a smooth field of unit variance.

    Cubic B-splines, their knots spread over the image and one step beyond it on either side.
    """
    step = SIDE / (KNOTS - 3)
    distance = np.abs((np.arange(SIDE)[None] + 0.5) / step - (np.arange(KNOTS)[:, None] - 1))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    line = np.where(distance < 1, near, far)
    line /= np.sqrt((line**2).sum(axis=0, keepdims=True))
    return np.kron(line, line).astype(np.float32)


def redraw_pen(draws: Draws, pixels: Any, strength: float) -> Any:
    """Return `pixels` with strokes thinner or thicker, by up to `strength` (0–1) of a pixel a side.

    Grey erosion and dilation by a 3×3 cross, blended with the image by a random share.
    """
    share = strength * draws.uniform((pixels.shape[0], 1, 1))
    around = ops.pad(pixels, ((0, 0), (1, 1), (1, 1)))
    upright, level = around[:, :, 1:-1], around[:, 1:-1]
    thick, thin = pixels, pixels
    for neighbour in (upright[:, :-2], upright[:, 2:], level[:, :, :-2], level[:, :, 2:]):
        thick, thin = ops.maximum(thick, neighbour), ops.minimum(thin, neighbour)
    other = ops.where(share > 0, thick, thin)
    return pixels + ops.abs(share) * (other - pixels)


def relight(draws: Draws, pixels: Any, recipe: AugmentRecipe) -> Any:
    """Return `pixels` blurred, with other contrast and grain, each by a random amount."""
    one_each = (pixels.shape[0], 1, 1)
    if recipe.blur > 0:
        share = recipe.blur * ops.abs(draws.uniform(one_each))
        pixels = pixels + share * (smooth(pixels) - pixels)
    if recipe.contrast > 0:
        gamma = ops.exp(recipe.contrast * draws.normal(one_each))
        pixels = INK * (ops.clip(pixels, 0.0, INK) / INK) ** gamma
    if recipe.noise > 0:
        level = recipe.noise * INK * ops.abs(draws.uniform(one_each))
        pixels = pixels + level * draws.normal((pixels.shape[0], SIDE, SIDE))
    return ops.clip(pixels, 0.0, INK)


def smooth(pixels: Any) -> Any:
    """Return `pixels` under a 3×3 binomial filter."""
    around = ops.pad(pixels, ((0, 0), (1, 1), (1, 1)))
    rows = (around[:, :-2] + 2 * around[:, 1:-1] + around[:, 2:]) / 4
    return (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4
