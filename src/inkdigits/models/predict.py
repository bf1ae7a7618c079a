"""Probabilities from a Keras model, the same on every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import CLASSES

# One compiled shape serves every split: 54,000, 6,000 and 10,000 are all multiples of it.
CHUNK = 2000
TINY = np.float32(1e-30)

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
# (trainable values, other values, images) → outputs, compiled by JAX
Forward = Callable[..., Any]


def make_predictor(model: keras.Model, forward: Forward | None = None) -> Predict:
    """Return a function from uint8 images (N, 28, 28) to float32 probabilities (N, 10).

    A model with an eleventh class is asked which digit it is, if it is one. It always uses the
    model's current weights. On JAX it is compiled once, for CHUNK images; `forward`, if given, is
    what `compile_forward` made for a model of the same layers.
    """
    predict_classes = make_class_predictor(model, forward)
    if model.output_shape[-1] == CLASSES:
        return predict_classes

    return lambda images: among_digits(predict_classes(images))


def among_digits(classes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return which digit each row of probabilities (N, 10 or 11) means if it is one, (N, 10)."""
    # An image that is surely no digit leaves them nothing to share.
    digits = classes[:, :CLASSES] + TINY
    return np.asarray(digits / digits.sum(axis=1, keepdims=True), np.float32)


def make_class_predictor(model: keras.Model, forward: Forward | None = None) -> Predict:
    """Return a function from uint8 images (N, 28, 28) to all of the outputs, float32 (N, C)."""
    ask = model.predict_on_batch
    if keras.backend.backend() == "jax":
        ask = with_weights(model, forward or compile_forward(model))

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [
            np.asarray(ask(pad(images[start : start + CHUNK])), np.float32)
            for start in range(0, len(images), CHUNK)
        ]
        nothing = np.zeros((0, model.output_shape[-1]), np.float32)
        return np.concatenate([nothing, *parts])[: len(images)]

    return predict


def compile_forward(model: keras.Model) -> Forward:
    """Return the model's forward pass as one compiled JAX program, its weights among the inputs."""
    import jax

    def forward_pass(trainable: Any, non_trainable: Any, images: Any) -> Any:
        # float32 here, not in the model's input, so that a quarter of the bytes are moved.
        pixels = images.astype("float32")
        return model.stateless_call(trainable, non_trainable, pixels, training=False)[0]

    forward: Forward = jax.jit(forward_pass)
    return forward


def with_weights(model: keras.Model, forward: Forward) -> Callable[[NDArray[np.uint8]], Any]:
    """Return `forward` with the weights that `model` has when it is called."""

    def call(images: NDArray[np.uint8]) -> Any:
        trainable = [v.value for v in model.trainable_variables]
        return forward(trainable, [v.value for v in model.non_trainable_variables], images)

    return call


def pad(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `images` filled up with zeros to CHUNK, so that the last part fits the program."""
    missing = CHUNK - len(images)
    return images if not missing else np.pad(images, ((0, missing), (0, 0), (0, 0)))
