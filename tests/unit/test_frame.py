from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inkdigits.data.dataset import Dataset
from inkdigits.imaging.clean import QUICK_SIDE, clean
from inkdigits.imaging.frame import INK_SIDE, Frame, frame, stroke_width


def seven(side: int, stroke: float = 0.1) -> np.ndarray:
    """A 7, dark on light, in the middle of a square page."""
    page = np.full((side, side), 225, np.uint8)
    corners = np.round(np.array([[0.3, 0.25], [0.7, 0.25], [0.42, 0.75]]) * side).astype(np.int32)
    cv2.polylines(page, [corners], False, 35, max(1, round(stroke * side)), cv2.LINE_AA)
    return page


def framed(page: np.ndarray) -> Frame:
    found = frame(clean(page))
    assert found is not None
    return found


def difference(a: np.ndarray, b: np.ndarray, slack: int = 0) -> float:
    """Mean absolute difference, in shares of the mean ink, at the best of shifts up to `slack`.

    Centring by whole pixels may fall to either side when the centre of mass lies between two.
    """
    steps = range(-slack, slack + 1)
    shifted = (np.roll(b, (down, right), axis=(0, 1)) for down in steps for right in steps)
    return float(min(np.abs(a.astype(float) - c).mean() for c in shifted) / a.mean())


def mass_centre(image: np.ndarray) -> tuple[float, float]:
    weights = image.astype(float)
    places = np.arange(28)
    return (
        float(weights.sum(axis=1) @ places / weights.sum()),
        float(weights.sum(axis=0) @ places / weights.sum()),
    )


@pytest.mark.parametrize("side", [28, 60, 200, 1500])
def test_the_frame_is_made_like_mnist(side: int) -> None:
    image = framed(seven(side)).image
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    rows, columns = np.nonzero(image)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == INK_SIDE
    assert all(abs(c - 14) <= 0.5 for c in mass_centre(image))
    assert image[0, 0] == 0
    assert image.max() > 230


@pytest.mark.parametrize("side", [28, 100, 600])
def test_polarity_does_not_matter(side: int) -> None:
    dark, light = framed(seven(side)), framed(255 - seven(side))
    assert dark.box == light.box
    assert difference(dark.image, light.image) < 0.1


@pytest.mark.parametrize("side", [120, 400, 900, 2500])
def test_scale_hardly_matters(side: int) -> None:
    assert difference(framed(seven(300)).image, framed(seven(side)).image, slack=1) < 0.25


# Where a page is worked on small, a place may lie between two pixels of the copy.
@pytest.mark.parametrize(("side", "most"), [(QUICK_SIDE, 0.1), (2 * QUICK_SIDE, 0.2)])
@settings(max_examples=25, deadline=None)
@given(right=st.floats(-0.2, 0.2), down=st.floats(-0.2, 0.2))
def test_place_does_not_matter(side: int, most: float, right: float, down: float) -> None:
    page = seven(side)
    moved = np.roll(page, (round(down * side), round(right * side)), axis=(0, 1))
    assert difference(framed(page).image, framed(moved).image, slack=1) < most


def test_the_box_is_in_source_pixels() -> None:
    page = np.full((3000, 2000), 220, np.uint8)
    page[1200:1800, 900:1000] = 30
    left, top, width, height = framed(page).box
    np.testing.assert_allclose([left, top, width, height], [900, 1200, 100, 600], atol=6)


def test_a_thin_pen_stays_visible() -> None:
    image = framed(seven(900, stroke=0.003)).image
    assert image.max() > 200


def test_stroke_width_is_estimated() -> None:
    mask = np.zeros((100, 100), bool)
    mask[10:90, 40:46] = True
    assert stroke_width(mask) == pytest.approx(6, rel=0.4)


def test_a_blank_page_has_no_frame() -> None:
    assert frame(clean(np.full((50, 50), 200, np.uint8))) is None


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_any_page_gives_a_frame_inside_it_or_none(page: np.ndarray) -> None:
    found = frame(clean(page))
    if found is None:
        return
    left, top, width, height = found.box
    assert found.image.shape == (28, 28)
    assert left >= 0
    assert top >= 0
    assert left + width <= page.shape[1]
    assert top + height <= page.shape[0]


@pytest.mark.mnist
def test_framing_mnist_gives_mnist_back(mnist: Dataset) -> None:
    images = mnist.train.images[:300]
    differences = [difference(image, framed(image).image) for image in images]
    assert np.mean(differences) < 0.06
    assert np.median(differences) < 0.03
