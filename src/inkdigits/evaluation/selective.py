"""Selective prediction: how often a model errs on the readings of which it is most confident."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.selective import wilson_interval

COVERAGES = (0.9, 0.95, 0.99, 0.995, 1.0)


class SelectivePoint(TypedDict):
    """What is left when a model answers only its `n` most confident of all images.

    `coverage`: the share of images that is answered at the least; `threshold`: the confidence of
    the least confident answer; `errors`: wrong answers, a mean where equal confidences leave open
    which images are answered; `error`: errors / n, with its 95 % Wilson interval.
    """

    coverage: float
    n: int
    threshold: float
    errors: float
    error: float
    error_interval: list[float]


class RiskCoverage(NamedTuple):
    """The whole curve, (N,) each: at the share `coverage` of images answered, `risk` are wrong."""

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]


def selective_points(
    confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> list[SelectivePoint]:
    """Return the SelectivePoint of each of COVERAGES.

    `confidence`: (N,), 0–1; `right`: (N,), whether the answer is; N ≥ 1. The order of the images
    does not matter: among equal confidences the errors are spread evenly.
    """
    errors = _errors(confidence, right)
    thresholds = np.sort(confidence)[::-1]
    return [_point(coverage, errors, thresholds) for coverage in COVERAGES]


def risk_curve(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> RiskCoverage:
    """Return the risk–coverage curve of the same arguments.

    Y. Geifman, R. El-Yaniv, "Selective classification for deep neural networks" (2017).
    """
    answered = np.arange(1, len(confidence) + 1)
    return RiskCoverage(answered / len(confidence), _errors(confidence, right) / answered)


def error_at(points: list[SelectivePoint], coverage: float) -> float:
    """Return the error, 0–1, of the point at `coverage`, one of COVERAGES."""
    return next(point["error"] for point in points if point["coverage"] == coverage)


def _point(
    coverage: float, errors: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> SelectivePoint:
    # Rounded first: 0.995 × 1,000 is a hair above 995 for a computer.
    n = ceil(round(coverage * len(errors), 6))
    wrong = float(errors[n - 1])
    low, high = wilson_interval(round(wrong), n)
    return SelectivePoint(
        coverage=coverage,
        n=n,
        threshold=float(thresholds[n - 1]),
        errors=wrong,
        error=wrong / n,
        error_interval=[low, high],
    )


def _errors(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how many of the k most confident answers are wrong, for k = 1 … N."""
    order = np.argsort(-confidence, kind="stable")
    wrong = np.concatenate([[0], np.cumsum(~right[order])])
    # The count is sure only where one confidence ends and a lower one begins.
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)) + 1
    sure = np.concatenate([[0], ends])
    return np.asarray(np.interp(np.arange(1, len(order) + 1), sure, wrong[sure]))
