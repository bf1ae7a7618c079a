"""Segmentation: every number of a page gets one region, in reading order; one number gets one."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inkdigits.imaging.line import line_crops
from inkdigits.imaging.page_ink import faint_and_ink, page_ink, rough_height
from inkdigits.imaging.page_rules import find_rules
from inkdigits.imaging.segment import Region, layout_of, segment
from inkdigits.imaging.table import cells_between
from inkdigits.imaging.text_lines import parting_gap, text_numbers

PAPER, INK, PRINT = 225, 60, 130
ROWS, COLUMNS, TALL, WIDE = 7, 5, 60, 130
LEFT, TOP = 70, 90


def sheet(rows: int = 620, columns: int = 800) -> np.ndarray:
    """Plain paper with a little fixed noise."""
    noise = np.random.default_rng(0).normal(0, 1.5, (rows, columns))
    return np.clip(PAPER + noise, 0, 255).astype(np.uint8)


def write(page: np.ndarray, text: str, left: int, foot: int, size: float = 1.0) -> None:
    """Write `text` in a plain stroke font; digits are 22 pixels tall at size 1."""
    cv2.putText(page, text, (left, foot), cv2.FONT_HERSHEY_SIMPLEX, size, INK, 3, cv2.LINE_AA)


def text_of(row: int, column: int) -> str:
    return str((17 * row + 31 * column) % 880 + 20)


def table(empty: tuple[tuple[int, int], ...] = (), lines: int = 2) -> np.ndarray:
    """A ruled table of `ROWS` by `COLUMNS` numbers, its cells `TALL` by `WIDE`."""
    page = sheet()
    for row in range(ROWS + 1):
        y = TOP + TALL * row
        cv2.line(page, (LEFT, y), (LEFT + WIDE * COLUMNS, y), PRINT, lines)
    for column in range(COLUMNS + 1):
        x = LEFT + WIDE * column
        cv2.line(page, (x, TOP), (x, TOP + TALL * ROWS), PRINT, lines)
    for row in range(ROWS):
        for column in range(COLUMNS):
            if (row, column) not in empty:
                place = LEFT + WIDE * column + 25 + 7 * (row % 3), TOP + TALL * row + 42
                write(page, text_of(row, column), *place)
    return page


def grid(regions: tuple[Region, ...]) -> list[tuple[int, int]]:
    return [(region.row, region.column) for region in regions]


FULL = [(row, column) for row in range(ROWS) for column in range(COLUMNS)]


def warped(page: np.ndarray, corners: list[list[int]]) -> np.ndarray:
    """Photograph `page` so that its corners come to lie at `corners`."""
    rows, columns = page.shape
    source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    way = cv2.getPerspectiveTransform(source, np.array(corners, np.float32))
    return cv2.warpPerspective(page, way, (columns, rows), borderValue=PAPER)


def test_a_table_is_read_cell_by_cell() -> None:
    regions = segment(table())
    assert grid(regions) == FULL
    for region in regions:
        left, top, width, height = region.box
        x, y = left + width / 2, top + height / 2
        assert LEFT + WIDE * region.column < x < LEFT + WIDE * (region.column + 1)
        assert TOP + TALL * region.row < y < TOP + TALL * (region.row + 1)


def test_regions_are_tight_and_hold_their_number() -> None:
    for region in segment(table()):
        width, height = region.box[2:]
        size = cv2.getTextSize(text_of(region.row, region.column), 0, 1.0, 3)[0]
        assert size[0] - 6 <= width <= size[0] + 30
        assert size[1] - 2 <= height <= size[1] + 30


def test_a_side_drawn_again_with_a_pen_is_no_digit() -> None:
    """Bolder and darker than the rules, it is no rule; in an empty cell it is no number."""
    page = table(empty=((2, 1),))
    for row, column in ((4, 2), (5, 4), (2, 1)):
        x, y = LEFT + WIDE * column, TOP + TALL * row
        cv2.line(page, (x, y + 2), (x + 2, y + TALL - 2), INK - 30, 6)
    regions = {(region.row, region.column): region.box for region in segment(page)}
    plain = {(region.row, region.column): region.box for region in segment(table())}
    # Whatever is on the one side of the border is not in the cell on the other.
    assert len(regions) == ROWS * COLUMNS - 1
    for place in ((4, 1), (4, 2), (5, 3), (5, 4)):
        assert abs(regions[place][0] - plain[place][0]) <= 4
        assert abs(regions[place][2] - plain[place][2]) <= 4


def test_a_one_beside_its_cells_border_stays() -> None:
    page = table(empty=((3, 3),))
    x, y = LEFT + WIDE * 3 + 12, TOP + TALL * 3
    cv2.line(page, (x, y + 12), (x, y + 48), INK, 4)
    assert (3, 3) in grid(segment(page))


def test_empty_cells_give_no_region() -> None:
    regions = segment(table(empty=((1, 2), (3, 0), (3, 4))))
    assert len(regions) == ROWS * COLUMNS - 3
    assert [region.row for region in regions].count(3) == COLUMNS - 2


@pytest.mark.parametrize("angle", [-6, -2, 3, 6])
def test_the_order_follows_a_grid_askew(angle: int) -> None:
    rows, columns = table().shape
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), angle, 0.85)
    page = cv2.warpAffine(table(), turn, (columns, rows), borderValue=PAPER)
    regions = segment(page)
    assert grid(regions) == FULL
    for region in regions:
        left, top, width, height = region.box
        centre = LEFT + WIDE * (region.column + 0.5), TOP + TALL * (region.row + 0.5), 1
        x, y = turn @ np.array(centre)
        assert abs(left + width / 2 - x) < 0.5 * WIDE
        assert abs(top + height / 2 - y) < 0.4 * TALL


def test_perspective_and_shadow_do_no_harm() -> None:
    page = warped(table(), [[40, 20], [770, 0], [800, 620], [0, 590]])
    shade = np.where(np.arange(800) < 430, 1.0, 0.6)[None]
    assert grid(segment((page * shade).astype(np.uint8))) == FULL


def test_bent_rules_are_followed() -> None:
    page = table()
    x, y = np.meshgrid(np.arange(800, dtype=np.float32), np.arange(620, dtype=np.float32))
    bent = cv2.remap(page, x, y + 9 * np.sin(x / 250), cv2.INTER_LINEAR, borderValue=PAPER)
    assert grid(segment(bent)) == FULL


def test_a_table_cut_out_tightly_keeps_its_open_cells() -> None:
    page = table()[TOP + 3 : TOP + TALL * ROWS - 3, LEFT + 3 : LEFT + WIDE * COLUMNS - 3]
    assert grid(segment(page)) == FULL


def test_polarity_does_not_matter() -> None:
    assert grid(segment(255 - table())) == FULL


def test_polarity_is_found_on_a_page_full_of_small_digits() -> None:
    """Blurred by the ground's small copy, such a page is grey with white margins."""
    page = np.full((1750, 1240), 240, np.uint8)
    for foot in range(30, 1740, 30):
        for left in range(20, 1200, 34):
            write(page, str((foot + left) % 10), left, foot, 0.5)
    regions = segment(page)
    assert len({region.row for region in regions}) == 57
    assert len(segment(cv2.bitwise_not(page))) > 50


