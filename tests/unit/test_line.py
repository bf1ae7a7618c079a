"""Line crops: the ink of one number at its place and size, printing gone, mapped to the source."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inkdigits.imaging.line import BAND, HEIGHT, MAX_WIDTH, MIN_WIDTH, WIDTH_STEP, line_crops
from inkdigits.imaging.line_ink import find_line_ink
from inkdigits.imaging.printed import printed_lines

PAPER, INK = 225, 60


def sheet(rows: int = 80, columns: int = 220) -> np.ndarray:
    """Plain paper with a little fixed noise."""
    noise = np.random.default_rng(0).normal(0, 1.5, (rows, columns))
    return np.clip(PAPER + noise, 0, 255).astype(np.uint8)


def write(page: np.ndarray, text: str, left: int = 40, size: float = 1.5) -> np.ndarray:
    """Write `text` in a plain stroke font, about 33 pixels high, standing on row 55."""
    cv2.putText(page, text, (left, 55), cv2.FONT_HERSHEY_SIMPLEX, size, INK, 4, cv2.LINE_AA)
    return page


def parts(image: np.ndarray) -> int:
    """Count separate pieces of ink in a crop."""
    return cv2.connectedComponents((image > 90).astype(np.uint8), connectivity=8)[0] - 1


def inked(image: np.ndarray) -> tuple[int, int]:
    """First and last inked column of a crop."""
    columns = np.flatnonzero((image > 90).any(axis=0))
    return int(columns[0]), int(columns[-1])


def test_crops_have_the_shape_the_network_needs() -> None:
    crops = line_crops(write(sheet(), "2507"))
    assert 1 <= len(crops) <= 4
    for crop in crops:
        rows, columns = crop.image.shape
        assert (rows, crop.image.dtype) == (HEIGHT, np.uint8)
        assert MIN_WIDTH <= columns <= MAX_WIDTH and columns % WIDTH_STEP == 0
        assert crop.image[:, 0].max() < 60, "room at the side"
        assert crop.image.max() == 255


def test_the_band_fills_two_thirds_of_the_height() -> None:
    image = line_crops(write(sheet(), "2507"))[0].image
    rows = np.flatnonzero((image > 90).any(axis=1))
    assert abs(np.ptp(rows) + 1 - BAND) <= 2
    assert abs((rows[0] + rows[-1]) / 2 - HEIGHT / 2) <= 1.5


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5, 7.0])
def test_the_size_of_the_page_hardly_matters(scale: float) -> None:
    page = write(sheet(), "2507")
    other = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    one, two = (line_crops(p)[0].image.astype(int) for p in (page, other))
    width = min(one.shape[1], two.shape[1])
    assert abs(one.shape[1] - two.shape[1]) <= WIDTH_STEP
    assert parts(two) == 4
    assert np.abs(one[:, :width] - two[:, :width]).mean() < 25


def test_polarity_does_not_matter() -> None:
    page = write(sheet(), "2507")
    dark, light = line_crops(page)[0].image, line_crops(255 - page)[0].image
    assert np.abs(dark.astype(int) - light).max() <= 3


def test_columns_map_back_to_the_source() -> None:
    page = write(sheet(), "2507", left=70)
    columns = np.flatnonzero((page < 140).any(axis=0))
    for crop in line_crops(page):
        first, last = inked(crop.image)
        assert crop.source_x(first) == pytest.approx(columns[0], abs=2.5)
        assert crop.source_x(last + 1) == pytest.approx(columns[-1] + 1, abs=2.5)
        assert crop.box[0] == pytest.approx(columns[0], abs=2)
        assert crop.box[0] + crop.box[2] == pytest.approx(columns[-1] + 1, abs=2)


def test_the_map_holds_on_a_large_page_too() -> None:
    page = np.full((900, 1400), PAPER, np.uint8)
    page[400:480, 700:920] = write(sheet(), "2507", left=40)
    columns = np.flatnonzero((page < 140).any(axis=0))
    crop = line_crops(page)[0]
    first, last = inked(crop.image)
    assert crop.source_x(first) == pytest.approx(columns[0], abs=3)
    assert crop.source_x(last + 1) == pytest.approx(columns[-1] + 1, abs=3)
    assert parts(crop.image) == 4


def test_a_frame_and_a_rule_go_but_the_digits_stay() -> None:
    page = write(sheet(), "1407")
    bare = parts(line_crops(page)[0].image)
    framed = page.copy()
    cv2.rectangle(framed, (15, 8), (205, 70), 90, 2)
    assert parts(line_crops(framed)[0].image) == bare == 4
    ruled = page.copy()
    ruled[60:62] = 110
    assert parts(line_crops(ruled)[0].image) == 4


def test_a_stroke_across_a_rule_stays() -> None:
    page = write(sheet(), "1407")
    page[40:42] = np.minimum(page[40:42], 130)
    image = line_crops(page)[0].image
    assert parts(image) <= 5
    rows = np.flatnonzero((image > 90).any(axis=1))
    assert np.ptp(rows) + 1 >= BAND - 2


def test_the_teeth_of_a_comb_go_but_a_one_stays() -> None:
    page = np.full((60, 330), PAPER, np.uint8)
    cv2.rectangle(page, (10, 8), (310, 52), 80, 2)
    for x in range(60, 310, 50):
        cv2.line(page, (x, 8), (x, 52), 80, 2)
    for place, digit in enumerate("315"):
        cv2.putText(page, digit, (24 + 50 * place, 42), 0, 0.9, INK, 3, cv2.LINE_AA)
    crop = line_crops(page)[0]
    assert parts(crop.image) == 3
    assert crop.box[0] > 20 and crop.box[0] + crop.box[2] < 155


def test_small_trailing_zeros_are_kept() -> None:
    page = write(sheet(), "25", left=30)
    cv2.putText(page, "00", (100, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.7, INK, 3, cv2.LINE_AA)
    assert parts(line_crops(page)[0].image) == 4


def test_a_neighbour_cut_by_the_border_goes() -> None:
    page = write(sheet(), "2507")
    cv2.putText(page, "88", (80, 88), cv2.FONT_HERSHEY_SIMPLEX, 1.0, INK, 4, cv2.LINE_AA)
    assert parts(255 - page) > 4
    assert parts(line_crops(page)[0].image) == 4


def test_a_line_askew_is_levelled() -> None:
    page = np.full((140, 320), PAPER, np.uint8)
    cv2.putText(page, "250873", (60, 85), cv2.FONT_HERSHEY_SIMPLEX, 1.3, INK, 4, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((160, 70), -7, 1)
    askew = cv2.warpAffine(page, turn, (320, 140), borderValue=PAPER)
    image = line_crops(askew)[0].image
    first, last = inked(image)
    halves = [image[:, first : first + 12], image[:, last - 11 : last + 1]]
    tops = [np.flatnonzero((half > 90).any(axis=1))[0] for half in halves]
    assert abs(int(tops[0]) - int(tops[1])) <= 4
    assert parts(image) == 6


def test_blank_pages_give_no_crop() -> None:
    assert line_crops(np.full((60, 200), 200, np.uint8)) == ()
    assert line_crops(sheet()) == ()


def test_shade_does_not_count_as_ink() -> None:
    shade = np.linspace(1.0, 0.55, 220)[None]
    page = (write(sheet(), "2507") * shade).astype(np.uint8)
    assert parts(line_crops(page)[0].image) == 4


def test_printed_lines_are_told_from_the_foot_of_a_two() -> None:
    page = np.full((28, 28), PAPER, np.uint8)
    cv2.putText(page, "2", (4, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.9, INK, 2, cv2.LINE_AA)
    mask = page < 160
    assert not printed_lines(mask, mask, 255 - page).any()
    ink = find_line_ink(page)
    assert ink is not None and ink.mask.sum() >= mask.sum()


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 90))),
    st.sampled_from([1, 5, 40]),
)
def test_any_page_gives_sound_crops(page: np.ndarray, times: int) -> None:
    page = np.repeat(page, times, axis=1)
    for crop in line_crops(page):
        assert crop.image.shape[0] == HEIGHT
        assert MIN_WIDTH <= crop.image.shape[1] <= MAX_WIDTH
        assert crop.image.shape[1] % WIDTH_STEP == 0
        assert np.isfinite(crop.to_source).all()
        left, top, width, height = crop.box
        assert left >= 0 and top >= 0 and width >= 1 and height >= 1
        assert left + width <= page.shape[1] + 2 and top + height <= page.shape[0] + 2
