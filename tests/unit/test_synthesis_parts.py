"""The parts of synthesis: strokes, hands, pens, negatives and paper do what they say."""

import cv2
import numpy as np
import pytest

from inkdigits.data.dataset import Examples
from inkdigits.imaging.frame import stroke_width
from inkdigits.synthesis import negatives, pen
from inkdigits.synthesis.digit_shapes import BARS, CROSSED, DIGITS
from inkdigits.synthesis.framing import frame_ink
from inkdigits.synthesis.hand import Hand, new_hand
from inkdigits.synthesis.marks import MARKS
from inkdigits.synthesis.paper import blank_page, lay_out, overlap, through_paper
from inkdigits.synthesis.strokes import GLYPH_SIDE, draw, parse, trace
from inkdigits.synthesis.symbol_shapes import SYMBOLS
from inkdigits.synthesis.wear import wear

STEADY = Hand(0.0, 1.0, 8.0, 0.0, 0.0, 0.0, tuple(v[0].shape for v in DIGITS))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def components(mask: np.ndarray, connectivity: int = 8) -> int:
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)[0] - 1


def test_shape_text_gives_strokes_and_corners() -> None:
    shape = parse("1,4 6,0! 6,14; 2,14 9,14")
    assert shape.points.tolist() == [[1, 4], [6, 0], [6, 14], [2, 14], [9, 14]]
    assert shape.sections == ((0, 1), (1, 2), (3, 4))
    assert shape.strokes == (0, 0, 1)


def test_curve_passes_through_its_points() -> None:
    shape = parse("0,0 4,1 5,5 9,9! 0,9")
    (curve,) = trace(shape, shape.points)
    for point in shape.points:
        assert np.abs(curve - point).sum(axis=1).min() < 1e-9


@pytest.mark.parametrize(
    "text",
    [v.shape for digit in (*DIGITS, CROSSED) for v in digit]
    + [way for ways in SYMBOLS.values() for way in ways],
)
def test_every_shape_can_be_written(text: str) -> None:
    shape = parse(text)
    assert len(shape.sections) >= 1
    assert np.ptp(shape.points, axis=0).max() < 20
    ink = new_hand(rng()).write(text, rng())
    assert max(ink.shape) < 2.2 * GLYPH_SIDE
    assert (frame_ink(ink) > 128).sum() > 8


@pytest.mark.parametrize("width", [4.0, 12.0, 24.0])
def test_pen_draws_as_wide_as_asked(width: float) -> None:
    shape = parse("0,0 0,14; 7,0 7,14")
    ink = draw(trace(shape, shape.points), width)
    assert stroke_width(ink > 127) == pytest.approx(width, rel=0.3)


