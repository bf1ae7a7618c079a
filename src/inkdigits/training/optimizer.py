"""The optimizers of the recipes: Adam, AdamW and Muon, at a rate or along a schedule."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from inkdigits.training.recipe import TrainingRecipe


class ConvolutionMuon(keras.optimizers.Muon):  # type: ignore[misc]
    """Keras's Muon, which also takes the kernels of convolutions as matrices.

    Keras gives each kernel of four dimensions to AdamW. Here a kernel (rows, columns, in, out) is
    orthogonalised as a matrix (rows · columns · in, out), as Muon's authors do (Jordan et al.,
    2024); its steps are as large as AdamW's (Liu et al., 2025), so that one learning rate serves
    both. The first layer, the dense last one and all vectors stay with AdamW.
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        return len(variable.shape) != 4 or variable.shape[2] == 1

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        ahead = ops.add(gradient, self.momentum * m)
        rows = math.prod(variable.shape[:3])
        matrix = ops.reshape(ahead, (rows, variable.shape[3]))
        update = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        size = self.rms_rate * math.sqrt(max(rows, variable.shape[3]))
        self.assign_sub(variable, ops.reshape(lr * size * update, variable.shape))


def make_optimizer(recipe: TrainingRecipe, n: int) -> keras.optimizers.Optimizer:
    """Return the recipe's optimizer at its rate or schedule, for `n` training examples.

    Adam is AdamW where weights decay. The same for an equal recipe and `n`.
    """
    rate = learning_rate(recipe, n)
    if recipe.optimizer == "muon":
        decay = recipe.weight_decay
        return without_vectors(ConvolutionMuon(rate, weight_decay=decay, adam_weight_decay=decay))
    if recipe.weight_decay == 0:
        return keras.optimizers.Adam(rate)
    return without_vectors(keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay))


def without_vectors(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return `optimizer`, which then shrinks no bias and no scale: that regularises nothing."""
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def learning_rate(recipe: TrainingRecipe, n: int) -> Any:
    """Return the recipe's rate, or its schedule over all steps on `n` examples."""
    rate = recipe.learning_rate
    if recipe.schedule == "constant":
        return rate
    steps = recipe.epochs * math.ceil(n / recipe.batch_size)
    # At least one step is left to fall in, also where there are hardly any.
    warmup = min(round(recipe.warmup * steps), steps - 1)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else rate,
        decay_steps=steps - warmup,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
    )
