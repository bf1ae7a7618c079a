"""Whole numbers and pages through the real Reader, with models that say what a test wants."""

from __future__ import annotations

import io
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.errors import UsageError
from inkdigits.imaging.line import LOOKS, Place, find_closely, find_number
from inkdigits.models.metadata import digit_metadata, line_metadata
from inkdigits.reading.constraints import Constraints
from inkdigits.reading.models import load_line_model
from inkdigits.reading.number import see_numbers
from inkdigits.reading.reader import Layout, Reader

NONE = len(LINE_LABELS) - 1
Grey = NDArray[np.uint8]


class Line:
    """Says one sign of `signs` for each piece of ink, from the left; `sure` of them all.

    The rest of the probability goes to the next sign of the alphabet.
    """

    def __init__(self, signs: str, sure: float = 0.9, reject_threshold: float = 0.0) -> None:
        self.signs, self.sure = signs, sure
        self.metadata = line_metadata(reject_threshold=reject_threshold)

    def predict_steps(self, crops: Grey) -> NDArray[np.float32]:
        steps = np.zeros((len(crops), crops.shape[2] // 2, len(LINE_LABELS)), np.float32)
        steps[..., NONE] = 1
        for view, crop in zip(steps, crops, strict=True):
            ink = (crop > 100).any(axis=0).astype(np.int8)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], ink, [0]]))).reshape(-1, 2)
            for sign, (left, right) in zip(self.signs, edges.tolist(), strict=False):
                label = LINE_LABELS.index(sign)
                view[(left + right) // 4] = 0
                view[(left + right) // 4, label] = self.sure
                view[(left + right) // 4, (label + 1) % 10] = 1 - self.sure
        return steps


class Seven:
    """Says 7 with 0.75 of everything."""

    metadata = digit_metadata()

    def predict_proba(self, images: Grey) -> NDArray[np.float32]:
        row = np.full(10, 0.25 / 9, np.float32)
        row[7] = 0.75
        return np.tile(row, (len(images), 1))


def bars(
    columns: list[int], width: int = 400, height: int = 120, rows: tuple[int, int] = (30, 90)
) -> Grey:
    """A page with one thick upright bar at each of `columns`."""
    page = np.full((height, width), 230, np.uint8)
    for column in columns:
        cv2.line(page, (column, rows[0]), (column + 4, rows[1]), 20, 9)
    return page


THREE = bars([100, 160, 220])


@pytest.mark.parametrize(
    ("sure", "reason", "text"), [(0.95, "not_a_digit", ""), (0.7, "unsure", "317")]
)
def test_what_is_probably_no_number_is_told_only_where_it_may_be_one(
    sure: float, reason: str, text: str
) -> None:
    # What is left of the probability says that the other sign is a 1.
    reading = Reader(Line("3?7", sure), layout="line").read(THREE, "x")
    assert (reading.status, reading.reason, reading.text) == ("rejected", reason, text)
    if text:
        assert reading.confidence == pytest.approx(sure**2 * (1 - sure), abs=0.01)


def test_a_number_is_read_as_a_whole_with_its_digits_in_place() -> None:
    reading = Reader(Line("347"), layout="line").read(THREE, "x")
    assert (reading.status, reading.text) == ("ok", "347")
    (number,) = reading.numbers
    assert number.confidence == pytest.approx(0.9**3, abs=0.01) == reading.confidence
    assert [digit.digit for digit in number.digits] == [3, 4, 7]
    left, top, width, height = number.box
    for digit, column in zip(number.digits, (100, 160, 220), strict=True):
        x, y, wide, high = digit.box
        assert abs(x + wide / 2 - (column + 2)) < 8
        assert left - 4 <= x and x + wide <= left + width + 4
        assert top - 6 <= y and y + high <= top + height + 6
        assert digit.confidence == pytest.approx(0.9, abs=0.02)
    assert all(one.box[0] < two.box[0] for one, two in pairwise(number.digits))


class Wavering(Line):
    """Is sure at the first look, and of something else at every later one."""

    looks = 0

    def predict_steps(self, crops: Grey) -> NDArray[np.float32]:
        steps = []
        for crop in crops:
            said = Line("341" if self.looks else self.signs, self.sure)
            steps.append(said.predict_steps(crop[None])[0])
            self.looks += 1
        return np.stack(steps)


def test_with_a_target_error_all_looks_must_agree_on_what_is_sure() -> None:
    sure = Wavering("347", 0.99)
    assert Reader(sure, layout="line").read(THREE).confidence > 0.9
    assert sure.looks == 1
    careful = Wavering("347", 0.99)
    careful.metadata = line_metadata(val_curve=[[0.9, 500, 0], [0.0, 1000, 100]], val_n=1000)
    reading = Reader(careful, layout="line", target_error=0.01).read(THREE)
    assert careful.looks == len(LOOKS)
    assert (reading.status, reading.reason) == ("rejected", "unsure")


def test_what_may_be_no_number_is_told_with_its_share_however_it_is_looked_at() -> None:
    """What is said of trust was counted where the best text is a number."""
    doubtful = Line("3?7", 0.6)
    doubtful.metadata = line_metadata(val_curve=[[0.0, 1000, 1]], val_n=1000)
    reading = Reader(doubtful, layout="line", target_error=0.01, top=2).read(THREE)
    assert (reading.status, reading.reason) == ("rejected", "unsure")
    (number,) = reading.numbers
    # The next sign after the one that is no digit is a 1, as `Line` shares things out.
    assert (number.text, number.confidence) == ("317", pytest.approx(0.6 * 0.4 * 0.6, abs=0.01))


def test_alternatives_come_in_order_of_their_probability() -> None:
    (number,) = Reader(Line("347"), layout="line", top=3).read(THREE).numbers
    texts = [other.text for other in number.alternatives]
    assert len(texts) == 2
    assert set(texts) <= {"447", "357", "348"}
    chances = [number.confidence, *[other.confidence for other in number.alternatives]]
    assert chances == sorted(chances, reverse=True)
    assert number.to_dict()["alternatives"][0]["text"] == texts[0]


@pytest.mark.parametrize(
    ("constraints", "text"),
    [
        (Constraints(max=346), None),
        (Constraints(min=400), "447"),
        (Constraints(pattern="3[5-9]7"), "357"),
        (Constraints(checksum="luhn"), "448"),
        (Constraints(length=4), None),
    ],
)
def test_constraints_are_kept_or_nothing_is_read(
    constraints: Constraints, text: str | None
) -> None:
    model = Line("347", sure=0.8)
    reading = Reader(model, layout="line", constraints=constraints).read(THREE)
    if text is None:
        assert (reading.status, reading.reason, reading.numbers) == ("rejected", "unsure", ())
        return
    assert (reading.status, reading.text) == ("ok", text)
    assert constraints.accepts(reading.text)


def test_what_fulfils_constraints_but_was_hardly_seen_is_unsure() -> None:
    known = Constraints(pattern=r"4\d7")
    reading = Reader(Line("347", sure=0.999), layout="line", constraints=known).read(THREE)
    assert (reading.status, reading.reason) == ("rejected", "unsure")
    assert reading.numbers[0].text == "447", "it is told all the same"


def test_a_digit_that_does_not_fit_is_unsure_and_no_stain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkdigits.reading.reader.digit_loader", lambda *_: Seven)
    reading = Reader(Line("7"), constraints=Constraints(length=4)).read(bars([100], width=200))
    assert (reading.status, reading.reason) == ("rejected", "unsure")


def test_what_is_no_whole_number_is_rejected_with_a_reason() -> None:
    for signs in ("3?7", "???"):
        reading = Reader(Line(signs), layout="line").read(THREE)
        assert (reading.status, reading.reason, reading.text) == ("rejected", "not_a_digit", "")
    blank = np.full((90, 200), 240, np.uint8)
    for layout in ("line", "page", "auto"):
        reading = Reader(Line("1"), layout=layout).read(blank)
        assert (reading.status, reading.reason) == ("rejected", "blank")


def test_a_doubted_number_is_told_but_left_out_of_the_text() -> None:
    reader = Reader(Line("347", sure=0.8, reject_threshold=0.6), layout="line")
    reading = reader.read(THREE)
    assert (reading.status, reading.reason, reading.text) == ("rejected", "unsure", "347")
    assert reading.numbers[0].reason == "unsure"
    assert (
        Reader(Line("347", sure=0.9, reject_threshold=0.6), layout="line").read(THREE).status
        == "ok"
    )


def page_of_lines() -> Grey:
    """Three lines of numbers of three bars each, two numbers to a line."""
    rows = [(30 + 130 * line, 90 + 130 * line) for line in range(3)]
    page = np.full((420, 900), 235, np.uint8)
    for top, bottom in rows:
        for column in (60, 100, 140, 560, 600, 640):
            cv2.line(page, (column, top), (column + 4, bottom), 25, 9)
    return page


@pytest.mark.parametrize("layout", ["auto", "page"])
def test_a_page_is_read_number_by_number_in_reading_order(layout: str) -> None:
    reading = Reader(Line("123"), layout=layout).read(page_of_lines())
    assert reading.text.split("\n") == ["123"] * 6
    boxes = [number.box for number in reading.numbers]
    assert all(
        one[1] + one[3] < two[1] or (abs(one[1] - two[1]) < 30 and one[0] < two[0])
        for one, two in pairwise(boxes)
    )
    for number, column in zip(reading.numbers, (60, 560) * 3, strict=True):
        assert abs(number.digits[0].box[0] - column) < 12, "boxes are in pixels of the page"
    assert reading.confidence == min(number.confidence for number in reading.numbers)


def test_more_texts_are_looked_at_than_are_told_where_they_matter() -> None:
    """A digit that only the second-best text names counts, however few texts are wanted."""
    seen = Reader(Line("7", sure=0.6)).stages(bars([100], width=200)).seen[0]
    assert [candidate.text for candidate in seen.number.candidates[:2]] == ["7", "8"]
    one, three = (Reader(Line("7", 0.6), top=top).read(bars([100], width=200)) for top in (1, 3))
    assert one.confidence == three.confidence


def test_auto_asks_both_models_about_a_single_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkdigits.reading.reader.digit_loader", lambda *_: Seven)
    one = bars([100], width=200)
    agreed = Reader(Line("7")).read(one)
    assert (agreed.text, agreed.confidence) == ("7", pytest.approx((0.75 + 0.9) / 2, abs=0.01))
    assert agreed.status == "ok"
    torn = Reader(Line("1"), top=2).read(one)
    assert (torn.text, torn.numbers[0].alternatives[0].text) == ("1", "7")
    assert (torn.status, torn.reason) == ("rejected", "unsure")
    for signs in ("?", ""):
        assert Reader(Line(signs)).read(one).reason == "not_a_digit"
    assert Reader(Line("347")).read(THREE).text == "347"
    assert Reader(Line("1"), layout="line").read(one).text == "1"


def test_numbers_of_a_page_read_at_once_are_those_read_one_after_the_other() -> None:
    rows = [bars([40 + 10 * row, 80 + 12 * row, 130 + 15 * row], width=700) for row in range(12)]
    page = np.vstack(rows)
    alone, several = Two("347"), Two("347")
    reading = Reader(alone, layout="page").read(page)
    assert len(reading.numbers) == 12
    assert Reader(several, layout="page", at_once=5).read(page) == reading
    # Four lots of three numbers instead of two of eight and four.
    assert several.runs > alone.runs


@pytest.mark.parametrize("layout", ["page", "auto"])
def test_a_page_without_numbers_or_with_one(layout: Layout) -> None:
    for at_once in (1, 3):
        reader = Reader(Line("347"), layout=layout, at_once=at_once)
        assert reader.read(np.full((900, 700), 230, np.uint8)).reason == "blank"
        one = np.full((900, 700), 230, np.uint8)
        one[300:420, 150:550] = bars([100, 160, 220])
        assert reader.read(one).text == "347"


def test_the_bundled_network_says_the_same_of_numbers_together_and_alone() -> None:
    pages = [bars([40 + 45 * place for place in range(1 + n % 4)]) for n in range(9)]
    places = [find_number(page) for page in pages]
    model = load_line_model(1)
    for place, number in zip(places, see_numbers(places, model), strict=True):
        (alone,) = see_numbers([place], model)
        assert alone is not None and number is not None
        assert number.candidates == alone.candidates


class Two(Line):
    """Two networks that differ in how sure they are of long numbers only; counts its runs."""

    runs = 0

    def predict_steps(self, crops: Grey) -> NDArray[np.float32]:
        self.runs += 1
        doubting = Line(self.signs, 0.95 - crops.shape[2] / 400)
        both = [super().predict_steps(crops), doubting.predict_steps(crops)]
        return np.stack(both, axis=1).reshape(-1, *both[0].shape[1:])


def test_numbers_seen_together_are_those_seen_alone() -> None:
    pages = [bars([40 + 45 * place for place in range(1 + n % 5)]) for n in range(41)]
    places = [*map(find_number, pages), None]
    model = Two("34781", 0.99)
    together = see_numbers(places, model)
    assert model.runs < 41
    assert together.pop() is None
    looks = set()
    for place, number in zip(places, together, strict=False):
        (alone,) = see_numbers([place], model)
        assert alone is not None and number is not None
        assert number.candidates == alone.candidates
        assert len(number.steps) == 2 * len(number.crops)
        for one, other in zip(number.steps, alone.steps, strict=True):
            np.testing.assert_array_equal(one, other)
        looks.add(len(number.crops))
    assert looks == {1, 3, 7}


def test_a_page_of_many_numbers_is_not_looked_at_closely_as_if_it_were_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[tuple[int, ...]] = []

    def noted(grey: Grey, place: Place) -> Place:
        looked.append(grey.shape)
        return find_closely(grey, place)

    monkeypatch.setattr("inkdigits.reading.reader.find_closely", noted)
    page = np.full((1600, 1300), 230, np.uint8)
    for row in range(10):
        page[150 * row + 20 : 150 * row + 140, 100:500] = bars([100, 160, 220])[:, :400]
    assert len(Reader(Line("347")).read(page).numbers) == 10
    assert not looked
    # What is wide has room for one: there the closer look pays.
    assert len(Reader(Line("347")).read(np.hstack([bars([100, 160, 220])] * 3)).numbers) == 3
    assert len(looked) == 1


def test_each_page_of_a_file_says_which_it_is() -> None:
    buffer = io.BytesIO()
    pages = [Image.fromarray(THREE) for _ in range(2)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    reading = Reader(Line("347"), layout="line").read(buffer.getvalue())
    assert [number.page for number in reading.numbers] == [1, 2]
    assert reading.to_dict()["numbers"][1]["page"] == 2
    assert Reader(Line("347"), layout="line").read(THREE).numbers[0].page is None


def test_wrong_arguments_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="unknown layout 'book'"):
        Reader(Line("1"), layout="book")
    with pytest.raises(UsageError, match="top must be at least 1, got 0"):
        Reader(Line("1"), top=0)
    with pytest.raises(UsageError, match="at_once must be at least 1, got 0"):
        Reader(Line("1"), at_once=0)
