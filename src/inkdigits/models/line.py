"""The whole-number network: a crop of one number in, which digits stand where out, by CTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from inkdigits.artefact.metadata import LINE_BLANK, LINE_LABELS
from inkdigits.imaging.line import HEIGHT
from inkdigits.models.cnn import bare

CLASSES = len(LINE_LABELS)
BLANK = LINE_BLANK
MOMENTUM = 0.98
DILATIONS = (1, 2)


def build_line(
    filters: Sequence[int] = (16, 32, 64, 96, 128),
    dropout: float = 0.0,
    seed: int = 0,
    precision: str = "float32",
    normalized: bool = True,
) -> keras.Model:
    """Return the whole-number network, its weights fixed by `seed`.

    Input: crops (N, 32, W), 0–255, ink bright, W a multiple of 4; rescaled by its first layer.
    Output: probabilities (N, W / 2, 13) of the digits 0–9, of any other sign that makes the whole
    no number, of a point or comma, and of the blank between them, for connectionist temporal
    classification.
    Convolutions, `filters` wide, bring the 32 rows down to one; then each step looks around itself:
    no recurrence. `dropout` 0–1 stands before the last layer. With the `precision` bfloat16 all but
    the last layer compute in it; weights are float32. Without batch normalisation unless
    `normalized`.
    """
    stem, early, middle, late, wide = filters
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    seeds = iter(np.random.SeedSequence(seed).generate_state(16).tolist())

    def block(value: Any, width: int, side: Any, strides: Any, name: str, dilation: int = 1) -> Any:
        layers = convolution(width, side, strides, name, next(seeds), policy, dilation)
        for layer in layers if normalized else bare(layers):
            value = layer(value)
        return value

    images = keras.Input(shape=(HEIGHT, None), name="images")
    value = keras.layers.Rescaling(1 / 255, name="rescaling")(images)
    value = keras.layers.Reshape((HEIGHT, -1, 1), name="channels")(value)
    value = block(value, stem, (5, 5), (2, 2), "rows_16")
    value = block(value, early, (3, 3), (1, 1), "rows_16_2")
    value = block(value, early, (3, 3), (1, 1), "rows_16_3")
    value = block(value, middle, (3, 3), (2, 1), "rows_8")
    value = block(value, middle, (3, 3), (1, 1), "rows_8_2")
    value = block(value, late, (3, 3), (2, 1), "rows_4")
    value = block(value, wide, (4, 3), (4, 1), "steps")
    for number, dilation in enumerate(DILATIONS, start=1):
        around = block(value, wide, (1, 3), (1, 1), f"around_{number}", dilation)
        value = keras.layers.Add(dtype=policy, name=f"around_{number}_added")([value, around])
    if dropout > 0:
        value = keras.layers.Dropout(dropout, seed=next(seeds), name="dropout")(value)
    value = keras.layers.Conv2D(
        CLASSES,
        1,
        padding="same",
        activation="softmax",
        kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        dtype="float32",
        name="classes",
    )(value)
    value = keras.layers.Reshape((-1, CLASSES), dtype="float32", name="probabilities")(value)
    return keras.Model(images, value, name="line")


def convolution(
    width: int,
    side: tuple[int, int],
    strides: tuple[int, int],
    name: str,
    seed: int,
    policy: keras.DTypePolicy,
    dilation: int,
) -> list[Any]:
    """Return a convolution with batch normalisation and ReLU."""
    return [
        keras.layers.Conv2D(
            width,
            side,
            strides=strides,
            dilation_rate=(1, dilation),
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(seed=seed),
            dtype=policy,
            name=name,
        ),
        keras.layers.BatchNormalization(momentum=MOMENTUM, dtype=policy, name=f"{name}_normalized"),
        keras.layers.ReLU(dtype=policy, name=f"{name}_relu"),
    ]
