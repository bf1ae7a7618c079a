"""Trust in a number that was seen in all looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.reading.ctc import Candidate
from inkdigits.reading.trust import calibrated, confidences, reliance

SHARES = st.floats(0, 1)


def candidate(conditional: float, agreement: float = 1.0) -> Candidate:
    return Candidate("347", conditional / 2, conditional, 0, agreement)


def test_where_all_looks_agree_and_nothing_comes_near_the_probability_counts() -> None:
    assert reliance([candidate(0.9)]) == 0.9
    assert reliance([candidate(0.0)]) == 0.0


def test_what_no_two_looks_agree_on_counts_half() -> None:
    assert reliance([candidate(0.9, 0.0)]) == pytest.approx(0.45)
    assert reliance([candidate(0.8, 0.5)]) == pytest.approx(0.6)


def test_the_nearer_the_next_number_the_less_is_relied_on_the_best() -> None:
    found = [reliance([candidate(0.6), candidate(other)]) for other in (0.06, 0.3, 0.6)]
    assert found == pytest.approx([0.54, 0.3, 0])
    assert reliance([candidate(0.6), candidate(0.3), candidate(0.1)]) == pytest.approx(0.3)


def test_calibration_keeps_the_order_and_the_ends() -> None:
    told = [calibrated(n / 100) for n in range(101)]
    assert told == sorted(told)
    assert 0 < told[0] < 1e-3
    assert 0.999 < told[-1] < 1
    assert told[50] == pytest.approx(0.918, abs=0.01), "at 0.37 to 0.58 92 % were right"


@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=5))
def test_others_share_what_the_best_leaves(seen: list[tuple[float, float]]) -> None:
    whole = max(1.0, sum(share for share, _ in seen))
    numbers = [candidate(share / whole, agreement) for share, agreement in seen]
    best, *others = confidences(sorted(numbers, key=lambda one: -one.conditional))
    assert 0 < best < 1
    assert all(0 <= other <= best for other in others)
    assert others == sorted(others, reverse=True)
    assert best + sum(others) <= 1 + 1e-6