@pytest.mark.parametrize("scale", [0.8, 2.0, 4.5])
def test_size_does_not_matter(scale: float) -> None:
    page = cv2.resize(table(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    regions = segment(page)
    assert grid(regions) == FULL
    for one, other in zip(regions, segment(table()), strict=True):
        assert np.abs(np.array(one.box) / scale - other.box).max() < 8


def test_ink_that_hangs_over_belongs_to_its_cell() -> None:
    page = table(empty=((2, 2), (3, 2)))
    foot = TOP + TALL * 3 + 7
    write(page, "44", LEFT + WIDE * 2 + 40, foot, 1.2)
    regions = segment(page)
    found = [region for region in regions if region.row == 2 and region.column == 2]
    assert len(regions) == ROWS * COLUMNS - 1
    assert found[0].box[1] + found[0].box[3] >= foot


def test_numbers_under_each_other_that_touch_are_parted() -> None:
    page = table(empty=((2, 2), (3, 2)))
    left, border = LEFT + WIDE * 2 + 50, TOP + TALL * 3
    cv2.line(page, (left, border - 40), (left, border + 40), INK, 4)
    assert grid(segment(page)) == FULL


def test_free_lines_are_parted_at_gaps() -> None:
    page = sheet()
    texts = [["12500", "37"], ["1.234,50", "8", "4711"], ["90"]]
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            write(page, text, 60 + 240 * column, 100 + 90 * row)
    assert grid(segment(page)) == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0)]


