"""Made numbers: the same for a seed, whole in their crops, with what is not read left out."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from inkdigits.data.dataset import Examples
from inkdigits.errors import UsageError
from inkdigits.imaging.line import (
    HEIGHT,
    MAX_WIDTH,
    MIN_WIDTH,
    WIDTH_STEP,
    LineCrop,
    find_number,
    line_crops,
)
from inkdigits.synthesis.comb import in_comb
from inkdigits.synthesis.framing import frame_ink
from inkdigits.synthesis.guilloche import guilloche
from inkdigits.synthesis.hand import new_hand
from inkdigits.synthesis.layout import linked_zeros, new_line
from inkdigits.synthesis.numbers import (
    FOUND,
    MadePage,
    found_share,
    has_bar,
    made_page,
    number_examples,
    number_pages,
    on_sheet,
    seen_text,
    write_numbers,
)
from inkdigits.synthesis.punctuation import TAILS, add_head, add_separator, add_tail
from inkdigits.synthesis.scene import cropped, framed, ruled, underlined
from inkdigits.synthesis.skeletons import RealPen, Skeletons, skeletons
from inkdigits.synthesis.texts import MAX_DIGITS, number_text
from inkdigits.synthesis.writers import MadeWriter


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def written() -> Examples:
    """200 written digits stand in for MNIST's."""
    draws = rng()
    labels = np.arange(200) % 10
    hands = [new_hand(draws) for _ in range(20)]
    images = [frame_ink(hands[n // 10].digit(int(d), draws)) for n, d in enumerate(labels)]
    return Examples(np.stack(images), labels.astype(np.uint8))


@pytest.fixture(scope="module")
def pool(written: Examples) -> Skeletons:
    return skeletons(written, 200, rng())


@pytest.fixture
def writer() -> MadeWriter:
    return MadeWriter(40.0, replace(new_hand(rng(3)), pen=9.0, slant=0.0))


def pieces(ink: np.ndarray) -> int:
    return cv2.connectedComponents((ink > 60).astype(np.uint8), connectivity=8)[0] - 1


def test_same_seed_same_numbers(written: Examples) -> None:
    (one, texts), (two, again) = (number_examples(25, written, seed=4) for _ in range(2))
    assert texts == again
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert number_examples(25, written, seed=5)[1] != texts


def test_examples_are_crops_with_texts(written: Examples) -> None:
    images, texts = number_examples(150, written, seed=1)
    assert len(images) == len(texts) == 150
    for image, text in zip(images, texts, strict=True):
        assert image.dtype == np.uint8 and image.shape[0] == HEIGHT
        assert MIN_WIDTH <= image.shape[1] <= MAX_WIDTH and image.shape[1] % WIDTH_STEP == 0
        assert image.max() > 200
        assert re.fullmatch(rf"\d{{0,{MAX_DIGITS}}}|[\d?]+", text.replace(".", ""))
    assert 0.005 < np.mean([text == "" for text in texts]) < 0.1
    assert 0.05 < np.mean(["?" in text for text in texts]) < 0.25
    digits = [len(text.replace(".", "")) for text in texts]
    wide = np.corrcoef([image.shape[1] for image in images], digits)[0, 1]
    assert wide > 0.6, "more digits need more room"


def test_pages_are_found_whole_and_their_texts_are_readings(written: Examples) -> None:
    pages, again = (number_pages(30, written, seed=6) for _ in range(2))
    assert [text for _, text in pages] == [text for _, text in again]
    assert all(np.array_equal(one, two) for (one, _), (two, _) in zip(pages, again, strict=True))
    assert all(find_number(grey) is not None for grey, _ in pages)
    assert all(re.fullmatch(r"\d*|[\d?]+", text) for _, text in pages), "points are told"
    assert sum(text.isdigit() for _, text in pages) >= 20


def test_pages_are_grey_and_of_both_kinds(written: Examples) -> None:
    pages = write_numbers(60, written, rng(2))
    assert len(pages) == 60
    assert all(grey.dtype == np.uint8 and grey.ndim == 2 for grey, _ in pages)
    assert len({grey.shape for grey, _ in pages}) > 40
    assert all(np.ptp(grey) > 10 for grey, text in pages if text)


def test_texts_cover_lengths_digits_and_leading_zeros() -> None:
    draws = rng()
    texts = [number_text(draws) for _ in range(3000)]
    assert {len(text) for text in texts} == set(range(1, MAX_DIGITS + 1))
    counts = np.bincount(np.frombuffer("".join(texts).encode(), np.uint8) - ord("0"), minlength=10)
    assert counts.min() > 0.04 * counts.sum()
    assert 0.03 < np.mean([len(text) > 1 and text[0] == "0" for text in texts]) < 0.2
    assert 0.1 < np.mean([text.endswith("00") for text in texts]) < 0.4


@pytest.mark.parametrize("slant", [-0.4, 0.0, 0.6])
def test_real_digits_take_the_slant_asked(pool: Skeletons, slant: float) -> None:
    draws = rng()
    inks = [pool.draw(1, RealPen(4.0, 0.0, slant, 1.0), 60.0, draws) for _ in range(12)]
    found = []
    for ink in inks:
        moments = cv2.moments(ink)
        found.append(-moments["mu11"] / moments["mu02"])
    assert np.median(found) == pytest.approx(slant, abs=0.15)


def test_real_digits_take_the_pen_asked(pool: Skeletons) -> None:
    thin, bold = (
        np.mean([pool.draw(0, RealPen(w, 0.0, 0.0, 1.0), 50.0, rng(n)).sum() for n in range(8)])
        for w in (3.0, 9.0)
    )
    assert 2.2 < bold / thin < 4


@pytest.mark.parametrize(("gap", "expected"), [(8.0, 3), (-4.0, 1)])
def test_glyphs_stand_apart_or_touch(gap: float, expected: int) -> None:
    line = new_line(40, 3)
    glyph = np.full((40, 12), 255, np.uint8)
    for _ in range(3):
        line.add(glyph, 0, gap, True)
    assert pieces(line.ink) == expected
    assert line.counted.sum() == (36 if gap > 0 else 36 - 2 * 4)


def test_kerning_lets_a_stroke_reach_under_a_bar() -> None:
    line = new_line(40, 2)
    bar = np.zeros((40, 40), np.uint8)
    bar[:6] = bar[:, :6] = 255
    low = np.full((12, 12), 255, np.uint8)
    line.add(bar, 0, 2, True)
    line.add(low, 0, 2, True)
    assert pieces(line.ink) == 2
    assert line.end < 2 + 40 + 12


def test_points_are_labelled_where_they_stand(writer: MadeWriter) -> None:
    for seed in range(40):
        writing, label = on_sheet("1234567", writer, rng(seed))
        assert label.replace(".", "") == "1234567"
        assert writing.points.sum() == label.count(".")
        assert (writing.ink[:, writing.points] > 40).any(axis=0).all()


def test_points_that_a_crop_lost_are_no_part_of_its_text() -> None:
    page = MadePage(
        np.zeros((40, 100), np.uint8), "1.2.", np.array([0.1]), np.array([0.3, 0.9]), None
    )
    image = np.zeros((32, 100), np.uint8)
    image[20:24, 29:32] = 255
    crop = LineCrop(image, (0, 0, 100, 40), np.array([[1.0, 0, 0], [0, 1, 0]]))
    assert seen_text(crop, page) == "1.2"
    assert seen_text(crop, replace(page, points=np.array([0.3]))) is None


def test_a_printed_bar_is_told_from_a_written_one() -> None:
    page = MadePage(np.zeros((40, 100), np.uint8), "1", np.array([0.6]), np.array([]), (0.1, 0.9))
    to_source = np.array([[1.0, 0, 0], [0, 1, 0]])
    for column, is_bar in ((59, False), (80, True)):
        image = np.zeros((32, 100), np.uint8)
        image[6:28, column : column + 3] = 255
        assert has_bar(LineCrop(image, (0, 0, 100, 40), to_source), page) is is_bar


def test_linked_zeros_are_one_piece_and_mostly_closed() -> None:
    holes = []
    for seed in range(20):
        ink = linked_zeros(3, 40, 4, rng(seed))
        assert pieces(ink) == 1
        _, hierarchy = cv2.findContours(
            (ink > 60).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
        )
        holes.append((hierarchy[0, :, 3] >= 0).sum())
    assert np.mean(np.array(holes) >= 2) > 0.6
    assert max(holes) >= 3


@pytest.mark.parametrize("add", [add_head, add_separator, add_tail])
def test_punctuation_never_counts(add: object) -> None:
    for seed in range(3 * len(TAILS)):
        line = new_line(40, 6)
        line.add(np.full((40, 10), 255, np.uint8), 0, 3, True)
        before = line.counted.copy(), line.ink.sum()
        add(line, 40.0, 4.0, rng(seed))  # type: ignore[operator]
        assert np.array_equal(line.counted, before[0])
        assert line.ink.sum() > before[1]


def test_a_comb_has_a_box_for_each_digit(writer: MadeWriter) -> None:
    for seed in range(8):
        writing = in_comb("1407", writer, rng(seed))
        steps = np.diff(writing.columns.astype(int))
        assert (steps == 1).sum() + writing.columns[0] >= 3
        assert writing.printed.any() and writing.rows is not None
        assert 25 < writing.rows[1] - writing.rows[0] < 70


def test_what_is_printed_leaves_the_ink_alone(writer: MadeWriter) -> None:
    plain = on_sheet("250", writer, rng(1))[0]
    for change in (ruled, framed):
        assert np.array_equal(change(plain, rng(2)).ink, plain.ink)
        assert change(plain, rng(2)).printed.any()
    lined = underlined(plain, rng(2))
    assert (lined.ink >= plain.ink).all() and lined.ink.sum() > plain.ink.sum()
    assert np.array_equal(lined.columns, plain.columns)


def test_cropping_keeps_the_number_whole(writer: MadeWriter) -> None:
    plain = on_sheet("250", writer, rng(1))[0]
    for seed in range(20):
        cut = cropped(plain, False, rng(seed))
        assert cut.columns.shape == (cut.ink.shape[1],)
        assert cut.columns.sum() >= 0.93 * plain.columns.sum()
        assert cut.rows is not None and plain.rows is not None
        assert cut.rows[1] - cut.rows[0] == plain.rows[1] - plain.rows[0]


def test_guilloche_is_a_pattern_of_the_light() -> None:
    patterns = [guilloche((50, 150), 2.0, rng(seed)) for seed in range(12)]
    for pattern in patterns:
        assert pattern.shape == (50, 150) and pattern.dtype == np.float32
        assert pattern.min() >= 0 and pattern.max() <= 1
        assert pattern.std() > 0.005


def test_a_crop_that_misses_digits_is_found_out(pool: Skeletons) -> None:
    draws = rng(6)
    made = (made_page(pool, draws) for _ in range(60))
    made = (page for page in made if page.rows and "?" not in page.text)
    pages = [page for page in made if len(page.text.replace(".", "")) > 2]
    whole = 0
    for page in pages:
        half = page.grey.shape[1] // 2
        cut = page.grey.copy()
        cut[:, half:] = np.median(page.grey)
        crops, less = line_crops(page.grey), line_crops(cut)
        whole += bool(crops) and found_share(crops[0], page) >= FOUND
        assert not less or found_share(less[0], page) < FOUND
    assert whole > 0.85 * len(pages)


def test_wrong_counts_and_missing_digits_are_refused(written: Examples) -> None:
    with pytest.raises(UsageError, match="must be ≥ 0, got -1"):
        write_numbers(-1, written, rng())
    nines = written.labels == 9
    with pytest.raises(UsageError, match="no digit 9"):
        number_examples(3, Examples(written.images[~nines], written.labels[~nines]), seed=0)
    assert number_examples(0, written, seed=0) == ([], [])
