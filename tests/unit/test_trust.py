"""Trust in a number that was seen in all looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.reading.ctc import Candidate
from inkdigits.reading.trust import calibrated, confidences, reliance

SHARES = st.floats(0, 1)


def candidate(conditional: float, agreement: float = 1.0, text: str = "347") -> Candidate:
    return Candidate(text, conditional / 2, conditional, 0, agreement)


def test_where_all_looks_agree_and_nothing_comes_near_the_probability_counts() -> None:
    assert reliance(candidate(0.9), None) == 0.9
    assert reliance(candidate(0.0), None) == 0.0


def test_what_the_worst_look_does_not_see_counts_half() -> None:
    assert reliance(candidate(0.9, 0.0), None) == pytest.approx(0.45)
    assert reliance(candidate(0.8, 0.5), None) == pytest.approx(0.6)


def test_the_nearer_the_next_number_the_less_is_relied_on_the_best() -> None:
    found = [reliance(candidate(0.6), candidate(other)) for other in (0.06, 0.3, 0.6)]
    assert found == pytest.approx([0.54, 0.3, 0])


def test_the_rival_is_the_next_number_among_the_first_four() -> None:
    best, sign, near, far = candidate(0.5), candidate(0.3, text="3?7"), candidate(0.2), None
    told = calibrated(reliance(best, near))
    assert confidences([best, sign, near])[0] == told
    assert confidences([best, sign, sign, near])[0] == told
    assert confidences([best, sign, sign, sign, near])[0] == calibrated(reliance(best, far))
    assert len(confidences([best, sign, sign, sign, near])) == 2, "signs are no numbers"


def test_calibration_keeps_the_order_and_the_ends() -> None:
    told = [calibrated(n / 100) for n in range(101)]
    assert told == sorted(told)
    assert 0 < told[0] < 1e-3
    assert 0.999 < told[-1] < 1


@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=5))
def test_others_share_what_the_best_leaves(seen: list[tuple[float, float]]) -> None:
    whole = max(1.0, sum(share for share, _ in seen))
    numbers = [candidate(share / whole, agreement) for share, agreement in seen]
    best, *others = confidences(sorted(numbers, key=lambda one: -one.conditional))
    assert 0 < best < 1
    assert all(0 <= other <= best for other in others)
    assert others == sorted(others, reverse=True)
    assert best + sum(others) <= 1 + 1e-6