@pytest.mark.parametrize("angle", [-5, 4])
def test_free_lines_askew_stay_lines(angle: int) -> None:
    page = sheet()
    for row in range(6):
        for column in range(4):
            write(page, text_of(row, column), 70 + 180 * column, 120 + 70 * row)
    turn = cv2.getRotationMatrix2D((400, 310), angle, 0.9)
    page = cv2.warpAffine(page, turn, (800, 620), borderValue=PAPER)
    assert grid(segment(page)) == [(row, column) for row in range(6) for column in range(4)]


def test_notebook_lines_are_no_table() -> None:
    page = sheet()
    for row in range(8):
        page[70 + 60 * row : 72 + 60 * row] = 150
    for row in range(4):
        write(page, text_of(row, 0), 90, 126 + 120 * row)
        write(page, text_of(row, 1), 420, 126 + 120 * row)
    assert grid(segment(page)) == [(row, column) for row in range(4) for column in range(2)]


def test_text_above_and_below_a_table_comes_before_and_after() -> None:
    page = table()
    write(page, "2026", 300, 60)
    write(page, "35", 600, 570)
    regions = segment(page)
    assert len(regions) == ROWS * COLUMNS + 2
    assert regions[0].box[1] < TOP and regions[-1].box[1] > TOP + TALL * ROWS
    assert [region.row for region in regions] == sorted(region.row for region in regions)


def comb(boxes: int, text: str) -> np.ndarray:
    page = np.full((110, 60 * boxes + 60), PAPER, np.uint8)
    cv2.rectangle(page, (30, 25), (30 + 60 * boxes, 85), 110, 2)
    for place in range(1, boxes):
        cv2.line(page, (30 + 60 * place, 25), (30 + 60 * place, 85), 110, 2)
    for place, digit in enumerate(text):
        write(page, digit, 46 + 60 * place, 68, 1.3)
    return page


@pytest.mark.parametrize(("boxes", "text"), [(4, "1407"), (9, "31405"), (3, "  7")])
def test_a_comb_is_one_number(boxes: int, text: str) -> None:
    assert layout_of(comb(boxes, text)) == "line"
    assert len(segment(comb(boxes, text))) == 1


def single(text: str, size: float) -> np.ndarray:
    width, height = cv2.getTextSize(text, 0, size, 3)[0]
    page = sheet(height + 30, width + 40)
    write(page, text, 20, height + 15, size)
    return page


@pytest.mark.parametrize("text", ["7", "25", "12.500,-", "1234567", "10 000"])
@pytest.mark.parametrize("size", [0.8, 3.0])
def test_one_number_is_a_line(text: str, size: float) -> None:
    assert layout_of(single(text, size)) == "line"


def test_widely_spaced_digits_are_one_number() -> None:
    page = sheet(140, 700)
    for place, digit in enumerate("135790"):
        write(page, digit, 60 + 100 * place, 90, 2.0)
    assert layout_of(page) == "line"


def test_several_lines_and_far_numbers_are_a_page() -> None:
    page = sheet(200, 220)
    write(page, "548", 40, 80, 2.0)
    write(page, "625", 40, 170, 2.0)
    assert layout_of(page) == "page"
    page = sheet(80, 700)
    write(page, "548", 40, 55)
    write(page, "625", 500, 55)
    assert layout_of(page) == "page"


def test_one_cell_with_its_frame_is_a_line() -> None:
    page = table()[TOP - 6 : TOP + TALL + 6, LEFT - 8 : LEFT + WIDE + 8]
    assert layout_of(page) == "line"


