"""Measures of a reader of whole numbers: exact match, errors by digit, calibration, declining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.points import without_points
from inkdigits.artefact.selective import wilson_interval
from inkdigits.errors import InvalidData
from inkdigits.imaging.line import side_by_side
from inkdigits.reading.ctc import decode
from inkdigits.reading.line_engine import LineEngine

BINS = 15
COVERAGES = (0.99, 0.95, 0.9, 0.8, 0.7, 0.5)
ERROR = 0.01


@dataclass(frozen=True)
class NumbersMeasurement:
    """What one model did on one set of numbers; every share is in 0–1.

    `accuracy` is the share read wholly right, `accuracy_interval` its 95 % Wilson interval;
    `digit_error_rate` the edits (Levenshtein) a digit of the true texts; `by_length` the accuracy
    and count of each true length; `no_number` counts images without a whole number, and how many of
    them were read as one; `ece` over 15 bins of confidence; `selective` the error at each coverage;
    `coverage_at_1_percent` the share read when 1 % of those read may be wrong.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    digit_error_rate: float
    by_length: dict[str, dict[str, float]]
    no_number: dict[str, int]
    ece: float
    selective: list[dict[str, float]]
    coverage_at_1_percent: float

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain numbers, lists and dicts, ready for JSON."""
        return {**asdict(self), "accuracy_interval": list(self.accuracy_interval)}


@dataclass(frozen=True)
class Readings:
    """What was read in each number, and how surely, 0–1."""

    texts: list[str]
    confidences: NDArray[np.float64]


def read_crops(engine: LineEngine, crops: Sequence[NDArray[np.uint8]]) -> Readings:
    """Read each number from its one crop, uint8 (32, W)."""
    seen = [without_points(engine.predict_steps(side_by_side([crop]))) for crop in crops]
    best = [decode(list(steps))[0] for steps in seen]
    return Readings(
        [candidate.text for candidate in best],
        np.array([candidate.probability for candidate in best]),
    )


def measure_numbers(
    texts: Sequence[str], labels: Sequence[str], confidences: Sequence[float]
) -> NumbersMeasurement:
    """Measure readings against labels.

    `texts` are what was read, `labels` what is true, each anything but digits where there is no
    whole number; `confidences` are 0–1. N ≥ 1. Raises InvalidData for lists of unlike lengths.
    """
    if not len(texts) == len(labels) == len(confidences) or not len(labels):
        raise InvalidData(
            f"one text and one confidence for each label, got {len(texts)}, {len(confidences)} "
            f"and {len(labels)}."
        )
    pairs = [
        (as_reading(text), as_reading(label)) for text, label in zip(texts, labels, strict=True)
    ]
    right = np.array([text == label for text, label in pairs])
    sure = np.asarray(confidences, np.float64)
    edits = sum(distance(text, label) for text, label in pairs)
    digits = sum(len(label) for _, label in pairs)
    lengths = np.array([len(label) for _, label in pairs])
    none = lengths == 0
    invented = sum(bool(text) for text, label in pairs if not label)
    return NumbersMeasurement(
        n=len(pairs),
        accuracy=float(right.mean()),
        accuracy_interval=wilson_interval(int(right.sum()), len(pairs)),
        digit_error_rate=edits / max(1, digits),
        by_length={
            str(length): {
                "accuracy": float(right[lengths == length].mean()),
                "n": int((lengths == length).sum()),
            }
            for length in np.unique(lengths[~none]).tolist()
        },
        no_number={"n": int(none.sum()), "read_as_number": invented},
        ece=expected_error(sure, right),
        selective=[error_at(sure, right, coverage) for coverage in COVERAGES],
        coverage_at_1_percent=coverage_at(sure, right, ERROR),
    )


def as_reading(text: str) -> str:
    """Return what a reader says for `text`: nothing where it is no whole number."""
    return text if text.isascii() and text.isdigit() else ""


def distance(text: str, label: str) -> int:
    """Return how many digits must be put in, left out or changed (Levenshtein)."""
    row = list(range(len(label) + 1))
    for number, digit in enumerate(text, start=1):
        before, row[0] = row[0], number
        for place, wanted in enumerate(label, start=1):
            changed = before + (digit != wanted)
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, changed)
    return row[-1]


def expected_error(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over 15 bins of equal width."""
    bins = np.clip(np.ceil(confidences * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = [
        abs(confidences[bins == one].sum() - right[bins == one].sum()) for one in np.unique(bins)
    ]
    return float(sum(gaps) / len(right))


def error_at(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], coverage: float
) -> dict[str, float]:
    """Return the error among the most confident `coverage` of the readings."""
    kept = np.argsort(-confidences, kind="stable")[: max(1, round(coverage * len(right)))]
    return {"coverage": coverage, "error": float(1 - right[kept].mean())}


def coverage_at(confidences: NDArray[np.float64], right: NDArray[np.bool_], error: float) -> float:
    """Return the largest share of readings, by confidence, of which `error` or less is wrong."""
    order = np.argsort(-confidences, kind="stable")
    wrong = np.cumsum(~right[order]) / np.arange(1, len(right) + 1)
    reached = np.flatnonzero(wrong <= error)
    return float((reached[-1] + 1) / len(right)) if reached.size else 0.0
