"""Two models on the same images: is one better, or was it luck?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.selective import Z_95
from inkdigits.errors import InvalidData


@dataclass(frozen=True)
class Paired:
    """What two models did on the same `n` images; the four counts add up to it.

    `difference` is the first's accuracy − the second's, −1 … 1, with its 95 % `interval`;
    `p_value` is that of the exact two-sided McNemar test: how likely counts as uneven as
    `only_first` and `only_second` are, were both models equally good.
    """

    n: int
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    difference: float
    interval: tuple[float, float]
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain numbers and lists, ready for JSON."""
        return {**asdict(self), "interval": list(self.interval)}


def compare_models(first: NDArray[Any], second: NDArray[Any], labels: NDArray[Any]) -> Paired:
    """Compare the predictions of two models, integer (N,) each, with the labels (N,); N ≥ 1.

    Raises InvalidData where the three do not have one length.
    """
    if not len(first) == len(second) == len(labels) or not len(labels):
        raise InvalidData(
            "two models are compared on the same images, 1 or more,"
            f" got {len(first)}, {len(second)} and {len(labels)} labels."
        )
    right, other = first == labels, second == labels
    only_first, only_second = int((right & ~other).sum()), int((other & ~right).sum())
    return Paired(
        n=len(labels),
        both_right=int((right & other).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int((~right & ~other).sum()),
        difference=(only_first - only_second) / len(labels),
        interval=paired_interval(only_first, only_second, len(labels)),
        p_value=mcnemar_exact(only_first, only_second),
    )


def paired_interval(only_first: int, only_second: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two accuracies on the same `n` ≥ 1 images.

    `only_first` and `only_second` count the images that only one of the two reads right; the
    difference is the first's accuracy − the second's, within −1 … 1.
    D. G. Bonett, R. M. Price, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data" (2012).
    """
    first, second = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    half = Z_95 * sqrt((first + second - (first - second) ** 2) / (n + 2))
    return max(-1.0, first - second - half), min(1.0, first - second + half)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided p value, 0–1, of the exact test on the discordant counts; 1 for none.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages" (1947), with the binomial distribution itself instead of its approximation.
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    if 2 * fewer == n:
        return 1.0
    # log C(n, k) grows from C(n, 0) = 1 by (n − k + 1) / k; as logarithms, for n of any size.
    k = np.arange(1, fewer + 1)
    terms = np.concatenate([[0.0], np.cumsum(np.log((n - k + 1) / k))])
    tail = np.logaddexp.reduce(terms) - n * log(2)
    return float(min(1.0, 2 * np.exp(tail)))
