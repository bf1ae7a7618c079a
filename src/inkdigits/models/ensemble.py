"""Several networks, or views of an image, as one: a plain Keras model that says their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from inkdigits.errors import UsageError

SKIPPED = ("InputLayer", "Dropout")
SHIFTS = ((0, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))
"""The views of an image in order, as rows down and columns to the right."""


def merge(members: Sequence[keras.Model], weights: Sequence[float], views: int = 1) -> keras.Model:
    """Return one model whose logits are the weighted mean of the logits of `members`.

    `members` take images (N, 28, 28), 0–255, are plain chains of layers and end in a softmax over
    the same classes; `weights` are positive and sum to 1. Each member sees the first `views` (1–5)
    of SHIFTS and says their mean: a network that halves the resolution answers a little differently
    when the image moves by one pixel. The mean is itself a dense layer, so that the model can be
    saved, exported and read like any other; the views share a member's weights. Raises UsageError
    for several views of a member without convolutions.
    """
    images = keras.Input((28, 28), name="images")
    logits = [
        value
        for number, member in enumerate(members, 1)
        for value in view_logits(member, images, f"member_{number}", views)
    ]
    classes = members[0].output_shape[-1]
    together = logits[0] if len(logits) == 1 else keras.layers.Concatenate(name="logits")(logits)
    mean = keras.layers.Dense(classes, "softmax", use_bias=False, name="probabilities")
    model = keras.Model(images, mean(together), name="ensemble")
    shares = [weight / views for weight in weights for _ in range(views)]
    mean.set_weights([np.concatenate([share * np.eye(classes) for share in shares])])
    for number, member in enumerate(members, 1):
        for layer in kept_layers(member):
            model.get_layer(member_name(number, layer)).set_weights(layer.get_weights())
    return model


def view_logits(member: keras.Model, images: Any, prefix: str, views: int) -> list[Any]:
    """Apply copies of the layers of `member` to views of `images` and return the logits of each."""
    copies = [copied(layer, prefix, layer is member.layers[-1]) for layer in kept_layers(member)]
    if views == 1:
        return [chained(copies, images)]
    kinds = [type(layer).__name__ for layer in copies]
    if "Reshape" not in kinds:
        raise UsageError("several views of an image need convolutions.", "Set model.views = 1.")
    start = kinds.index("Reshape") + 1
    value = chained(copies[:start], images)
    padded = keras.layers.ZeroPadding2D(1, name=f"{prefix}_padded")(value)
    return [
        chained([crop(down, right, f"{prefix}_view_{number}"), *copies[start:]], padded)
        for number, (down, right) in enumerate(SHIFTS[:views], 1)
    ]


def crop(down: int, right: int, name: str) -> Any:
    """Return the layer that takes a view out of images with one pixel of padding around."""
    return keras.layers.Cropping2D(((1 - down, 1 + down), (1 - right, 1 + right)), name=name)


def chained(layers: Sequence[Any], value: Any) -> Any:
    """Return what `layers`, one after the other, make of `value`."""
    for layer in layers:
        value = layer(value)
    return value


def copied(layer: Any, prefix: str, is_last: bool) -> Any:
    """Return a copy of `layer` by another name; the last one then says logits."""
    config = layer.get_config() | {"name": f"{prefix}_{layer.name}"}
    if is_last:
        config["activation"] = "linear"
    return type(layer).from_config(config)


def member_name(number: int, layer: Any) -> str:
    """Return by what name a merged model has `layer` of its member `number`, 1 for the first."""
    return f"member_{number}_{layer.name}"


def kept_layers(member: keras.Model) -> list[Any]:
    """Return the layers of `member` that do something outside training."""
    return [layer for layer in member.layers if type(layer).__name__ not in SKIPPED]
