"""The convolutional network: made for two CPU cores, and the same on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

STEM = 5
# Batch statistics are remembered over some fifty steps: enough to be smooth, short enough to be
# those of the weights at the end of a schedule.
MOMENTUM = 0.98


def build_cnn(
    filters: Sequence[int] = (32, 64),
    depth: Sequence[int] = (3, 2),
    dropout: float = 0.0,
    seed: int = 0,
    classes: int = 10,
    precision: str = "float32",
    pooled: bool = True,
    normalized: bool = True,
) -> keras.Model:
    """Return the convolutional network, its weights fixed by `seed`.

    Input: images (N, 28, 28), 0–255, rescaled by its first layer. Output: probabilities
    (N, `classes`). One stage for each of `filters`, `depth` layers deep; the first layer of a stage
    halves the resolution (to 12, 6, 3), the others are 3×3 convolutions; each is followed by batch
    normalisation, unless it is not to be `normalized`, and ReLU. The last features are averaged
    over the image when `pooled`, else each counts at its own place; then `dropout` (0–1).
    With the `precision` bfloat16 all but the last layer compute in it; weights are always float32.
    """
    seeds = iter(np.random.SeedSequence(seed).generate_state(sum(depth) + 2).tolist())
    layers: list[Any] = [
        keras.Input(shape=(28, 28), name="images"),
        keras.layers.Rescaling(1 / 255, name="rescaling"),
        keras.layers.Reshape((28, 28, 1), name="channels"),
    ]
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    for stage, (width, count) in enumerate(zip(filters, depth, strict=True), start=1):
        # A 2×2 patch loses nothing where there are many channels; the first layer has only one.
        # It is not padded: framing leaves the border empty, and 12×12 is a quarter less than 14×14.
        patch, padding = (STEM, "valid") if stage == 1 else (2, "same")
        name = f"stage_{stage}_halving"
        made = [convolution(width, patch, 2, name, next(seeds), policy, padding)]
        for number in range(2, count + 1):
            made.append(convolution(width, 3, 1, f"stage_{stage}_{number}", next(seeds), policy))
        layers += [layer for block in made for layer in (block if normalized else bare(block))]
    layers.append(
        keras.layers.GlobalAveragePooling2D(name="pooling")
        if pooled
        else keras.layers.Flatten(name="places")
    )
    if dropout > 0:
        layers.append(keras.layers.Dropout(dropout, seed=next(seeds), name="dropout"))
    initializer = keras.initializers.GlorotUniform(seed=next(seeds))
    layers.append(
        keras.layers.Dense(classes, "softmax", kernel_initializer=initializer, name="probabilities")
    )
    return keras.Sequential(layers, name="cnn")


def convolution(
    width: int,
    side: int,
    stride: int,
    name: str,
    seed: int,
    policy: keras.DTypePolicy,
    padding: str = "same",
) -> list[Any]:
    """Return a convolution with batch normalisation and ReLU."""
    initializer = keras.initializers.HeNormal(seed=seed)
    return [
        keras.layers.Conv2D(
            width,
            side,
            strides=stride,
            padding=padding,
            use_bias=False,
            kernel_initializer=initializer,
            dtype=policy,
            name=name,
        ),
        keras.layers.BatchNormalization(momentum=MOMENTUM, dtype=policy, name=f"{name}_normalized"),
        keras.layers.ReLU(dtype=policy, name=f"{name}_relu"),
    ]


def bare(block: list[Any]) -> list[Any]:
    """Return a convolution's layers without normalisation: with a bias instead."""
    first, _, *others = block
    return [type(first).from_config(first.get_config() | {"use_bias": True}), *others]
