"""The classic dense network: 784 pixels, ReLU layers with dropout, ten probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np


def build_ann(
    hidden: Sequence[int] = (128, 64), dropout: float = 0.3, seed: int = 0, classes: int = 10
) -> keras.Model:
    """Return the dense network, its weights fixed by `seed`.

    Input: images (N, 28, 28), 0–255; rescaling to 0–1 is its first layer, so that nobody can
    forget it. Output: probabilities (N, `classes`). Each hidden layer is followed by `dropout`
    (0–1).
    """
    seeds = iter(np.random.SeedSequence(seed).generate_state(2 * len(hidden) + 1).tolist())
    layers = [
        keras.Input(shape=(28, 28), name="images"),
        keras.layers.Rescaling(1 / 255, name="rescaling"),
        keras.layers.Flatten(name="flatten"),
    ]
    for number, units in enumerate(hidden, start=1):
        layers.append(dense(units, "relu", f"dense_{number}", next(seeds)))
        if dropout > 0:
            name = f"dropout_{number}"
            layers.append(keras.layers.Dropout(dropout, seed=next(seeds), name=name))
    layers.append(dense(classes, "softmax", "probabilities", next(seeds)))
    return keras.Sequential(layers, name="ann")


def dense(units: int, activation: str, name: str, seed: int) -> keras.layers.Dense:
    """Return a dense layer with Keras's default initializer, seeded."""
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, activation, kernel_initializer=initializer, name=name)
