"""Augmentation inside the compiled epoch: every image is distorted anew each time it is seen.

All of it is a handful of array operations on a whole batch, which XLA fuses into the training
step: no generator process, no second copy of the data. Written with `keras.ops`, it is the same on
JAX and on TensorFlow; only the random numbers come from the engine's own source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from inkdigits.training.augment_recipe import AugmentRecipe
from inkdigits.training.clutter import clutter
from inkdigits.training.draws import Draws, JaxDraws, TensorFlowDraws
from inkdigits.training.light import redraw_pen, relight
from inkdigits.training.warp import warp


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
    if recipe.clutter > 0:
        pixels = clutter(draws, pixels, recipe.clutter)
    return pixels


def compile_augmentation(recipe: AugmentRecipe) -> Callable[[Any, int, int], Any]:
    """Return `distort(images, seed, number)`: `augment`, compiled, with draws by both integers."""
    if keras.backend.backend() == "jax":
        import jax

        def by_key(key: Any, images: Any) -> Any:
            return augment(JaxDraws(key), images, recipe)

        compiled = jax.jit(by_key)
        return lambda images, seed, number: compiled(
            jax.random.fold_in(jax.random.key(seed), number), images
        )
    import tensorflow as tf

    def by_seed(seed: Any, images: Any) -> Any:
        return augment(TensorFlowDraws(seed), images, recipe)

    traced = tf.function(by_seed)
    return lambda images, seed, number: traced(tf.constant([seed, number], tf.int32), images)
