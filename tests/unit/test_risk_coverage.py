"""Selective prediction: the error on the most confident readings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkdigits.evaluation.selective import COVERAGES, error_at, risk_curve, selective_points


def test_error_of_a_hand_made_case():
    confidence = np.linspace(1, 0.01, 100)
    right = np.ones(100, bool)
    right[[3, 98, 99]] = False
    points = {point["coverage"]: point for point in selective_points(confidence, right)}
    assert list(points) == list(COVERAGES) == [0.9, 0.95, 0.99, 0.995, 1.0]
    assert [points[c]["n"] for c in COVERAGES] == [90, 95, 99, 100, 100]
    assert [points[c]["errors"] for c in COVERAGES] == [1, 1, 2, 3, 3]
    assert points[0.99]["error"] == 2 / 99 == error_at(list(points.values()), 0.99)
    assert points[0.9]["threshold"] == pytest.approx(confidence[89])
    low, high = points[1.0]["error_interval"]
    assert low < 0.03 < high


def test_equal_confidences_share_their_errors():
    """With nothing to tell the answers apart, every coverage has the error of all."""
    right = np.arange(1000) >= 40
    for confidence in (np.ones(1000), np.full(1000, 0.5)):
        points = selective_points(confidence, right)
        assert [point["error"] for point in points] == pytest.approx([0.04] * 5)
        assert risk_curve(confidence, right).risk == pytest.approx(0.04)


def test_ties_at_the_threshold_are_averaged():
    # 89 sure and right; 11 tied, of which 5 are wrong: the 90th answer is one of the 11.
    confidence = np.concatenate([np.full(89, 0.9), np.full(11, 0.6)])
    right = np.concatenate([np.ones(89, bool), np.arange(11) >= 5])
    (first, *_) = selective_points(confidence, right)
    assert first["errors"] == pytest.approx(5 / 11)


@pytest.mark.parametrize("n", [1, 2, 7, 200, 1000, 10_000])
def test_coverage_is_never_less_than_it_says(n):
    points = selective_points(np.linspace(0, 1, n), np.ones(n, bool))
    assert [point["n"] for point in points] == [
        -(-n * c // 1000) for c in (900, 950, 990, 995, 1000)
    ]
    assert all(point["error"] == 0 for point in points)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 80), levels=st.integers(1, 20), seed=st.integers(0, 10_000))
def test_the_order_of_the_images_does_not_matter(n, levels, seed):
    rng = np.random.default_rng(seed)
    confidence, right = rng.integers(0, levels, n) / levels, rng.random(n) < 0.8
    order = rng.permutation(n)
    curve = risk_curve(confidence, right)
    assert risk_curve(confidence[order], right[order]).risk == pytest.approx(curve.risk)
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(1 - right.mean())
    assert ((curve.risk >= 0) & (curve.risk <= 1 + 1e-12)).all()
    assert (np.diff(curve.risk * np.arange(1, n + 1)) >= -1e-9).all()
