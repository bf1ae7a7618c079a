"""The paired comparison of two models, against SciPy and against hand-made cases."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from inkdigits.errors import InvalidData
from inkdigits.evaluation.paired import compare_models, mcnemar_exact, paired_interval


@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, 400), second=st.integers(0, 400))
def test_p_value_is_the_exact_binomial_one(first, second):
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_exact(first, second) == mcnemar_exact(second, first)


def test_p_value_of_counts_of_any_size():
    assert mcnemar_exact(30_000, 30_400) == pytest.approx(
        binomtest(30_000, 60_400).pvalue, rel=1e-6
    )
    assert mcnemar_exact(0, 50_000) == 0.0


def test_counts_of_a_hand_made_case():
    labels = np.array([0, 1, 2, 3, 4, 5])
    first = np.array([0, 1, 2, 3, 9, 9])
    second = np.array([0, 1, 9, 9, 4, 8])
    found = compare_models(first, second, labels)
    counts = (found.both_right, found.only_first, found.only_second, found.both_wrong)
    assert counts == (2, 2, 1, 1)
    assert found.difference == pytest.approx(1 / 6)
    assert found.p_value == 1.0
    assert json.loads(json.dumps(found.to_dict()))["interval"] == list(found.interval)


def test_a_model_against_itself_differs_by_nothing():
    labels = np.arange(100) % 10
    found = compare_models(labels, labels, labels)
    assert (found.difference, found.p_value, found.both_right) == (0.0, 1.0, 100)
    assert found.interval[0] == -found.interval[1]


def test_interval_of_the_published_example():
    # Bonett and Price's formula by hand: n = 50, 12 and 3.
    p, q = 13 / 52, 4 / 52
    half = 1.959964 * np.sqrt((p + q - (p - q) ** 2) / 52)
    assert paired_interval(12, 3, 50) == pytest.approx((p - q - half, p - q + half), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 300), seed=st.integers(0, 10_000))
def test_interval_turns_with_the_models(n, seed):
    rng = np.random.default_rng(seed)
    labels, first, second = rng.integers(0, 10, (3, n))
    one, other = compare_models(first, second, labels), compare_models(second, first, labels)
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert -1 <= one.interval[0] < one.interval[1] <= 1
    assert one.both_right + one.only_first + one.only_second + one.both_wrong == n


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    chances, truth, n = [0.9, 0.04, 0.02, 0.04], 0.02, 500
    draws = rng.multinomial(n, chances, 2000)
    covered = [
        low <= truth <= high
        for low, high in (paired_interval(int(d[1]), int(d[2]), n) for d in draws)
    ]
    assert 0.93 < np.mean(covered) < 0.975


@pytest.mark.parametrize("lengths", [(3, 3, 2), (3, 2, 3), (0, 0, 0)])
def test_other_lengths_are_refused(lengths):
    with pytest.raises(InvalidData, match="same images"):
        compare_models(*(np.zeros(length, int) for length in lengths))