def test_slant_leans_to_the_right() -> None:
    upright = STEADY.write("5,0 5,14", rng())
    leaning = Hand(0.5, 1.0, 8.0, 0.0, 0.0, 0.0, STEADY.shapes).write("5,0 5,14", rng())
    assert upright.shape[1] < 40 < leaning.shape[1]
    assert leaning[: len(leaning) // 4].sum(axis=0).argmax() > leaning.shape[1] / 2


def test_who_flags_the_one_mostly_crosses_the_seven() -> None:
    hands = [new_hand(rng(seed)) for seed in range(400)]
    bars = {variant.shape for variant in DIGITS[1][:BARS]}
    crossed = {variant.shape for variant in CROSSED}
    share = {
        flagged: np.mean(
            [h.shapes[7] in crossed for h in hands if (h.shapes[1] in bars) != flagged]
        )
        for flagged in (True, False)
    }
    assert share[True] > 0.55
    assert share[False] < 0.35


def test_skeleton_is_thin_and_keeps_loops_and_parts() -> None:
    masks = np.stack([np.pad(STEADY.write(d[0].shape, rng()), 0) for d in DIGITS[:1]]) > 127
    ring = np.zeros((1, 60, 60), np.uint8)
    cv2.circle(ring[0], (30, 30), 18, 1, 7)
    cv2.line(ring[0], (2, 2), (2, 50), 1, 3)
    for mask in (masks, ring.astype(bool)):
        (skeleton,) = pen.thin(mask)
        assert components(skeleton) == components(mask[0])
        assert components(~skeleton, connectivity=4) == 2
        squares = skeleton[:-1, :-1] & skeleton[1:, :-1] & skeleton[:-1, 1:] & skeleton[1:, 1:]
        assert squares.sum() == 0
        assert not (skeleton & ~mask[0]).any()


def test_redrawn_digits_keep_their_way_with_many_pens() -> None:
    image = frame_ink(STEADY.write(DIGITS[3][0].shape, rng()))
    redrawn = pen.redraw(np.repeat(image[None], 60, axis=0), rng())
    widths = [stroke_width(one > 100) for one in redrawn]
    assert max(widths) > 2 * min(widths)
    likeness = [np.corrcoef(image.ravel(), one.ravel())[0, 1] for one in redrawn]
    assert np.median(likeness) > 0.5
    assert pen.redraw(redrawn[:0], rng()).shape == (0, 28, 28)


def test_loop_filled_with_ink_is_not_lost() -> None:
    nine = np.zeros((28, 28), np.uint8)
    cv2.circle(nine, (14, 9), 4, 255, -1)
    cv2.line(nine, (17, 9), (15, 23), 255, 2)
    for image in pen.redraw(np.repeat(nine[None], 10, axis=0), rng()):
        across = (image > 128).sum(axis=1)
        assert across[4:14].max() >= 2 * np.median(across[16:22])


@pytest.mark.parametrize("make", [make for make, _ in MARKS], ids=lambda make: make.__name__)
def test_marks_are_ink(make) -> None:
    for seed in range(20):
        ink = make(rng(seed))
        assert ink.dtype == np.uint8
        assert ink.ndim == 2
        assert frame_ink(wear(ink, rng(seed))).shape == (28, 28)


def test_negatives_are_visible_and_never_an_upright_bar() -> None:
    none = Examples(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8))
    inks = negatives.negative_inks(300, none, rng())
    assert all(negatives.is_visible(ink) and not negatives.upright_bar(ink) for ink in inks)
    assert negatives.not_digits(0, none, rng()).shape == (0, 28, 28)
    images = negatives.not_digits(40, none, rng())
    assert len({image.tobytes() for image in images}) == 40


@pytest.mark.parametrize(
    ("angle", "upright"), [(0, True), (0.5, True), (1.2, False), (1.57, False)]
)
def test_only_a_steep_line_is_an_upright_bar(angle: float, upright: bool) -> None:
    ink = np.zeros((100, 100), np.uint8)
    end = (round(50 + 40 * np.sin(angle)), round(50 - 40 * np.cos(angle)))
    start = (100 - end[0], 100 - end[1])
    cv2.line(ink, start, end, 255, 6)
    assert negatives.upright_bar(ink) == upright
    cv2.circle(ink, (90, 90), 9, 255, -1)
    assert not negatives.upright_bar(ink)


def test_paper_gives_the_glyph_back() -> None:
    inks = [new_hand(rng(seed)).digit(seed % 10, rng(seed)) for seed in range(60)]
    framed = through_paper(inks, rng())
    found = [(ink, image) for ink, image in zip(inks, framed, strict=True) if image is not None]
    assert len(found) >= 48
    likeness = [
        np.corrcoef(cv2.blur(frame_ink(ink), (3, 3)).ravel(), cv2.blur(image, (3, 3)).ravel())[0, 1]
        for ink, image in found
    ]
    assert np.median(likeness) > 0.85
    assert np.mean(np.array(likeness) > 0.5) > 0.9


def test_page_shows_where_the_glyph_is() -> None:
    for seed in range(20):
        page, (left, top, width, height) = lay_out(STEADY.digit(2, rng(seed)), rng(seed))
        assert page.dtype == np.uint8
        assert left >= 0
        assert top >= 0
        assert left + width <= page.shape[1]
        assert top + height <= page.shape[0]


def test_most_blank_pages_are_found_blank() -> None:
    left = [blank_page(rng(seed)) for seed in range(40)]
    assert sum(image is None for image in left) > 20


def test_overlap_is_a_share_of_the_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (20, 0, 5, 5)) == 0
