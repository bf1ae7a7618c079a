"""Several networks as one: a plain Keras model that says their weighted mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

SKIPPED = ("InputLayer", "Dropout")


def merge(members: Sequence[keras.Model], weights: Sequence[float]) -> keras.Model:
    """Return one model whose logits are the weighted mean of the logits of `members`.

    `members` take images (N, 28, 28), 0–255, are plain chains of layers and end in a softmax over
    the same classes; `weights` are positive and sum to 1. The mean is itself a dense layer, so that
    the model can be saved, exported and read like any other.
    """
    images = keras.Input((28, 28), name="images")
    logits = [
        copy_chain(member, images, f"member_{number}") for number, member in enumerate(members, 1)
    ]
    classes = members[0].output_shape[-1]
    together = logits[0] if len(logits) == 1 else keras.layers.Concatenate(name="logits")(logits)
    mean = keras.layers.Dense(classes, "softmax", use_bias=False, name="probabilities")
    model = keras.Model(images, mean(together), name="ensemble")
    mean.set_weights([np.concatenate([weight * np.eye(classes) for weight in weights])])
    for number, member in enumerate(members, 1):
        for layer in kept_layers(member):
            model.get_layer(f"member_{number}_{layer.name}").set_weights(layer.get_weights())
    return model


def copy_chain(member: keras.Model, value: Any, prefix: str) -> Any:
    """Apply copies of the layers of `member` to `value` and return its logits."""
    for layer in kept_layers(member):
        config = layer.get_config() | {"name": f"{prefix}_{layer.name}"}
        if layer is member.layers[-1]:
            config["activation"] = "linear"
        value = type(layer).from_config(config)(value)
    return value


def kept_layers(member: keras.Model) -> list[Any]:
    """Return the layers of `member` that do something outside training."""
    return [layer for layer in member.layers if type(layer).__name__ not in SKIPPED]
