"""The temperature: found again, harmless to predictions, good for calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkdigits.errors import InvalidData, UsageError
from inkdigits.evaluation.calibration import fit_temperature, with_temperature
from inkdigits.evaluation.measure import cross_entropy, measure


def calibrated(n=20_000, seed=0):
    """Logits whose softmax is the very distribution that their labels were drawn from."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, 10))
    chances = with_temperature(logits, 1.0)
    labels = (chances.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, 9)
    return logits, labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_finds_a_known_temperature(temperature):
    logits, labels = calibrated()
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.04)


def test_logits_and_their_probabilities_give_the_same():
    logits, labels = calibrated(2000)
    hot = 3 * logits
    from_probabilities = fit_temperature(with_temperature(hot, 1.0).astype(np.float32), labels)
    assert from_probabilities == pytest.approx(fit_temperature(hot, labels), rel=1e-3)


def test_calibration_improves_on_images_that_were_not_fitted():
    logits, labels = calibrated(8000)
    hot = 2 * logits
    temperature = fit_temperature(hot[:4000], labels[:4000])
    before = measure(with_temperature(hot[4000:], 1.0), labels[4000:])
    after = measure(with_temperature(hot[4000:], temperature), labels[4000:])
    assert after.ece < before.ece / 3
    assert after.loss < before.loss
    assert after.accuracy == before.accuracy


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.05, 20))
def test_predictions_never_change(seed, temperature):
    logits = np.random.default_rng(seed).normal(0, 5, (30, 10))
    scaled = with_temperature(logits, temperature)
    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert scaled.sum(axis=1) == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), spread=st.floats(0.01, 30))
def test_no_other_temperature_does_better(seed, n, spread):
    rng = np.random.default_rng(seed)
    rows, labels = with_temperature(rng.normal(0, spread, (n, 10)), 1.0), rng.integers(0, 10, n)
    best = fit_temperature(rows, labels)

    def loss(temperature):
        return -np.log(np.maximum(with_temperature(rows, temperature), 1e-300))[
            np.arange(n), labels
        ].mean()

    assert all(loss(best) <= loss(t) + 1e-6 for t in (0.06, 0.3, 0.9, 1.0, 1.1, 3.0, 19.0))


def test_saturated_probabilities_are_fitted():
    rows = np.eye(10, dtype=np.float32)[[0, 1, 2, 3]]
    assert 1 < fit_temperature(rows, np.array([0, 1, 2, 9])) <= 20
    assert fit_temperature(rows, np.array([0, 1, 2, 3])) < 0.1


def test_temperature_one_changes_nothing():
    rows = with_temperature(np.random.default_rng(0).normal(0, 2, (50, 11)), 1.0)
    assert with_temperature(rows, 1.0) == pytest.approx(rows)
    assert cross_entropy(rows, rows.argmax(axis=1)) > 0


@pytest.mark.parametrize(
    ("rows", "labels", "says"),
    [
        (np.zeros((2, 10), int), np.zeros(2, int), r"float \(N, K\), N ≥ 1, got int64"),
        (np.zeros(10), np.zeros(1, int), r"got float64 \(10,\)"),
        (np.zeros((0, 10)), np.zeros(0, int), r"got float64 \(0, 10\)"),
        (np.zeros((2, 1)), np.zeros(2, int), r"got float64 \(2, 1\)"),
        (np.full((2, 10), np.nan), np.zeros(2, int), "finite"),
        (np.zeros((2, 10)), np.zeros(3, int), r"integer \(2,\).*got int64 \(3,\)"),
        (np.zeros((2, 10)), np.zeros(2), "got float64"),
        (np.zeros((2, 11)), np.array([0, 11]), "labels must be 0–10, got 0 to 11"),
    ],
)
def test_refuses_what_it_cannot_fit(rows, labels, says):
    with pytest.raises(InvalidData, match=says):
        fit_temperature(rows, labels)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_an_impossible_temperature(temperature):
    with pytest.raises(UsageError, match="above 0 and finite"):
        with_temperature(np.zeros((2, 10)), temperature)
