from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inkdigits.imaging.clean import QUICK_SIDE, WORKING_SIDE, clean, clean_at
from inkdigits.imaging.rules import find_rules

SIZES = [60, 200, 600]


def paper(side: int) -> np.ndarray:
    return np.full((side, side), 220, np.uint8)


def stroke(page: np.ndarray, points: list[tuple[float, float]], ink: int = 40) -> np.ndarray:
    """Draw a thick line through `points`, in shares of the side; return its mask."""
    drawn = np.zeros_like(page)
    corners = np.round(np.array(points) * page.shape[0]).astype(np.int32)
    cv2.polylines(drawn, [corners], False, 255, max(2, page.shape[0] // 18))
    page[drawn > 0] = ink
    return drawn > 0


def line(page: np.ndarray, start: tuple[float, float], end: tuple[float, float], ink: int) -> None:
    ends = [tuple(round(v * (page.shape[0] - 1)) for v in point) for point in (start, end)]
    cv2.line(page, *ends, ink, max(1, page.shape[0] // 90))


def frame(page: np.ndarray, low: float, high: float, ink: int = 90) -> None:
    for a, b in (((low, low), (high, low)), ((low, high), (high, high))):
        line(page, a, b, ink)
        line(page, a[::-1], b[::-1], ink)


THREE = [(0.38, 0.28), (0.62, 0.32), (0.46, 0.48), (0.63, 0.6), (0.38, 0.74)]
SEVEN = [(0.02, 0.04), (0.96, 0.04), (0.4, 0.98)]
FOUR = [(0.3, 0.0), (0.02, 0.65), (0.98, 0.65)]


def same(page: np.ndarray, expected: np.ndarray) -> bool:
    """Whether the digit is found, and nothing more than some pixels away, at both working sizes."""
    return all(same_at(side, page, expected) for side in (QUICK_SIDE, WORKING_SIDE))


def same_at(side: int, page: np.ndarray, expected: np.ndarray) -> bool:
    found = clean_at(side, page).mask.astype(np.uint8)
    mask = cv2.resize(found, page.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    reach = max(4 * -(-page.shape[0] // side), page.shape[0] // 40) | 1
    near = cv2.dilate(expected.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    return (mask & expected).sum() > 0.93 * expected.sum() and not (mask & ~near).any()


@pytest.mark.parametrize("side", SIZES)
@pytest.mark.parametrize("ink", [90, 160])
def test_the_lines_of_a_notebook_go_and_strokes_across_them_stay(side: int, ink: int) -> None:
    page = paper(side)
    for height in (0.1, 0.5, 0.9):
        line(page, (0, height - 0.01), (1, height + 0.01), ink)
    assert clean(page).blank
    expected = stroke(page, THREE)
    assert same(page, expected)


@pytest.mark.parametrize("side", SIZES)
@pytest.mark.parametrize(("low", "high"), [(0.08, 0.92), (0.15, 0.85), (0.0, 1.0)])
def test_the_frame_of_a_cell_goes(side: int, low: float, high: float) -> None:
    page = paper(side)
    frame(page, low, high)
    assert clean(page).blank
    expected = stroke(page, THREE)
    assert same(page, expected)


@pytest.mark.parametrize("side", SIZES)
def test_a_1_in_a_cell_stays(side: int) -> None:
    page = paper(side)
    frame(page, 0.08, 0.92)
    expected = stroke(page, [(0.5, 0.15), (0.5, 0.85)])
    assert same(page, expected)


@pytest.mark.parametrize("side", SIZES)
@pytest.mark.parametrize("points", [SEVEN, FOUR, [(0.5, 0.0), (0.5, 1.0)]])
def test_straight_strokes_of_a_tight_digit_stay(
    side: int, points: list[tuple[float, float]]
) -> None:
    page = paper(side)
    expected = stroke(page, points)
    if points is FOUR:
        expected |= stroke(page, [(0.7, 0.2), (0.7, 1.0)])
    assert same(page, expected)


@pytest.mark.parametrize("side", SIZES)
def test_what_lies_beyond_the_line_belongs_to_a_neighbour(side: int) -> None:
    page = paper(side)
    line(page, (0, 0.8), (1, 0.8), 90)
    line(page, (0, 0.1), (1, 0.1), 90)
    stroke(page, [(0.4, 0.97), (0.6, 0.9), (0.7, 1.0)])
    expected = stroke(page, THREE)
    assert same(page, expected)


def test_a_dash_across_the_page_is_blank() -> None:
    page = paper(45)
    page[20:23] = 30
    assert clean(page).blank


@settings(max_examples=80, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 50), st.integers(1, 50))))
def test_any_mask_gives_rules_of_its_shape(mask: np.ndarray) -> None:
    depth = mask.astype(np.float32)
    assert find_rules(mask, depth).shape == mask.shape
