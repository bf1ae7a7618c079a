"""Connectionist temporal classification on the network's own outputs, on every engine."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.models import ctc_scan
from inkdigits.models.line import BLANK

Floats = NDArray[np.float64]

TINY = 1e-7
LEAST = 1e-300


def ctc_loss(labels: Any, probabilities: Any) -> Any:
    """Return the negative log-likelihood (N,) of labels under the steps (Graves et al., 2006).

    `labels` int (N, L), classes filled up with the blank; `probabilities` (N, T, 13).
    """
    labels = keras.ops.cast(labels, "int32")
    logits = keras.ops.log(keras.ops.cast(probabilities, "float32") + TINY)
    count, steps = keras.ops.shape(logits)[0], keras.ops.shape(logits)[1]
    lengths = keras.ops.sum(keras.ops.cast(labels != BLANK, "int32"), axis=-1)
    return keras.ops.ctc_loss(
        labels,
        logits,
        lengths,
        steps * keras.ops.ones((count,), dtype="int32"),
        mask_index=BLANK,
    )


def strip_loss(parts: Any, probabilities: Any) -> Any:
    """Return the loss (B,) of strips that hold several numbers: the sum over its numbers.

    `parts` int (B, K, 2 + L): for each number the first step and the one after the last that are
    its own, both 0 where there is none, and its classes, filled up with the blank. `probabilities`
    (B, T, 13). On TensorFlow forwards and backwards in NumPy: a loop over the steps in its graph
    takes twice the time of the network's convolutions (`docs/design-notes.md`).
    """
    steps = keras.ops.cast(probabilities, "float32") + TINY
    parts = keras.ops.cast(parts, "int32")
    if keras.backend.backend() == "tensorflow":
        return tensorflow_loss(parts, steps)
    return ctc_scan.strip_loss(parts, steps)


def tensorflow_loss(parts: Any, steps: Any) -> Any:
    """Return `strip_loss` within a graph of TensorFlow."""
    import tensorflow as tf

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def loss_of(steps: Any) -> tuple[Any, Any]:
        kinds = (tf.float32, tf.float32)
        losses, shares = tf.numpy_function(strip_shares, (steps, parts), kinds)
        losses.set_shape(steps.shape[:1])
        shares.set_shape(steps.shape)
        return losses, lambda upstream: -upstream[:, None, None] * shares / steps

    return loss_of(steps)


def strip_shares(steps: Any, parts: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the losses (B,) of strips, and each class's share of each step, (B, T, 13).

    Steps of no number have no share and no loss. The numbers are looked at side by side, their
    steps filled up with sure blanks, which change no likelihood.
    """
    steps, parts = np.asarray(steps), np.asarray(parts)
    losses, shares = np.zeros(len(steps), np.float32), np.zeros_like(steps)
    rows, places = np.nonzero(parts[..., 1])
    if not rows.size:
        return losses, shares
    starts, ends = parts[rows, places, 0], parts[rows, places, 1]
    single = np.zeros((len(rows), int((ends - starts).max()), steps.shape[2]), np.float32)
    single[..., BLANK] = 1
    windows = list(zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True))
    for number, (row, start, end) in zip(single, windows, strict=True):
        number[: end - start] = steps[row, start:end]
    found, told = forward_backward(single, parts[rows, places, 2:])
    np.add.at(losses, rows, found)
    for number, (row, start, end) in zip(told, windows, strict=True):
        shares[row, start:end] = number[: end - start]
    return losses, shares


def forward_backward(
    steps: NDArray[np.float32], labels: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the losses (N,) of labels and each class's share of each step, float32 (N, T, 13).

    `steps` float (N, T, 13), `labels` int (N, L), classes filled up with the blank. The shares are
    the probabilities, given the label, that a step is a class; the derivative of the loss by a
    step's probability is minus its share over it (Graves et al., 2006, section 4.1).
    Scaled to a sum of 1 at every step, so that nothing underflows.
    """
    count, length = labels.shape
    states = np.full((count, 2 * length + 1), BLANK, np.int32)
    states[:, 1::2] = labels
    ends = 2 * (labels != BLANK).sum(axis=1)
    valid = np.arange(states.shape[1]) <= ends[:, None]
    leaps = np.zeros(states.shape)
    leaps[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    emitted = np.take_along_axis(steps.astype(np.float64), states[:, None], axis=2) * valid[:, None]
    emitted = np.ascontiguousarray(emitted.transpose(1, 0, 2))
    forward, scales = forward_pass(emitted, leaps)
    final = np.zeros(states.shape)
    rows = np.arange(count)
    final[rows, ends] = 1
    final[rows, np.maximum(ends - 1, 0)] = 1
    likelihood = np.maximum((forward[-1] * final).sum(axis=1), LEAST)
    losses = -(np.log(scales).sum(axis=0) + np.log(likelihood))
    posterior = forward * backward_pass(emitted, leaps, scales, final)
    posterior /= np.maximum(posterior.sum(axis=2, keepdims=True), LEAST)
    classes = np.eye(steps.shape[2])[states]
    shares = np.matmul(posterior.transpose(1, 0, 2), classes)
    return losses.astype(np.float32), shares.astype(np.float32)


def forward_pass(emitted: Floats, leaps: Floats) -> tuple[Floats, Floats]:
    """Return the forward variables (T, N, S), scaled, and their scales (T, N)."""
    forward, scales = np.empty_like(emitted), np.empty(emitted.shape[:2])
    state = np.zeros(emitted.shape[1:])
    state[:, 0] = 1
    for step, emission in enumerate(emitted):
        arrived = state.copy()
        arrived[:, 1:] += state[:, :-1]
        arrived[:, 2:] += leaps[:, 2:] * state[:, :-2]
        arrived *= emission
        scales[step] = np.maximum(arrived.sum(axis=1), LEAST)
        state = forward[step]
        np.divide(arrived, scales[step][:, None], out=state)
    return forward, scales


def backward_pass(emitted: Floats, leaps: Floats, scales: Floats, final: Floats) -> Floats:
    """Return the backward variables (T, N, S) by the same scales; `final` (N, S) is the last."""
    backward = np.empty_like(emitted)
    backward[-1] = final
    for step in range(len(emitted) - 1, 0, -1):
        left = backward[step] * emitted[step]
        left /= scales[step][:, None]
        state = backward[step - 1]
        state[:] = left
        state[:, :-1] += left[:, 1:]
        state[:, :-2] += leaps[:, 2:] * left[:, 2:]
    return backward


def greedy_texts(probabilities: NDArray[np.float32]) -> list[str]:
    """Return the best class of each step as text, repeats and blanks left out; (N, T, 13)."""
    best = np.asarray(probabilities).argmax(-1)
    changes = np.ones(best.shape, bool)
    changes[:, 1:] = best[:, 1:] != best[:, :-1]
    kept = changes & (best != BLANK)
    return [
        "".join(LINE_LABELS[n] for n in row[chosen]) for row, chosen in zip(best, kept, strict=True)
    ]
