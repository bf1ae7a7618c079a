"""Trust in a number that was seen in all looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.reading.ctc import Candidate
from inkdigits.reading.trust import confidences

SHARES = st.floats(0, 1)


def candidate(conditional: float, agreement: float = 1.0) -> Candidate:
    return Candidate("347", conditional / 2, conditional, 0, agreement)


def test_all_looks_agree_and_nothing_else_comes_near() -> None:
    assert confidences([candidate(0.9)]) == [0.9]
    assert confidences([candidate(0.0)]) == [0.0]


def test_what_no_two_looks_agree_on_counts_half() -> None:
    assert confidences([candidate(0.9, 0.0)]) == [pytest.approx(0.45)]
    assert confidences([candidate(0.8, 0.5)]) == [pytest.approx(0.6)]


def test_the_nearer_the_next_number_the_less_is_relied_on_the_best() -> None:
    far, near, as_good = (confidences([candidate(0.6), candidate(q)]) for q in (0.06, 0.3, 0.6))
    assert far == [pytest.approx(0.54), pytest.approx(0.06)]
    assert near == [pytest.approx(0.3), pytest.approx(0.3)]
    assert as_good == [0.0, 0.0]


@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=5))
def test_none_is_relied_on_more_than_the_best_or_than_it_is_probable(
    seen: list[tuple[float, float]],
) -> None:
    numbers = sorted((candidate(*one) for one in seen), key=lambda one: -one.conditional)
    best, *others = confidences(numbers)
    assert 0 <= best <= numbers[0].conditional
    assert all(
        0 <= trust <= min(best, one.conditional)
        for trust, one in zip(others, numbers[1:], strict=True)
    )
