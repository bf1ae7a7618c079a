"""Calibration: one temperature that makes confidence the probability of being right.

C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks" (2017). The
temperature divides the logits, so that a prediction never changes, only its confidence.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import InvalidData, UsageError
from inkdigits.evaluation.measure import SUM_TOLERANCE

LOWEST, HIGHEST = 0.05, 20.0
STEPS = 60  # of the golden section; each leaves 0.618 of the range of log T
GOLDEN = (sqrt(5) - 1) / 2
TINY = 1e-38  # probabilities that float32 rounds to 0 keep a finite logarithm

Floats = NDArray[np.float64]


def fit_temperature(logits_or_probabilities: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the temperature, 0.05–20, of the least mean cross-entropy on a split, best val.

    `logits_or_probabilities`: float (N, K), finite; rows that are 0 or more and sum to 1 are taken
    as probabilities p, with the logits log p. `labels`: integer (N,), 0 … K − 1; N ≥ 1. A split
    with every prediction right has no finite best and gets the lowest temperature. Raises
    InvalidData for other shapes or values.
    """
    logits = as_logits(logits_or_probabilities)
    truth = _labels(labels, logits)
    # Cross-entropy is convex in 1 / T, so it has one valley over log T: golden sections find it.
    low, high = log(LOWEST), log(HIGHEST)
    inner, outer = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_inner = cross_entropy(logits / exp(inner), truth)
    at_outer = cross_entropy(logits / exp(outer), truth)
    for _ in range(STEPS):
        if at_inner <= at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - GOLDEN * (high - low)
            at_inner = cross_entropy(logits / exp(inner), truth)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + GOLDEN * (high - low)
            at_outer = cross_entropy(logits / exp(outer), truth)
    return exp((low + high) / 2)


def with_temperature(logits_or_probabilities: NDArray[Any], temperature: float) -> Floats:
    """Return the probabilities (N, K), softmax(logits / `temperature`), rows summing to 1.

    The first argument is that of `fit_temperature`; `temperature` > 0 and finite, 1 changes
    nothing. Raises UsageError for another temperature, InvalidData for other rows.
    """
    if not 0 < temperature < np.inf:
        raise UsageError(f"a temperature must be above 0 and finite, got {temperature}.")
    return np.asarray(np.exp(_log_softmax(as_logits(logits_or_probabilities) / temperature)))


def as_logits(rows: NDArray[Any]) -> Floats:
    """Return float64 logits (N, K) of logits or of probabilities; raises InvalidData."""
    if rows.ndim != 2 or rows.dtype.kind != "f" or rows.shape[1] < 2 or not len(rows):
        raise InvalidData(f"logits must be float (N, K), N ≥ 1, got {rows.dtype} {rows.shape}.")
    if not np.isfinite(rows).all():
        raise InvalidData("logits must be finite, got NaN or infinity.")
    exact = rows.astype(np.float64)
    if exact.min() >= 0 and np.abs(exact.sum(axis=1) - 1).max() <= SUM_TOLERANCE:
        return np.log(np.maximum(exact, TINY))
    return exact


def _labels(labels: NDArray[Any], logits: Floats) -> NDArray[np.int64]:
    n, classes = logits.shape
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise InvalidData(
            f"labels must be integer ({n},), one for each row, got {labels.dtype} {labels.shape}."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise InvalidData(f"labels must be 0–{classes - 1}, got {labels.min()} to {labels.max()}.")
    return labels.astype(np.int64)


def cross_entropy(logits: Floats, labels: NDArray[np.integer]) -> float:
    """Return the mean cross-entropy of `logits` (N, K) against `labels` (N,), 0 … K − 1."""
    return float(cross_entropies(logits, labels).mean())


def cross_entropies(logits: Floats, labels: NDArray[np.integer]) -> Floats:
    """Return the cross-entropy (N,) of each of `logits` (N, K) against `labels` (N,)."""
    return np.asarray(-_log_softmax(logits)[np.arange(len(labels)), labels])


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
