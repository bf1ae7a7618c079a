"""The pictures of every stage: what they show of digits, of numbers, of pages and of nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image, ImageColor

from inkdigits.artefact.metadata import LINE_LABELS, OTHER
from inkdigits.cli.main import main
from inkdigits.imaging.line import LOOKS, find_number
from inkdigits.models.metadata import digit_metadata, line_metadata
from inkdigits.reading import digit_panels, number_panels, page_panels, panels
from inkdigits.reading.constraints import Constraints
from inkdigits.reading.ctc import Candidate
from inkdigits.reading.inspect import draw_stages, place_sections
from inkdigits.reading.number import SeenNumber
from inkdigits.reading.page_panels import second_best
from inkdigits.reading.reader import LAYOUTS, Layout, Reader, Seen, Stages
from inkdigits.reading.result import Number

NONE = len(LINE_LABELS) - 1


class FakeDigitModel:
    """Says 7 with 0.75."""

    metadata = digit_metadata(reject_threshold=0.5)

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        row = np.full(10, 0.25 / 9, np.float32)
        row[7] = 0.75
        return np.tile(row, (len(images), 1))


class FakeLineModel:
    """Says the signs of `signs` one after the other, each in the middle of a piece of ink."""

    metadata = line_metadata(reject_threshold=0.5)

    def __init__(self, signs: str = "3141592653", sure: float = 0.97) -> None:
        self.signs, self.sure = signs, sure

    def predict_steps(self, crops: np.ndarray) -> np.ndarray:
        steps = np.full((len(crops), crops.shape[2] // 2, len(LINE_LABELS)), 1e-4, np.float32)
        steps[..., NONE] = 1
        for view, crop in zip(steps, crops, strict=True):
            ink = (crop > 100).any(axis=0).astype(np.int8)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], ink, [0]])))
            for piece, (left, right) in enumerate(edges.reshape(-1, 2).tolist()):
                step = view[(left + right) // 4]
                step[[LINE_LABELS.index(self.signs[piece % len(self.signs)]), NONE]] = (
                    self.sure,
                    1 - self.sure,
                )
        return steps / steps.sum(axis=2, keepdims=True)


def strokes(count: int, rule: bool = False) -> np.ndarray:
    """Return a page with upright strokes side by side, on a printed line or not."""
    page = np.full((90, 60 + 40 * count), 220, np.uint8)
    for place in range(count):
        page[25:65, 40 + 40 * place : 46 + 40 * place] = 30
    if rule:
        page[72:74, :] = 120
    return page


def many(rows: int, columns: int) -> np.ndarray:
    """Return a page of `rows` × `columns` numbers of three strokes, far from each other."""
    page = np.full((60 + 110 * rows, 60 + 260 * columns), 220, np.uint8)
    for row in range(rows):
        for column in range(columns):
            for stroke in range(3):
                left, top = 50 + 260 * column + 30 * stroke, 50 + 110 * row
                page[top : top + 44, left : left + 6] = 30
    return page


def look(page: np.ndarray, layout: Layout = "line", model: object = None, **more: object) -> Stages:
    reader = Reader(model or FakeLineModel(), layout=layout, **more)  # type: ignore[arg-type]
    reader._load_digit_model = FakeDigitModel
    return reader.stages(page, "page.png")


def shown(page: np.ndarray, stages: Stages) -> list[panels.Section]:
    (seen,) = stages.seen
    return place_sections(page, seen)


def panel(name: str, page: np.ndarray, stages: Stages) -> panels.Panel:
    """Return the one panel of a number whose title begins with the number `name`."""
    (section,) = shown(page, stages)
    (found,) = [one for one in section.panels if one.title.split()[0] == name]
    return found


def count(image: Image.Image, colour: str | tuple[int, int, int]) -> int:
    """Return how many pixels of `image` have `colour`."""
    wanted = ImageColor.getrgb(colour) if isinstance(colour, str) else colour
    return int((np.asarray(image) == wanted).all(axis=2).sum())


def test_a_digit_is_shown_in_six_panels() -> None:
    stages = look(strokes(1), "digit", FakeDigitModel())
    (section,) = shown(strokes(1), stages)
    assert [one.title[0] for one in section.panels] == list("123456")
    assert {one.image.size for one in section.panels} == {(panels.PANEL, panels.PANEL)}
    assert count(section.panels[0].image, panels.ACCENT) > 100
    assert section.panels[5].caption == "most likely: 7", "it cannot tell what is no digit"
    (seen,) = stages.seen
    assert seen.digit is not None
    told = digit_panels.bars_panel(replace(seen.digit, not_a_digit=0.25))
    assert told.caption == "most likely: 7; no digit: 25.0%"


@pytest.mark.parametrize(("sure", "views"), [(0.99, 1), (0.95, 3), (0.8, 7)])
def test_a_doubtful_number_is_shown_in_more_views(sure: float, views: int) -> None:
    stages = look(strokes(4), model=FakeLineModel(sure=sure))
    assert stages.reading.text == "3141"
    (section,) = shown(strokes(4), stages)
    titles = [one.title.split()[0] for one in section.panels]
    assert titles == [str(n) for n in range(1, 6 + views)]
    assert len({one.caption for one in section.panels[3 : 3 + views]}) == views <= len(LOOKS) == 7
    picture = draw_stages(stages)
    assert picture.mode == "RGB"
    assert picture.width == panels.CONTENT + 2 * panels.GAP


def test_the_source_shows_the_number_and_its_digits() -> None:
    page = strokes(4)
    image = panel("1", page, look(page)).image
    assert count(image, panels.ACCENT) > 400
    assert count(image, number_panels.DIGITS) > 300
    other = panel("1", page, look(page, model=FakeLineModel(OTHER))).image
    assert count(other, panels.ACCENT) > 400
    assert count(other, number_panels.DIGITS) == 0


def test_printed_lines_are_told_from_what_was_kept() -> None:
    page = strokes(4, rule=True)
    place = find_number(page)
    assert place is not None
    colours = number_panels.sorted_ink(place.ink, 190)
    assert (colours[72:74] == number_panels.REMOVED).all(axis=2).mean() > 0.9
    assert (colours[30:60, 41:45] == number_panels.DARK).all()
    assert (colours[:20] > 250).all()
    assert "red: printed lines, 0.0%" not in panel("3", page, look(page)).caption


def test_one_view_is_marked_as_the_best() -> None:
    page = strokes(3)
    stages = look(page, model=FakeLineModel(sure=0.8))
    assert stages.seen[0].number is not None
    best = stages.seen[0].number.candidates[0].view
    (section,) = shown(page, stages)
    views = section.panels[3:10]
    expected = [index == best for index in range(len(LOOKS))]
    assert ["the best" in one.title for one in views] == expected
    assert [count(one.image, panels.ACCENT) > 0 for one in views] == expected
    assert section.panels[10].title == f"11  steps of view {best + 1}"


def test_the_heat_map_is_darkest_where_a_step_is_sure() -> None:
    steps = np.zeros((5, len(number_panels.READ)), np.float32)
    steps[:, -1] = 1
    steps[3, [4, -1]] = 1, 0
    steps[1, 8] = 0.01
    row = number_panels.ROW
    image = np.asarray(number_panels.heat_map(steps, 6))
    assert image.shape == (row * len(number_panels.READ), 30, 3)
    dark = (image == number_panels.DARK).all(axis=2)
    assert dark[4 * row : 5 * row, 18:24].all()
    assert dark.sum() == row * 6
    assert (image[8 * row, 6] < 240).all(), "also a hundredth is seen"


@pytest.mark.parametrize("signs", ["31", OTHER, f"7{OTHER}2"])
def test_the_steps_of_the_text_are_framed_in_their_rows(signs: str) -> None:
    page = strokes(3)
    stages = look(page, model=FakeLineModel(signs))
    read = stages.seen[0].number
    assert read is not None
    assert read.candidates[0].text == "".join(signs[place % len(signs)] for place in range(3))
    image = panel(str(4 + len(read.crops)), page, stages).image
    rows = np.split(
        np.asarray(image)[-len(number_panels.READ) * number_panels.ROW :], len(number_panels.READ)
    )
    framed = {
        label
        for label, row in zip(number_panels.READ, rows, strict=True)
        if count(Image.fromarray(row), panels.ACCENT) > 30
    }
    assert framed == set(signs)


def test_the_candidates_have_bars_as_long_as_they_are_probable() -> None:
    page = strokes(2)
    image = panel("12", page, look(page, model=FakeLineModel(sure=0.6))).image
    lengths = [
        int((np.asarray(image)[22 + 32 * place] == ImageColor.getrgb(colour)).all(axis=1).sum())
        for place, colour in enumerate([panels.ACCENT, panels.BAR, panels.BAR, panels.BAR])
    ]
    assert all(longer >= shorter > 0 for longer, shorter in pairwise(lengths))
    assert lengths[0] > 2 * lengths[-1]


def test_without_a_candidate_the_panels_say_so() -> None:
    page = strokes(2)
    stages = look(page, constraints=Constraints(length=30))
    assert stages.reading.status == "rejected"
    assert panel("12", page, stages).caption == "no text was found that may be read"
    draw_stages(stages)


def test_what_both_networks_looked_at_is_shown_of_both() -> None:
    stages = look(strokes(1), "auto")
    sections = shown(strokes(1), stages)
    assert [len(section.panels) for section in sections] == [6, 6]
    assert [section.heading for section in sections] == [
        "looked at as a number",
        "looked at as one digit, which decides",
    ]


def test_a_single_place_of_a_page_is_shown_where_it_is() -> None:
    page = np.full((400, 600), 220, np.uint8)
    page[100:190, 200:340] = strokes(2)
    stages = look(page, "page")
    first, second = shown(page, stages)
    assert first.heading == "where it was found"
    assert count(first.panels[0].image, page_panels.ACCEPTED) > 100
    assert len(second.panels) == 6


def test_a_page_shows_every_place_and_what_became_of_it() -> None:
    page = many(3, 2)
    stages = look(page, "page")
    assert stages.reading.text == "\n".join(["314"] * 6)
    image = page_panels.overview_panel(page, stages.seen).image
    assert count(image, page_panels.ACCEPTED) > 6 * 300
    assert count(image, page_panels.DOUBTED) == count(image, page_panels.REJECTED) == 0
    assert page_panels.counted(stages.seen) == "6 places: 6 read, 0 doubted, 0 rejected"
    doubted = look(page, "page", FakeLineModel(sure=0.7))
    assert page_panels.counted(doubted.seen) == "6 places: 0 read, 6 doubted, 0 rejected"
    assert count(page_panels.overview_panel(page, doubted.seen).image, page_panels.DOUBTED) > 1800
    none = look(page, "page", FakeLineModel(OTHER))
    assert page_panels.counted(none.seen) == "6 places: 0 read, 0 doubted, 6 rejected"
    assert count(page_panels.overview_panel(page, none.seen).image, page_panels.REJECTED) > 1800


def test_boxes_of_a_page_lie_where_the_numbers_are() -> None:
    page = np.full((600, 800), 220, np.uint8)
    seen = [Seen((100, 150, 200, 80), None, None, Number("5", 0.9, (110, 160, 180, 60), ()))]
    image = np.asarray(page_panels.overview_panel(page, seen).image)
    scale = image.shape[1] / 800
    green = (image == ImageColor.getrgb(page_panels.ACCEPTED)).all(axis=2)
    y, x = np.nonzero(green[round(170 * scale) :])
    edges = (x.min(), x.max(), y.max() + round(170 * scale))
    np.testing.assert_allclose(edges, np.multiply((100, 300, 230), scale), atol=2)


def test_the_first_sixty_places_get_a_strip() -> None:
    seen = [Seen((10, 10 * place, 20, 9), None, None, "blank") for place in range(75)]
    few = page_panels.strips_panel(seen[:60], 1000)
    more = page_panels.strips_panel(seen, 1000)
    assert "more" not in few.caption
    assert more.caption.endswith("15 more are not shown")
    assert more.image.size == few.image.size
    assert count(more.image, page_panels.REJECTED) >= 60 * 5 * page_panels.STRIP_HEIGHT * 0.9


def test_a_strip_shows_the_crop_the_network_saw() -> None:
    for stages in (look(strokes(3)), look(strokes(1), "auto")):
        (seen,) = stages.seen
        crop = page_panels.crop_of(seen)
        assert crop is not None
        image = np.asarray(page_panels.strip(seen, 1).convert("L"))
        top = (page_panels.STRIP_HEIGHT - 2 * len(crop)) // 2
        part = image[top : top + 2 * len(crop) : 2, 44 : 44 + 2 * crop.shape[1] : 2]
        np.testing.assert_array_equal(part, crop)
    assert crop.shape == (28, 28)


def test_nothing_is_shown_as_nothing() -> None:
    blank = np.full((80, 120), 200, np.uint8)
    for layout in LAYOUTS:
        stages = look(blank, layout)
        assert stages.reading.reason == "blank"
        assert draw_stages(stages).mode == "RGB"
    assert [one.caption for one in shown(blank, look(blank))[0].panels][1:] == [
        "deepest 0 of 255, noise 0",
        "the network saw nothing",
    ]


@pytest.mark.parametrize("page", [strokes(1), strokes(5), many(2, 2), np.zeros((9, 9), np.uint8)])
def test_titles_and_captions_are_ascii(page: np.ndarray) -> None:
    stages = look(page, "auto")
    if len(stages.seen) == 1:
        made = [one for section in shown(page, stages) for one in section.panels]
    else:
        made = [
            page_panels.overview_panel(page, stages.seen),
            page_panels.strips_panel(stages.seen, 900),
        ]
    assert all((one.title + one.caption).isascii() for one in made)


def test_long_names_and_captions_stay_on_the_picture() -> None:
    wide = panels.font(15, "x" * 60, 300).getlength("x" * 60)
    assert wide <= 300 < panels.font(15).getlength("x" * 60)
    picture = panels.compose("1" * 300, "ä" * 300, [panels.Section("", [])])
    margin = np.asarray(picture)[:, -panels.GAP + 2 :]
    assert (margin == ImageColor.getrgb(panels.GROUND)).all()


@settings(max_examples=25, deadline=None)
@given(
    page=st_numpy.arrays(
        np.uint8,
        st.tuples(st.integers(1, 60), st.integers(1, 90)),
        elements=st.sampled_from([0, 30, 200, 220, 255]),
    ),
    layout=st.sampled_from(LAYOUTS),
    sure=st.floats(0.1, 1),
)
def test_every_page_can_be_drawn(page: np.ndarray, layout: Layout, sure: float) -> None:
    picture = draw_stages(look(page, layout, FakeLineModel(f"12{OTHER}", sure)))
    assert picture.mode == "RGB"
    assert picture.width >= panels.CONTENT


def test_the_verb_takes_a_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "one.png", tmp_path / "stages.png"
    Image.fromarray(strokes(1)).save(source)
    assert main(["inspect", str(source), "-o", str(out), "--layout", "digit"]) == 0
    with Image.open(out) as picture:
        assert picture.width == panels.CONTENT + 2 * panels.GAP
    assert main(["inspect", str(source), "-o", str(out), "--layout", "table"]) == 2
    assert "unknown layout 'table'" in capsys.readouterr().err


def test_beside_what_is_told_stands_the_best_of_the_others() -> None:
    texts = (("?2160", 0.6), ("2160", 0.3), ("216", 0.1))
    candidates = tuple(Candidate(text, share, share, 0, 1.0) for text, share in texts)
    number = SeenNumber((), (), candidates)
    doubted = Number("2160", 0.3, (0, 0, 1, 1), (), (), "unsure")
    assert second_best(Seen((0, 0, 1, 1), None, number, doubted)) == "; seen next: ?2160 (60.0%)"
    sure = replace(doubted, text="?2160")
    assert second_best(Seen((0, 0, 1, 1), None, number, sure)) == "; seen next: 2160 (30.0%)"
    none = Seen((0, 0, 1, 1), None, number, "not_a_digit")
    assert second_best(none) == "; seen next: 2160 (30.0%)"
    alone = SeenNumber((), (), candidates[:1])
    assert second_best(Seen((0, 0, 1, 1), None, alone, sure)) == ""
