"""Measures of a classifier of digits, from its probabilities and the true labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.selective import wilson_interval
from inkdigits.data.dataset import CLASSES
from inkdigits.errors import InvalidData, UsageError
from inkdigits.evaluation.label_errors import LabelErrors, score_label_errors
from inkdigits.evaluation.selective import SelectivePoint, error_at, selective_points

BINS = 15
CLIP = 1e-7  # keras.backend.epsilon(): our losses agree with those that `fit` prints
SUM_TOLERANCE = 1e-3  # softmax in half precision is off by up to about 5e-4
PAIRS = 10
SUSPICIOUS_FROM = 1_000

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Bin(TypedDict):
    """One bin of confidence, (low, high]; the two means are None where the bin is empty."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


class Scores(TypedDict):
    """Precision, recall and F1 (0–1), with the number of examples they rest on."""

    precision: float
    recall: float
    f1: float
    support: int


class DigitScores(Scores):
    """The scores of one digit; its accuracy is its recall, or None where it has no example."""

    accuracy: float | None


class Pair(TypedDict):
    """How many images of the digit `true` were read as the digit `predicted`."""

    true: int
    predicted: int
    count: int


@dataclass(frozen=True)
class Measurement:
    """What one model did on one split; every share is in 0–1.

    `accuracy_interval` is the 95 % Wilson interval; `loss` the mean cross-entropy in nats;
    `confusion_matrix` is 10×10, rows = true, columns = predicted; `per_digit` has the keys "0"–"9";
    `selective` has the error at each of five coverages; `label_errors` is None but on MNIST's test.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    loss: float
    ece: float
    reliability: list[Bin]
    confusion_matrix: list[list[int]]
    per_digit: dict[str, DigitScores]
    macro: Scores
    weighted: Scores
    confused_pairs: list[Pair]
    selective: list[SelectivePoint]
    label_errors: LabelErrors | None

    @property
    def wrong(self) -> int:
        """The number of examples that were misread."""
        return self.n - sum(self.confusion_matrix[digit][digit] for digit in range(CLASSES))

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain numbers, lists and dicts, ready for JSON."""
        return {**asdict(self), "accuracy_interval": list(self.accuracy_interval)}


def measure(probabilities: NDArray[Any], labels: NDArray[Any]) -> Measurement:
    """Measure a model on a split, every example included.

    `probabilities`: float (N, 10), each row a distribution over the digits; `labels`: integer (N,),
    0–9; N ≥ 1. A digit without examples keeps its place, with support 0 and accuracy None; the
    macro average is scikit-learn's, over the digits that occur as a label or as a prediction.
    Raises InvalidData for other shapes, dtypes or values, logits and NaN among them.
    """
    checked = _probabilities(probabilities)
    truth = _labels(labels, len(checked))
    predictions = checked.argmax(axis=1)
    right, confidence = predictions == truth, checked.max(axis=1)
    reliability = _reliability(confidence, right)
    matrix = confusion_matrix(truth, predictions)
    per_digit, macro, weighted = _scores(matrix)
    return Measurement(
        n=len(truth),
        accuracy=float(right.mean()),
        accuracy_interval=wilson_interval(int(right.sum()), len(truth)),
        loss=cross_entropy(checked, truth),
        ece=_ece(reliability),
        reliability=reliability,
        confusion_matrix=matrix.tolist(),
        per_digit=per_digit,
        macro=macro,
        weighted=weighted,
        confused_pairs=_confused_pairs(matrix),
        selective=selective_points(confidence, right),
        label_errors=score_label_errors(predictions, truth),
    )


def cross_entropy(probabilities: Floats, labels: Integers) -> float:
    """Return the mean cross-entropy in nats, rescaled and clipped to 1e-7 as Keras does.

    `probabilities`: (N, 10), rows sum to 1 within rounding; `labels`: (N,), 0–9.
    """
    chosen = probabilities[np.arange(len(labels)), labels] / probabilities.sum(axis=1)
    return float(-np.log(chosen.clip(CLIP, 1 - CLIP)).mean())


def confusion_matrix(labels: Integers, predictions: Integers) -> Integers:
    """Count the examples, (10, 10): rows = true, columns = predicted; both arguments (N,), 0–9."""
    cells = np.bincount(labels * CLASSES + predictions, minlength=CLASSES**2)
    return cells.reshape(CLASSES, CLASSES)


def refuse_perfect(measurement: Measurement) -> None:
    """Raise InvalidData for 100 % on 1,000 or more examples: no honest model of digits gets there.

    For val and test only; a network may well know all of its train split.
    """
    if measurement.n < SUSPICIOUS_FROM or measurement.wrong:
        return
    raise InvalidData(
        f"suspicious: 100.00 % of {measurement.n:,} examples right;"
        " did the test split leak into train?",
        "Check that no image is in both splits, then evaluate again.",
    )


def evaluation_dict(splits: Mapping[str, Measurement]) -> dict[str, Any]:
    """Return the content of evaluation.json: the whole of test, and what train and val add.

    `splits` has "test" and, where they were measured, "train" and "val"; a bare model has test
    only. `gap` is train accuracy − test accuracy; `label_errors` is there for MNIST's test split.
    Raises UsageError for other split names.
    """
    if "test" not in splits or not splits.keys() <= {"train", "val", "test"}:
        raise UsageError(
            f"the splits must be test and optionally train and val, got {sorted(splits)}."
        )
    content = {f"{name}_{key}": value for name in splits for key, value in _short(splits[name])}
    if "train" in splits:
        content["gap"] = splits["train"].accuracy - splits["test"].accuracy
    details = splits["test"].to_dict()
    interval = details.pop("accuracy_interval")
    if details["label_errors"] is None:
        del details["label_errors"]
    rest = {key: value for key, value in details.items() if key not in ("accuracy", "loss")}
    selective = {"selective_error_at_99": error_at(splits["test"].selective, 0.99)}
    return content | {"test_accuracy_interval": interval} | selective | rest


