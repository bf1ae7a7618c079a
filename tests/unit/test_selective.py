from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkdigits.artefact.metadata import check_curve
from inkdigits.artefact.selective import MAX_ROWS, choose, risk_coverage
from inkdigits.errors import UsageError

CONFIDENCES = np.array([0.9, 0.6, 0.99, 0.8, 0.8, 0.3], np.float32)
RIGHT = np.array([True, True, True, False, True, False])


def test_rows_stand_just_above_each_error() -> None:
    curve = risk_coverage(CONFIDENCES, RIGHT)
    assert [row[1:] for row in curve] == [[1, 0], [2, 0], [4, 1], [5, 1], [6, 2]]
    np.testing.assert_allclose([row[0] for row in curve], [0.945, 0.85, 0.7, 0.45, 0], atol=1e-6)
    assert risk_coverage(CONFIDENCES[:0], RIGHT[:0]) == []


def test_the_greatest_coverage_for_an_error_is_chosen() -> None:
    curve = risk_coverage(CONFIDENCES, RIGHT)
    chosen = choose(curve, 6, 0.25)
    assert (chosen.accepted, chosen.wrong, chosen.n) == (5, 1, 6)
    assert chosen.error == pytest.approx(0.2)
    assert chosen.coverage_interval[0] < chosen.coverage == 5 / 6 < chosen.coverage_interval[1]
    assert chosen.error_interval[0] < chosen.error < chosen.error_interval[1]
    assert choose(curve, 6, 0.01).accepted == 2
    assert choose(curve, 6, 0.5).threshold == 0


def test_targets_out_of_reach_and_out_of_range() -> None:
    worst_first = risk_coverage(CONFIDENCES, CONFIDENCES < 0.95)
    with pytest.raises(UsageError, match=r"0.01 cannot be reached on val.*1 wrong of the 6"):
        choose(worst_first, 6, 0.01)
    with pytest.raises(UsageError, match="no val statistics"):
        choose([], 0, 0.01)
    for target in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match="between 0 and 1"):
            choose(worst_first, 6, target)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3000), st.floats(0.001, 0.4))
def test_a_curve_tells_what_its_thresholds_do(seed: int, n: int, target: float) -> None:
    rng = np.random.default_rng(seed)
    confidences = rng.beta(8, 0.3, n).astype(np.float32)  # many are exactly 1
    right = rng.random(n) < confidences
    curve = json.loads(json.dumps(risk_coverage(confidences, right)))
    check_curve(curve, n)
    assert len(curve) <= MAX_ROWS
    for threshold, accepted, wrong in curve:
        kept = confidences >= threshold
        assert (kept.sum(), (~right[kept]).sum()) == (accepted, wrong)
    try:
        chosen = choose(curve, n, target)
    except UsageError:
        return
    kept = confidences >= chosen.threshold
    assert (~right[kept]).mean() <= target


def test_the_choice_is_as_good_as_trying_every_threshold() -> None:
    rng = np.random.default_rng(3)
    confidences = rng.beta(8, 0.3, 4000).astype(np.float32)
    right = rng.random(4000) < confidences**0.2
    assert (~right).sum() < MAX_ROWS / 2
    above = [confidences >= threshold for threshold in confidences]
    best = max(kept.sum() for kept in above if (~right[kept]).mean() <= 0.005)
    assert choose(risk_coverage(confidences, right), 4000, 0.005).accepted == best


def test_a_curve_stays_small_in_the_artefact() -> None:
    rng = np.random.default_rng(0)
    curve = risk_coverage(rng.random(6000, np.float32), rng.random(6000) < 0.5)
    assert len(json.dumps(curve)) < 5000
