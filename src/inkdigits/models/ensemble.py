"""Several networks, or views of an image, as one: a plain Keras model that says their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from inkdigits.errors import UsageError

SKIPPED = ("InputLayer", "Dropout")
MEMBER = "member_"
"""So begin the names of a member's layers, its number behind."""
STEEP = 100.0
"""The slope from sureness to doubt, over a hundredth of probability.

At a step, two engines that differ in the seventh digit of a probability would say different things.
"""
MEAN_LAYER, FIRST_LAYER, LACKING_LAYER = "mean_logits", "first_logits", "lacking"
SHIFTS = ((0, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))
"""The views of an image in order, as rows down and columns to the right."""


def merge(
    members: Sequence[keras.Model],
    weights: Sequence[float],
    views: int = 1,
    sure: float = 1.0,
) -> keras.Model:
    """Return one model whose logits are the weighted mean of the logits of `members`.

    `members` take images (N, 28, 28), 0–255, are plain chains of layers and end in a softmax over
    the same classes, or some over one more, that of what is no digit, which is left out then;
    `weights` are positive and sum to 1. Each member sees the first `views` (1–5) of SHIFTS and says
    their mean: a network that halves the resolution answers a little differently when the image
    moves by one pixel. Where the first member is at least `sure` (0–1) of what it sees in the
    first view, that alone counts; an artefact saves itself the others then. The model consists of
    Keras's own layers, so that it can be saved, exported and read like any other; the views share a
    member's weights. Raises UsageError for several views of a member without convolutions.
    """
    images = keras.Input((28, 28), name="images")
    logits = [
        value
        for number, member in enumerate(members, 1)
        for value in view_logits(member, images, f"{MEMBER}{number}", views)
    ]
    classes = min(member.output_shape[-1] for member in members)
    together = logits[0] if len(logits) == 1 else keras.layers.Concatenate(name="logits")(logits)
    last = ("softmax", "probabilities") if sure == 1 else ("linear", MEAN_LAYER)
    mean = keras.layers.Dense(classes, last[0], use_bias=False, name=last[1])
    digits = keras.layers.Dense(classes, use_bias=False, name=FIRST_LAYER)
    said = mean(together)
    if sure < 1:
        said = doubting(digits(logits[0]), said, sure)
    model = keras.Model(images, said, name="ensemble")
    if sure < 1:
        digits.set_weights([np.eye(members[0].output_shape[-1], classes)])
    parts = [
        weight / views * np.eye(member.output_shape[-1], classes)
        for member, weight in zip(members, weights, strict=True)
        for _ in range(views)
    ]
    mean.set_weights([np.concatenate(parts)])
    for number, member in enumerate(members, 1):
        for layer in kept_layers(member):
            model.get_layer(member_name(number, layer)).set_weights(layer.get_weights())
    return model


def doubting(first: Any, mean: Any, sure: float) -> Any:
    """Return the probabilities of the logits `first` where they are `sure`, else of `mean`.

    What is hardly less sure mixes both.
    """
    shares = keras.layers.Softmax(name="first_shares")(first)
    row = keras.layers.Reshape((-1, 1), name="first_row")(shares)
    surest = keras.layers.GlobalMaxPooling1D(name="first_surest")(row)
    lacking = keras.layers.Rescaling(-STEEP, STEEP * sure, name=LACKING_LAYER)(surest)
    doubt = keras.layers.ReLU(1.0, name="doubt")(lacking)
    change = keras.layers.Subtract(name="change")([mean, first])
    applied = keras.layers.Multiply(name="change_in_doubt")([doubt, change])
    logits = keras.layers.Add(name="logits_after_doubt")([first, applied])
    return keras.layers.Softmax(name="probabilities")(logits)


def looks_of(model: keras.Model) -> tuple[Any, Any, float, float] | None:
    """Return the logits of a doubting model's first look and of all, how sure is enough, how steep.

    None for any other model.
    """
    layers = {layer.name: layer for layer in model.layers}
    if LACKING_LAYER not in layers:
        return None
    first, mean = layers[FIRST_LAYER].output, layers[MEAN_LAYER].output
    steep = -layers[LACKING_LAYER].scale
    return first, mean, layers[LACKING_LAYER].offset / steep, steep


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
    return f"{MEMBER}{number}_{layer.name}"


def kept_layers(member: keras.Model) -> list[Any]:
    """Return the layers of `member` that do something outside training."""
    return [layer for layer in member.layers if type(layer).__name__ not in SKIPPED]
