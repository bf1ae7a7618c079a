"""Points: thousands are read through, decimals are no whole numbers."""

from __future__ import annotations

import numpy as np
import pytest

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.artefact.points import as_whole, without_points
from inkdigits.reading.ctc import decode

BLANK = len(LINE_LABELS) - 1


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", ""),
        ("350", "350"),
        ("1.234", "1234"),
        ("1.234.567", "1234567"),
        ("350.", "350"),
        ("1.500..", "1500"),
        ("42.7", "42?7"),
        ("3.50", "3?50"),
        ("1.234.50", "1234?50"),
        (".5", "?5"),
        ("1.2?", "12?"),
        (".", ""),
    ],
)
def test_what_follows_a_point_tells_what_it_is(text: str, whole: str) -> None:
    assert as_whole(text) == whole
    steps = spelt(text)
    folded = without_points(steps)
    assert folded.shape == (*steps.shape[:2], steps.shape[2] - 1)
    np.testing.assert_allclose(folded.sum(axis=2), 1, atol=1e-5)
    assert decode(list(folded))[0].text == whole


def spelt(text: str) -> np.ndarray:
    """Steps that spell `text`, each sign two steps long, blanks between; two views alike."""
    view = np.full((5 * len(text) + 3, len(LINE_LABELS)), 1e-4, np.float32)
    view[:, BLANK] = 1
    for place, sign in enumerate(text):
        rows = slice(5 * place + 2, 5 * place + 4)
        view[rows, BLANK] = 1e-4
        view[rows, LINE_LABELS.index(sign)] = 1
    view /= view.sum(axis=1, keepdims=True)
    return np.stack([view, view])


def test_a_doubtful_point_shares_out_no_more_than_it_had() -> None:
    rng = np.random.default_rng(0)
    steps = rng.dirichlet(np.full(len(LINE_LABELS), 0.3), (3, 40)).astype(np.float32)
    folded = without_points(steps)
    np.testing.assert_array_equal(folded[..., :10], steps[..., :10])
    gained = folded[..., 10:].sum(axis=2) - steps[..., [10, 12]].sum(axis=2)
    np.testing.assert_allclose(gained, steps[..., 11], atol=1e-6)
