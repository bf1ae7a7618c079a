"""Readings drawn on their images: seen by their colours, and never over the ink of a box."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inkdigits.errors import CannotWrite
from inkdigits.reading.annotate import READ, REJECTED, annotate, draw_reading, growth, outcome
from inkdigits.reading.result import Digit, Number, Reading

BOX = (50, 60, 80, 40)
DIGITS = (Digit(4, 0.9, (50, 60, 35, 40)), Digit(7, 0.8, (90, 60, 40, 40)))
NUMBER = Number("47", 0.72, BOX, DIGITS)
PAGE = np.full((300, 400), 200, np.uint8)
OK = Reading("a", "ok", "47", 0.72, (NUMBER,))
UNSURE = Reading("a", "rejected", "47", 0.4, (NUMBER,), reason="unsure")
BLANK = Reading("a", "rejected", "", 0.0, (), reason="blank")


def below_the_line(drawn: np.ndarray, page: np.ndarray = PAGE) -> np.ndarray:
    return drawn[len(drawn) - len(page) * growth(page) :]


def has(drawn: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((drawn == colour).all(axis=2).any())


def test_boxes_are_in_the_colour_of_the_outcome_and_leave_the_ink_alone() -> None:
    for reading, colour, other in ((OK, READ, REJECTED), (UNSURE, REJECTED, READ)):
        drawn = annotate(PAGE, reading)
        page = below_the_line(drawn)
        assert drawn.dtype == np.uint8
        assert drawn.shape[1:] == (400, 3)
        assert has(page, colour)
        assert not has(page, other)
        left, top, width, height = BOX
        assert tuple(page[top + 10, left - 1]) == colour
        assert tuple(page[top - 1, left + 10]) == colour
        assert tuple(page[top + 10, left + width]) == colour
        assert tuple(page[top + height, left + 10]) == colour
        # Between the digits' boxes nothing is drawn over.
        assert (page[top + 2 : top + height - 2, 52:84] == 200).all()


def test_a_page_without_numbers_only_gets_its_line() -> None:
    drawn = annotate(PAGE, BLANK)
    assert (below_the_line(drawn) == 200).all()
    assert has(drawn, REJECTED)


def test_the_image_given_is_not_changed_and_colour_is_kept() -> None:
    page = np.full((300, 400, 3), (10, 20, 30), np.uint8)
    before = page.copy()
    drawn = annotate(page, OK)
    assert np.array_equal(page, before)
    assert tuple(below_the_line(drawn)[-1, -1]) == (10, 20, 30)


def test_small_images_are_enlarged_with_their_boxes() -> None:
    tiny = np.zeros((28, 28), np.uint8)
    number = Number("1", 0.9, (12, 4, 4, 20), ())
    drawn = annotate(tiny, Reading("a", "ok", "1", 0.9, (number,)))
    assert drawn.shape[1] == 28 * growth(tiny) >= 240
    page = below_the_line(drawn, tiny)
    rows, columns = np.nonzero((page == READ).all(axis=2))
    factor = growth(tiny)
    assert abs(int(columns.min()) - 12 * factor) <= 3
    assert abs(int(rows.max()) - 24 * factor) <= 3


def test_several_numbers_are_labelled_one_by_one() -> None:
    numbers = (NUMBER, Number("8", 0.99, (250, 200, 30, 40), ()))
    one = below_the_line(annotate(PAGE, OK))
    both = below_the_line(annotate(PAGE, Reading("a", "ok", "47\n8", 0.7, numbers)))
    above_first = (slice(40, 57), slice(50, 100))
    assert (one[above_first] == 200).all()
    assert has(both[above_first], READ)


def test_a_doubted_number_among_others_is_red() -> None:
    doubted = replace(NUMBER, box=(250, 200, 60, 40), digits=(), reason="unsure")
    page = below_the_line(annotate(PAGE, Reading("a", "ok", "47", 0.7, (NUMBER, doubted))))
    assert tuple(page[199, 260]) == REJECTED
    assert tuple(page[59, 60]) == READ


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (OK, "47  72.0 %"),
        (UNSURE, "rejected: unsure (47?)"),
        (BLANK, "rejected: blank"),
        (Reading("a", "ok", "4\n7", 0.5, (NUMBER, NUMBER)), "2 numbers  50.0 %"),
        (Reading("a", "error", "", 0.0, (), error="no such file"), "error"),
    ],
)
def test_the_outcome_in_words(reading: Reading, words: str) -> None:
    assert outcome(reading) == words


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.lists(st.tuples(*[st.integers(-30, 90)] * 2, *[st.integers(1, 90)] * 2), max_size=3),
)
def test_any_box_on_any_page_can_be_drawn(
    height: int, width: int, boxes: list[tuple[int, int, int, int]]
) -> None:
    page = np.full((height, width), 128, np.uint8)
    numbers = tuple(Number("1234567890" * 3, 0.5, box, ()) for box in boxes)
    drawn = annotate(page, Reading("a", "ok", "1", 0.5, numbers))
    assert drawn.shape[1] == width * growth(page)
    assert len(drawn) > height * growth(page)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG"])
def test_drawings_are_files_of_their_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "deep" / f"a{suffix}"
    draw_reading(PAGE, OK, path)
    assert path.read_bytes().startswith(b"\x89PNG" if suffix == ".png" else b"\xff\xd8")
    blue, green, red = cv2.imread(str(path))[:40].reshape(-1, 3).min(axis=0)
    assert green > max(blue, red), "red and blue must not change places, nor the line be missing"


def test_every_page_has_a_drawing(tmp_path: Path) -> None:
    pages = [Image.new("L", (300, 200), shade) for shade in (200, 100)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    draw_reading(tmp_path / "a.tif", OK, tmp_path / "a.tif.png")
    for name, shade in (("a.tif.png", 200), ("a.tif.page-2.png", 100)):
        drawn = cv2.imread(str(tmp_path / name))
        assert (drawn[-5:] == shade).all()
    # A number of no page is on the first.
    assert not has(drawn[-200:, :, ::-1], READ)


def test_a_place_where_nobody_may_write() -> None:
    with pytest.raises(CannotWrite):
        draw_reading(PAGE, OK, Path("/proc/drawn/a.png"))
