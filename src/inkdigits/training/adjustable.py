"""Numbers that a compiled epoch takes as inputs, so that other values need no new compilation.

Keras keeps dropout's rate, the decay of weights and the shape of a schedule as Python numbers,
which a traced program has as constants: each new value would cost seconds of compiling. Here they
are exchanged, while the program is traced, for its inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

SCHEDULE = ("initial_learning_rate", "decay_steps", "warmup_target", "warmup_steps")
DECAYS = ("weight_decay", "adam_weight_decay")


class TracedRate:
    """A rate of dropout above 0 and below 1 that is known only when the program runs.

    Keras asks whether a rate is 0 or 1 before it draws anything; this one is neither.
    """

    def __init__(self, value: Any) -> None:
        self._value = value

    def __gt__(self, other: float) -> bool:
        return other == 0

    def __rsub__(self, other: float) -> Any:
        return other - self._value


def slots(model: keras.Model) -> list[tuple[Any, str]]:
    """Return what holds each such number of a compiled `model`, and by which attribute.

    Models that differ in nothing but these numbers have equal lists.
    """
    rates = [
        (layer, "rate")
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0
    ]
    optimizer = model.optimizer
    schedule = getattr(optimizer, "_learning_rate", None)
    decays = [(optimizer, name) for name in DECAYS]
    parts = [(schedule, name) for name in SCHEDULE]
    given = [
        (owner, name) for owner, name in decays + parts if getattr(owner, name, None) is not None
    ]
    return rates + given


def numbers_of(model: keras.Model) -> list[Any]:
    """Return the values of all `slots`, which are inputs of the compiled epoch.

    float32 beside weights in float64: what JAX draws by a rate has the rate's format, and a
    dropout of another format would be another dropout.
    """
    wide = model.trainable_variables[0].dtype == "float64"
    as_number = np.float32 if wide else float
    return [as_number(getattr(owner, name)) for owner, name in slots(model)]


@contextmanager
def exchanged(model: keras.Model, values: Sequence[Any]) -> Iterator[None]:
    """Let the `slots` of `model` hold the traced `values` inside the block."""
    places = slots(model)
    kept = [getattr(owner, name) for owner, name in places]
    try:
        for (owner, name), value in zip(places, values, strict=True):
            setattr(owner, name, TracedRate(value) if name == "rate" else value)
        yield
    finally:
        for (owner, name), value in zip(places, kept, strict=True):
            setattr(owner, name, value)
