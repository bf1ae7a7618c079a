"""How much a model's error rises on corrupted digits, beside that of another model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import resources
from statistics import fmean
from typing import Any

import numpy as np

from inkdigits.data.dataset import Examples
from inkdigits.errors import InvalidData
from inkdigits.evaluation.corruptions import NAMES, corrupt
from inkdigits.evaluation.model_file import Predict

REFERENCE_FILE = "robustness_reference.json"


@dataclass(frozen=True)
class Robustness:
    """Errors (shares, 0–1) of a model on `n` images: as they are, and under each corruption.

    `name` says whose they are; `errors` has the keys of CORRUPTIONS; `seed` is the corruptions'.
    """

    name: str
    n: int
    seed: int
    clean_error: float
    errors: dict[str, float]

    @property
    def mean_error(self) -> float:
        """The unweighted mean over the corruptions, 0–1."""
        return fmean(self.errors.values())

    def to_dict(self) -> dict[str, Any]:
        """Return every field and the mean error, ready for JSON."""
        return {**asdict(self), "mean_error": self.mean_error}


@dataclass(frozen=True)
class Reference(Robustness):
    """Recorded mean errors over the trainings of `seeds`, on the data of `data_sha256`."""

    seeds: tuple[int, ...]
    data_sha256: str


def measure_robustness(
    predict: Predict, examples: Examples, name: str, seed: int = 0
) -> Robustness:
    """Measure a model on `examples` and on each corruption of them; the same for the same seed.

    Raises InvalidData for no examples.
    """
    if not len(examples):
        raise InvalidData("there is no example to corrupt, got 0.", "Name a split with examples.")

    def error(images: Any) -> float:
        return float(np.mean(predict(images).argmax(axis=1) != examples.labels))

    return Robustness(
        name=name,
        n=len(examples),
        seed=seed,
        clean_error=error(examples.images),
        errors={kind: error(corrupt(examples.images, kind, seed)) for kind in NAMES},
    )


def recorded_reference() -> Reference:
    """Return what `early-stopping` came to, as benchmarks/robustness.py recorded it."""
    source = resources.files("inkdigits.evaluation").joinpath(REFERENCE_FILE)
    content = json.loads(source.read_text(encoding="utf-8"))
    return Reference(**content | {"seeds": tuple(content["seeds"])})


def robustness_dict(own: Robustness, beside: Robustness | None) -> dict[str, Any]:
    """Return the JSON of a model's robustness: its errors, the other's, the ratio of the means.

    `ratio` is None where the other never errs.
    """
    content = own.to_dict()
    if beside is None:
        return content
    ratio = own.mean_error / beside.mean_error if beside.mean_error else None
    return content | {"beside": beside.to_dict(), "ratio": ratio}


def robustness_rows(
    own: Robustness, beside: Robustness | None
) -> list[tuple[str, float, float | None]]:
    """Return (what, own error, the other's): not corrupted, each corruption, the mean of them."""
    rows: list[tuple[str, float, float | None]] = [
        ("not corrupted", own.clean_error, beside.clean_error if beside else None)
    ]
    for kind, error in own.errors.items():
        other = beside.errors[kind] if beside else None
        rows.append((kind.replace("_", " "), error, other))
    mean = beside.mean_error if beside else None
    return [*rows, (f"mean of the {len(own.errors)}", own.mean_error, mean)]


def robustness_table(own: Robustness, beside: Robustness | None) -> str:
    """Return the rows as text, errors in per cent, under the names of the models."""
    head = f"{'MNIST-C-style error':>20}{'model':>11}"
    lines = [head if beside is None else f"{head}   {beside.name}"]
    for what, error, other in robustness_rows(own, beside):
        line = f"{what:>20}{100 * error:>9.2f} %"
        lines.append(line if other is None else f"{line}   {100 * other:>6.2f} %")
    return "\n".join(lines)