def test_a_dash_joins_on_one_line_and_ends_a_number_on_a_page() -> None:
    page = sheet(80, 500)
    write(page, "25 - 31", 40, 55)
    assert layout_of(page) == "line"
    page = sheet(200, 500)
    for row in (0, 1):
        write(page, "25-", 40, 60 + 90 * row)
        write(page, "31", 130, 60 + 90 * row)
    assert grid(segment(page)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_blank_pages_have_no_region() -> None:
    for page in (np.full((300, 200), 220, np.uint8), sheet(), np.zeros((2, 900), np.uint8)):
        assert segment(page) == ()
        assert layout_of(page) == "line"


def pieces(page: np.ndarray) -> int:
    image = line_crops(np.ascontiguousarray(page))[0].image
    return cv2.connectedComponents((image > 90).astype(np.uint8), connectivity=8)[0] - 1


def test_a_region_gives_the_crop_of_its_number() -> None:
    page = table()
    for region in segment(page)[::4]:
        left, top, width, height = region.box
        alone = single(text_of(region.row, region.column), 1.0)
        assert pieces(page[top : top + height, left : left + width]) == pieces(alone)


def test_ones_under_each_other_are_no_rule() -> None:
    page = table(empty=tuple((row, 1) for row in range(ROWS)))
    for row in range(ROWS):
        write(page, "17", LEFT + WIDE + 30, TOP + TALL * row + 52, 1.9)
    found = [region for region in segment(page) if region.column == 1]
    assert len(found) == ROWS
    assert min(region.box[0] for region in found) < LEFT + WIDE + 40


def test_rules_are_told_from_digits_in_a_column() -> None:
    page = sheet()
    for row in range(7):
        write(page, "11", 100, 90 + 60 * row)
    ink = page_ink(page)
    assert ink is not None
    masks = faint_and_ink(ink, ink.depth)
    assert masks is not None
    rules = find_rules(masks[0], rough_height(masks[1]))
    assert not rules.level and not rules.upright
    assert cells_between(rules, 22.0) is None


def test_gaps_are_told_by_those_within_numbers() -> None:
    close, wide = np.full(6, 3.0), np.full(6, 28.0)
    assert parting_gap(np.append(close, 90), 22, alone=False) < 40
    assert parting_gap(wide, 22, alone=True) > 28


def digits_at(*lefts: list[float]) -> np.ndarray:
    """Boxes of digits, 12 wide and 20 tall, one list of left sides a line."""
    return np.array(
        [
            [left, 50 * row, left + 12, 50 * row + 20]
            for row, line in enumerate(lefts)
            for left in line
        ],
        float,
    )


def counts(boxes: np.ndarray) -> list[list[int]]:
    """How many digits each number has, line by line."""
    return [[len(number) for number in line] for line in text_numbers(boxes, 20.0)]


def test_numbers_in_columns_are_parted_where_they_nearly_touch() -> None:
    apart = [[0, 14, 28, 80, 94, 108]] * 5
    near, far = [30, 44, 58, 82, 96, 110], [0, 14, 28, 160, 174]
    assert counts(digits_at(*apart, near)) == [[3, 3]] * 6
    # Three lines make no column, and lines that end before it say nothing of it.
    assert counts(digits_at(*apart[:3], near))[-1] == [6]
    assert counts(digits_at(*apart[:3], *[[0, 14]] * 3, near))[-1] == [6]
    # One gap is enough, the widest; a line that has its gap there is not parted again.
    assert counts(digits_at(*apart, [20, 34, 50, 72, 86]))[-1] == [3, 2]
    assert counts(digits_at(*apart, [0, 14, 28, 48, 80, 94]))[-1] == [4, 2]
    # A number that goes on where others have a gap has no gap of its own to part it.
    assert counts(digits_at(*apart, [0, 14, 28, 42, 56, 70]))[-1] == [6]
    assert counts(digits_at(*apart, far))[-1] == [3, 2]


def test_a_comma_belongs_to_its_number_and_a_speck_to_none() -> None:
    boxes = np.array([[0, 0, 12, 20], [14, 17, 17, 23], [20, 0, 32, 20], [200, 90, 203, 93]], float)
    ((number,),) = text_numbers(boxes, 20.0)
    assert sorted(number.tolist()) == [0, 1, 2]


@settings(max_examples=80, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 50), st.integers(1, 70))),
    st.sampled_from([(1, 1), (1, 40), (6, 6), (50, 1), (40, 30)]),
)
def test_any_page_gives_sound_regions(page: np.ndarray, times: tuple[int, int]) -> None:
    page = page.repeat(times[0], axis=0).repeat(times[1], axis=1)
    places = []
    for region in segment(page):
        left, top, width, height = region.box
        assert left >= 0 and top >= 0 and width >= 1 and height >= 1
        assert left + width <= page.shape[1] and top + height <= page.shape[0]
        places.append((region.row, region.column))
    assert places == sorted(set(places)), "each place once, in reading order"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_drawing_gives_sound_regions(data: st.DataObject) -> None:
    """Lines and digits at random are nearer to pages than noise is."""
    page = sheet(200, 260)
    places = st.tuples(st.integers(-20, 280), st.integers(-20, 220))
    for ends in data.draw(st.lists(st.tuples(places, places), max_size=12)):
        cv2.line(page, *ends, PRINT, 2)
    for place in data.draw(st.lists(places, max_size=12)):
        write(page, "8", *place)
    for region in segment(page):
        left, top, width, height = region.box
        assert left >= 0 and top >= 0 and left + width <= 260 and top + height <= 200
