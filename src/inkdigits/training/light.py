"""Random pens and light: stroke width, blur, contrast, grain."""

from __future__ import annotations

from typing import Any

from keras import ops

from inkdigits.training.augment_recipe import AugmentRecipe
from inkdigits.training.draws import Draws
from inkdigits.training.warp import SIDE

INK = 255.0


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