def text_report(measurement: Measurement) -> str:
    """Return the classic classification report, as scikit-learn prints it with two decimals."""
    head = _row("", "precision", "recall", "f1-score", "support")
    digits = [_scores_row(digit, scores) for digit, scores in measurement.per_digit.items()]
    foot = [
        _row("accuracy", "", "", f"{measurement.accuracy:.2f}", str(measurement.n)),
        _scores_row("macro avg", measurement.macro),
        _scores_row("weighted avg", measurement.weighted),
    ]
    return "\n".join([head, "", *digits, "", *foot, ""])


def _short(measurement: Measurement) -> list[tuple[str, float]]:
    return [("accuracy", measurement.accuracy), ("loss", measurement.loss)]


def _scores_row(name: str, scores: Scores) -> str:
    shares = (scores["precision"], scores["recall"], scores["f1"])
    return _row(name, *(f"{share:.2f}" for share in shares), str(scores["support"]))


def _row(name: str, *cells: str) -> str:
    return f"{name:>12} " + "".join(f"{cell:>10}" for cell in cells)


def _probabilities(given: NDArray[Any]) -> Floats:
    if given.ndim != 2 or given.shape[1] != CLASSES or given.dtype.kind != "f":
        raise InvalidData(
            f"probabilities must be float (N, {CLASSES}), got {given.dtype} {given.shape}."
        )
    if not len(given):
        raise InvalidData("there is no example to measure, got 0.", "Name a split with examples.")
    if not np.isfinite(given).all():
        bad = int((~np.isfinite(given)).any(axis=1).sum())
        raise InvalidData(
            f"probabilities must be finite, got NaN or infinity in {bad:,} of {len(given):,} rows.",
            "The model's weights may be broken; did its training diverge?",
        )
    return _distributions(given.astype(np.float64))


def _distributions(rows: Floats) -> Floats:
    sums = rows.sum(axis=1)
    worst = float(sums[np.abs(sums - 1).argmax()])
    if rows.min() >= 0 and abs(worst - 1) <= SUM_TOLERANCE:
        return rows
    raise InvalidData(
        "probabilities must be 0 or more and sum to 1 in each row,"
        f" got a smallest value of {rows.min():.4g} and a sum of {worst:.4g}.",
        "Are these logits? Apply softmax first.",
    )


def _labels(given: NDArray[Any], n: int) -> Integers:
    if given.shape != (n,) or given.dtype.kind not in "iu":
        raise InvalidData(
            f"labels must be integer ({n},), one for each row, got {given.dtype} {given.shape}."
        )
    if given.min() < 0 or given.max() >= CLASSES:
        raise InvalidData(f"labels must be 0–9, got {given.min()} to {given.max()}.")
    return given.astype(np.int64)


def _reliability(confidence: Floats, right: NDArray[np.bool_]) -> list[Bin]:
    """Bins are open below and closed above, as in Guo et al., "On calibration of modern neural
    networks" (2017), so that a confidence of exactly 1 belongs to the last.
    """
    edges = np.linspace(0, 1, BINS + 1)
    place = (np.digitize(confidence, edges, right=True) - 1).clip(0, BINS - 1)
    counts, confidences, rights = (
        np.bincount(place, weights=weights, minlength=BINS) for weights in (None, confidence, right)
    )
    return [
        Bin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            count=int(counts[i]),
            confidence=float(confidences[i] / counts[i]) if counts[i] else None,
            accuracy=float(rights[i] / counts[i]) if counts[i] else None,
        )
        for i in range(BINS)
    ]


def _ece(reliability: list[Bin]) -> float:
    n = sum(part["count"] for part in reliability)
    return sum(
        part["count"] / n * abs(part["confidence"] - part["accuracy"])
        for part in reliability
        if part["confidence"] is not None and part["accuracy"] is not None
    )


def _scores(matrix: Integers) -> tuple[dict[str, DigitScores], Scores, Scores]:
    """Return the scores of each digit, and their mean over the digits there are, plain and weighted
    by support; `matrix` counts predictions (columns) of labels (rows). What nobody can tell is 0.
    """
    right, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    precision, recall = _shares(right, predicted), _shares(right, support)
    f1 = _shares(2 * right, support + predicted)
    per_digit = {
        str(digit): DigitScores(
            precision=float(precision[digit]),
            recall=float(recall[digit]),
            f1=float(f1[digit]),
            support=int(support[digit]),
            accuracy=float(recall[digit]) if support[digit] else None,
        )
        for digit in range(CLASSES)
    }

    def mean(weights: NDArray[Any]) -> Scores:
        return Scores(
            precision=float(np.average(precision, weights=weights)),
            recall=float(np.average(recall, weights=weights)),
            f1=float(np.average(f1, weights=weights)),
            support=int(support.sum()),
        )

    return per_digit, mean(support + predicted > 0), mean(support)


def _shares(part: Integers, whole: Integers) -> Floats:
    """Return the shares of `part` in `whole`, 0 where there is nothing."""
    return np.divide(part, whole, out=np.zeros(CLASSES), where=whole > 0)


def _confused_pairs(matrix: Integers) -> list[Pair]:
    counts = matrix * (1 - np.eye(CLASSES, dtype=np.int64))
    order = np.argsort(-counts, axis=None, kind="stable")[:PAIRS]
    pairs = [(int(cell) // CLASSES, int(cell) % CLASSES) for cell in order]
    return [
        Pair(true=true, predicted=predicted, count=int(counts[true, predicted]))
        for true, predicted in pairs
        if counts[true, predicted]
    ]
