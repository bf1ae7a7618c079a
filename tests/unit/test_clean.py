from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inkdigits.imaging.clean import LEAST_DIGIT, QUICK_SIDE, WORKING_SIDE, clean, clean_at
from inkdigits.imaging.light import Polarity


def digit(side: int, stroke: float = 0.09, ink: int = 40, ground: int = 215) -> np.ndarray:
    """A 5 with a detached bar, dark on light."""
    page = np.full((side, side), float(ground))
    width = max(1, round(stroke * side))

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * side), round(y * side)

    cv2.line(page, at(0.42, 0.2), at(0.7, 0.2), ink, width)
    cv2.line(page, at(0.36, 0.34), at(0.36, 0.5), ink, width)
    cv2.ellipse(page, at(0.42, 0.62), at(0.2, 0.17), 0, -120, 130, ink, width)
    return page.astype(np.uint8)


def light(kind: str, side: int) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    return {
        "even": np.ones((side, side)),
        "gradient": 0.75 - 0.2 * x - 0.15 * y,
        "vignette": 1 - 0.3 * (x**2 + y**2),
        "shadow": np.where(x + 0.3 * y < -0.3, 0.65, 1.0),
    }[kind]


def lit(page: np.ndarray, kind: str, noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    shone = page * light(kind, page.shape[0]) + rng.normal(0, noise, page.shape)
    return np.clip(shone, 0, 255).astype(np.uint8)


LIGHTS = ["even", "gradient", "vignette", "shadow"]
SIDES = [QUICK_SIDE, WORKING_SIDE]


def mask_at(side: int, page: np.ndarray) -> np.ndarray:
    """Clean a copy of `page` of at most `side`; return its mask at the page's own size."""
    mask = clean_at(side, page).mask.astype(np.uint8)
    return cv2.resize(mask, page.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0


@pytest.mark.parametrize("side", [20, 28, 64, 200, 900])
def test_polarity_is_found(side: int) -> None:
    assert clean(digit(side)).polarity is Polarity.DARK_ON_LIGHT
    assert clean(255 - digit(side)).polarity is Polarity.LIGHT_ON_DARK


@pytest.mark.parametrize("kind", LIGHTS)
@pytest.mark.parametrize("side", [60, 300])
@pytest.mark.parametrize("worked_on", SIDES)
def test_uneven_light_leaves_the_same_mask(kind: str, side: int, worked_on: int) -> None:
    expected = digit(side) < 128
    mask = mask_at(worked_on, lit(digit(side), kind, noise=3))
    assert (mask & expected).sum() > 0.95 * expected.sum()
    # Strokes may grow by about a pixel, more of the page must not be taken for ink.
    reach = 4 * -(-side // worked_on) + 1
    near = cv2.dilate(expected.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    assert not (mask & ~near).any()


# A sharp shadow across an empty page still leaves a sliver of false ink along its edge.
@pytest.mark.parametrize("kind", ["even", "gradient", "vignette"])
@pytest.mark.parametrize("inverse", [False, True])
def test_blank_paper_has_no_ink(kind: str, inverse: bool) -> None:
    paper = lit(np.full((300, 300), 215), kind, noise=4)
    page = clean(255 - paper if inverse else paper)
    assert page.blank
    assert not page.ink.any()


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (8, 8), (28, 28), (2000, 3)])
def test_a_uniform_page_is_blank(value: int, shape: tuple[int, int]) -> None:
    assert clean(np.full(shape, value, np.uint8)).blank


def test_faint_ink_is_found_and_normalised() -> None:
    faint = clean(digit(200, ink=180))
    assert not faint.blank
    assert faint.strength[faint.mask].mean() > 0.9


@pytest.mark.parametrize("side", SIDES)
def test_specks_go_and_the_detached_bar_stays(side: int) -> None:
    page = digit(200)
    page[150:153, 20:23] = 30
    mask = mask_at(side, page)
    assert not mask[145:158, 15:28].any()
    assert mask[40, 100]


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("side", SIDES)
def test_frames_and_lines_along_the_border_go(inverse: bool, side: int) -> None:
    page = digit(200)
    page[-4:] = 60
    page[:, :5] = 60
    page[8:11] = 60
    mask = mask_at(side, 255 - page if inverse else page)
    assert not mask[-4:].any()
    assert not mask[:, :5].any()
    assert not mask[8:11].any()
    assert mask[40, 100]


def test_a_1_cut_out_tightly_stays_and_the_edge_of_a_sheet_goes() -> None:
    tight = np.full((60, 20), 220, np.uint8)
    tight[:, 7:12] = 30
    assert clean(tight).mask[:, 7:12].all()
    edge = np.full((60, 60), 220, np.uint8)
    edge[:, 0:5] = 30
    assert clean(edge).blank


@pytest.mark.parametrize("side", [120, 400])
def test_a_sharp_shadow_across_an_empty_page_is_no_ink(side: int) -> None:
    for darkness in (0.5, 0.65, 0.8):
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
        assert clean((215 * np.where(x + 0.3 * y < -0.3, darkness, 1.0)).astype(np.uint8)).blank


def test_round_spots_are_no_ink_and_a_small_digit_is() -> None:
    page = np.full((400, 400), 215, np.uint8)
    cv2.circle(page, (100, 300), 6, 60, -1)
    cv2.circle(page, (300, 80), 5, 60, -1)
    assert clean(page).blank
    page[200:216, 200:203] = 40
    assert clean(page).mask[202:214, 201].all()


@pytest.mark.parametrize("side", SIDES)
def test_a_fragment_far_from_the_digit_goes(side: int) -> None:
    page = digit(200)
    page[190:197, 2:12] = 40
    mask = mask_at(side, page)
    assert not mask[185:].any()
    assert mask[40, 100]


def test_stages_have_their_ranges() -> None:
    page = clean(lit(digit(300), "gradient", noise=4))
    assert page.flattened.dtype == page.grey.dtype == np.uint8
    assert page.strength.dtype == page.ink.dtype == np.float32
    assert 0 <= page.strength.min() <= page.strength.max() <= 1
    assert page.ink[page.mask].mean() > 0.7
    assert np.median(page.flattened) > 245


def test_a_large_page_is_worked_on_small_and_a_small_digit_on_it_larger() -> None:
    page = clean(cv2.resize(digit(200), (3000, 4000)))
    assert max(page.grey.shape) == QUICK_SIDE
    assert page.scale == pytest.approx(0.025)
    wide = np.full((3000, 4000), 215, np.uint8)
    wide[1000:1900, 1500:2400] = digit(900)
    page = clean(wide)
    assert max(page.grey.shape) == WORKING_SIDE
    assert page.scale == pytest.approx(0.25)
    assert max(cv2.boundingRect(page.mask.astype(np.uint8))[2:]) > 3 * LEAST_DIGIT


def test_a_thin_pen_on_a_large_page_is_found() -> None:
    page = digit(1000, stroke=0.002)
    found = clean(page)
    assert max(found.grey.shape) == WORKING_SIDE or found.mask.any()
    assert not found.blank


@settings(max_examples=80, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_any_page_is_cleaned_without_error(grey: np.ndarray) -> None:
    page = clean(grey)
    assert page.mask.shape == page.strength.shape == grey.shape
    assert np.isfinite(page.strength).all()
    assert not page.ink[~(cv2.dilate(page.mask.astype(np.uint8), np.ones((3, 3))) > 0)].any()
