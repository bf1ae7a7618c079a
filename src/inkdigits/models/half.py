"""Weights that fit into half the bytes: rounded before anything is saved, so that all files agree.

A float16 keeps eleven binary digits. What is rounded are the weights that an artefact holds, with
batch normalisation folded in; they stay float32 while anything is computed.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

HALF = ".half"
"""So ends the name of a weight that an artefact stores as float16."""
LARGEST = float(np.finfo(np.float16).max)


def halved(model: keras.Sequential) -> keras.Sequential:
    """Return `model` without batch normalisation, its weights such as a float16 holds exactly.

    `model` is a chain of layers; batch normalisation follows a convolution without bias, as
    `build_cnn` has it. What it says differs from `model` by the rounding of weights alone.
    """
    bare = folded(model)
    bare.set_weights([rounded(array) for array in bare.get_weights()])
    return bare


def rounded(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `array` as a float16 holds it; what is too large becomes the largest it has."""
    return np.clip(array, -LARGEST, LARGEST).astype(np.float16).astype(np.float32)


def is_half(array: NDArray[Any]) -> bool:
    """Return whether a float16 holds the float32 `array` exactly."""
    return array.dtype == np.float32 and bool(np.array_equal(rounded(array), array))


def folded(model: keras.Sequential) -> keras.Sequential:
    """Return `model` with each batch normalisation as part of the convolution before it.

    In use it is a scale and a shift of each channel (Ioffe and Szegedy, 2015). Says what `model`
    says, but for rounding.
    """
    layers: list[Any] = [keras.Input(shape=model.input_shape[1:], name="images")]
    weights: list[NDArray[np.float32]] = []
    for layer, after in pairwise([*model.layers, None]):
        if isinstance(layer, keras.layers.BatchNormalization):
            continue
        if not isinstance(after, keras.layers.BatchNormalization):
            layers.append(type(layer).from_config(layer.get_config()))
            weights += layer.get_weights()
            continue
        layers.append(type(layer).from_config(layer.get_config() | {"use_bias": True}))
        (kernel,) = layer.get_weights()
        weights += with_normalization(kernel, np.zeros(layer.filters, np.float32), after)
    bare = keras.Sequential(layers, name=model.name)
    bare.set_weights(weights)
    return bare


def with_normalization(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], normalization: Any
) -> list[NDArray[np.float32]]:
    """Return kernel and bias of a convolution that does what batch normalisation did after it.

    The last axis of `kernel` is that of the channels of its output.
    """
    gamma, beta, mean, variance = (
        np.asarray(value, np.float64)
        for value in (
            normalization.gamma,
            normalization.beta,
            normalization.moving_mean,
            normalization.moving_variance,
        )
    )
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    return [
        (kernel * scale).astype(np.float32),
        (beta + (bias - mean) * scale).astype(np.float32),
    ]
