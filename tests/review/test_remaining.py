"""What error remains: the interval holds the truth about as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from inkdigits.review.remaining import Remaining, log_odds, logistic, remaining

N = 1500


def simulated(
    rng: np.random.Generator, shift: float, slope: float, reviewed: int
) -> tuple[Remaining, float]:
    """A review broken off: doubtful ones, one in five at random; and the true error left."""
    error = np.clip(logistic(rng.normal(-6, 2.5, N)), 1e-9, 1 - 1e-9)
    wrong = rng.random(N) < logistic(shift + slope * log_odds(error))
    doubtful = np.argsort(-error)[: round(0.8 * reviewed)]
    random = rng.permutation(np.setdiff1d(np.arange(N), doubtful))[: reviewed - len(doubtful)]
    seen = np.zeros(N, bool)
    seen[doubtful] = seen[random] = True
    found = remaining(1 - error[~seen], 1 - error[seen], wrong[seen], N, 0.005)
    return found, float(wrong[~seen].sum()) / N


@pytest.mark.parametrize(
    ("shift", "slope"),
    [
        pytest.param(0.0, 1.0, id="calibrated"),
        pytest.param(1.1, 1.0, id="three times as many errors as the confidence tells"),
        pytest.param(-1.1, 1.0, id="a third of them"),
        pytest.param(0.0, 0.8, id="too sure of the sure ones"),
    ],
)
def test_the_interval_holds_the_truth(shift: float, slope: float) -> None:
    rng = np.random.default_rng(3)
    held = []
    for turn in range(60):
        found, truth = simulated(rng, shift, slope, (0, 60, 300)[turn % 3])
        held.append(found.low - 1e-12 <= truth <= found.high + 1e-12)
    # Of 60 intervals of 95 %, fewer than 52 hold the truth once in a hundred times.
    assert sum(held) >= 52


def test_more_decisions_make_it_narrower_and_errors_make_it_higher() -> None:
    unseen = np.full(1000, 0.99)
    seen = np.full(200, 0.99)
    known = np.zeros(200, bool)
    nothing = remaining(unseen, np.array([]), np.array([], bool), 1000, 0.01)
    good = remaining(unseen, seen, known, 1200, 0.01)
    bad = remaining(unseen, seen, np.arange(200) < 20, 1200, 0.01)
    assert good.high - good.low < nothing.high - nothing.low
    assert good.error < nothing.error < bad.error
    assert 0.05 < bad.error < 0.12
    assert nothing.low < 0.01 < nothing.high


def test_what_was_needed_is_enough() -> None:
    rng = np.random.default_rng(0)
    confidence = np.sort(1 - logistic(rng.normal(-5, 2, N)))
    seen = rng.permutation(N)[:100]
    rest = np.delete(confidence, seen)
    before = remaining(rest, confidence[seen], np.zeros(100, bool), N, 0.01)
    assert 0 < before.needed < len(rest)
    looser = remaining(rest, confidence[seen], np.zeros(100, bool), N, 0.02)
    assert looser.needed < before.needed
    looked_at = np.concatenate([confidence[seen], rest[: before.needed]])
    wrong = rng.random(len(looked_at)) < 1 - looked_at
    after = remaining(rest[before.needed :], looked_at, wrong, N, 0.01)
    assert after.high < 1.5 * 0.01


def test_nothing_left_is_no_error() -> None:
    assert remaining(np.array([]), np.array([0.9]), np.array([True]), 1, 0.1).high == 0


def test_the_same_is_said_of_the_same() -> None:
    unseen = np.linspace(0.5, 1, 50)
    first, second = (
        remaining(unseen, np.array([0.9]), np.array([False]), 51, 0.01) for _ in range(2)
    )
    assert first == second
    assert first.needed <= 50 and 0 <= first.low <= first.error <= first.high <= 1
