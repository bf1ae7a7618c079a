"""Selective reading: which confidence is enough for which error, as val tells it.

A model that may decline errs less on what is left. `risk_coverage` boils val down to a short table
that travels in the artefact; `choose` finds in it the threshold for an error that is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError

MAX_ROWS = 160
"""Rows kept of a curve: about 4 KB of text in the artefact."""
QUANTILES = 32
"""Rows at even steps of coverage, besides those at each error."""
Z_95 = 1.959963984540054
"""The standard normal deviate of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Selection:
    """What a reject threshold costs and brings, as counted on val.

    Readings of confidence `threshold` (0–1) or more are accepted: `accepted` of `n` examples, of
    which `wrong` were wrong. `target_error` (0–1) is what was asked for.
    """

    target_error: float
    threshold: float
    n: int
    accepted: int
    wrong: int

    @property
    def coverage(self) -> float:
        """The share of val that is accepted, 0–1."""
        return self.accepted / self.n

    @property
    def coverage_interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the coverage."""
        return wilson_interval(self.accepted, self.n)

    @property
    def error(self) -> float:
        """The share of the accepted that is wrong, 0–1."""
        return self.wrong / self.accepted

    @property
    def error_interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the error."""
        return wilson_interval(self.wrong, self.accepted)


def risk_coverage(confidences: NDArray[np.floating], right: NDArray[np.bool_]) -> list[list[float]]:
    """Return rows [threshold, accepted, wrong] for descending thresholds, at most `MAX_ROWS`.

    `confidences` (N,), 0–1, and `right` (N,) are those of val, after the temperature. A row counts
    the examples whose confidence is at least its threshold: integers; the last row, of threshold 0,
    counts all. There is a row just above each error, where coverage is greatest for its error, and
    at even steps of coverage. Empty for no examples.
    """
    if len(confidences) == 0:
        return []
    order = np.argsort(-confidences, kind="stable")
    sorted_confidences = confidences[order].astype(np.float64)
    wrong = ~right[order]
    # Only between two different confidences can a threshold stand; `cuts` count what is above it.
    cuts = np.append(np.flatnonzero(np.diff(sorted_confidences)) + 1, len(order))
    errors = np.cumsum(wrong)[cuts - 1]
    before_error = np.append(np.diff(errors) > 0, True)
    even = np.searchsorted(cuts, np.linspace(1, len(order), QUANTILES))
    kept = np.union1d(thin(np.flatnonzero(before_error), MAX_ROWS - QUANTILES), even)
    return [
        [threshold_at(sorted_confidences, int(cuts[i])), int(cuts[i]), int(errors[i])] for i in kept
    ]


def thin(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return at most `most` of `rows`, evenly chosen, first and last among them."""
    if len(rows) <= most:
        return rows
    return np.take(rows, np.linspace(0, len(rows) - 1, most).round().astype(int))


def threshold_at(confidences: NDArray[np.float64], accepted: int) -> float:
    """Return the threshold that accepts the first `accepted` of the descending `confidences`.

    It lies midway to the next one, so that rounding elsewhere does not change what is accepted.
    """
    if accepted == len(confidences):
        return 0.0
    lowest, next_lower = float(confidences[accepted - 1]), float(confidences[accepted])
    middle = round((lowest + next_lower) / 2, 9)
    # NumPy rounds a threshold to float32 when it compares float32 with it.
    holds = all(next_lower < value <= lowest for value in (middle, float(np.float32(middle))))
    return middle if holds else lowest


def choose(curve: Sequence[Sequence[float]], n: int, target_error: float) -> Selection:
    """Return the threshold of greatest coverage whose error on val is at most `target_error`.

    `curve` and `n` are an artefact's `val_curve` and `val_n`. Raises UsageError when `target_error`
    is not between 0 and 1, there is no curve, or no threshold reaches the target.
    """
    if not 0 < target_error < 1:
        raise UsageError(
            f"the target error must lie between 0 and 1, got {target_error}.",
            "Give a share, as in 0.001.",
        )
    if not curve:
        raise UsageError(
            "the model carries no val statistics to choose a threshold by.",
            "Export it again, or leave out the target error.",
        )
    reached = [row for row in curve if row[2] <= target_error * row[1]]
    if not reached:
        _, accepted, wrong = min(curve, key=lambda row: row[2] / row[1])
        raise UsageError(
            f"an error of {target_error:g} cannot be reached on val at any coverage: "
            f"its best is {wrong / accepted:.3g}, {wrong:.0f} wrong of the {accepted:.0f} read.",
            "Ask for a larger target error, or use a better model.",
        )
    threshold, accepted, wrong = max(reached, key=lambda row: row[1])
    return Selection(target_error, threshold, n, int(accepted), int(wrong))


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion, `count` of `n`.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    share = count / n
    scale = 1 + Z_95**2 / n
    centre = (share + Z_95**2 / (2 * n)) / scale
    half = Z_95 / scale * (share * (1 - share) / n + Z_95**2 / (4 * n**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
