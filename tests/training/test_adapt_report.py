"""When a new model is taken, and what is said about more images."""

from __future__ import annotations

import numpy as np
import pytest

from inkdigits.training.adapt_report import advice, compared, curve_of, judge


def rights(right: int, n: int) -> np.ndarray:
    return np.arange(n) < right


@pytest.mark.parametrize(
    ("before", "after", "fall", "forgotten", "better", "why"),
    [
        (80, 90, 0.5, 0.0, True, "10 more of 100 images"),
        (80, 80, 0.5, 0.0, False, "reads 80 of 100 images right"),
        (80, 70, -0.5, 0.0, False, "the old one 80"),
        (80, 81, 0.01, 0.0, False, "than chance explains"),
        (1, 4, 3.0, 0.0, False, "hardly more, 4. Check the labels"),
        (1, 40, 3.0, 0.0, True, "39 more of 100 images"),
        (80, 90, 0.5, 0.01, False, "1.00 points less"),
    ],
)
def test_only_what_is_better_is_taken(
    before: int, after: int, fall: float, forgotten: float, better: bool, why: str
) -> None:
    measured = compared("images", rights(before, 100), rights(after, 100))
    falls = np.random.default_rng(0).normal(fall, 0.5, 100)
    told = judge(measured, falls, forgotten)
    assert told[0] is better
    assert why in told[1]


def test_shares_are_told_with_intervals() -> None:
    line = compared("100 images", rights(80, 100), rights(90, 100)).line()
    assert "80.00% (71.12%–86.66%) of 100 right before, 90.00% (" in line
    assert "difference +10.00 points (95 % interval +" in line


def test_more_images_are_asked_for_where_the_last_doubling_helped() -> None:
    few, many = rights(60, 100), rights(80, 100)
    assert "some 150 more are worth collecting" in advice(many, few, 100, 150)
    assert "twice as many images, 100 instead of 50, brought +20.0 points" in advice(
        many, few, 100, 150
    )
    assert "would bring little" in advice(few, few, 100, 150)
    noisy = np.random.default_rng(0).permutation(rights(62, 100))
    assert "too few to say" in advice(noisy, few, 100, 150)
    curve = curve_of(rights(50, 100), few, many, 100)
    assert [(point.learnt, point.right) for point in curve] == [(0, 50), (50, 60), (100, 80)]
