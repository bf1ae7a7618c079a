"""Numbers: made photos and scans of whole numbers, and the crops the line network learns from.

A number is written by one hand with one pen: real digits redrawn, or digits of a made-up writer.
What stands around it, on the paper and in it, is never part of its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import OTHER, POINT
from inkdigits.artefact.points import as_whole
from inkdigits.data.dataset import Examples
from inkdigits.errors import UsageError
from inkdigits.imaging.line import VIEWS, LineCrop, Place, cut, find_number
from inkdigits.synthesis import scene
from inkdigits.synthesis.comb import in_comb
from inkdigits.synthesis.foreign import add_foreign, as_label, foreign_text
from inkdigits.synthesis.hand import among_others, new_hand
from inkdigits.synthesis.layout import Line, linked_zeros, new_line, scaled
from inkdigits.synthesis.negatives import upright_bar
from inkdigits.synthesis.no_number import no_number
from inkdigits.synthesis.punctuation import add_head, add_separator, add_tail
from inkdigits.synthesis.scene import Writing
from inkdigits.synthesis.skeletons import Skeletons, breadth, lean, new_pen, skeletons
from inkdigits.synthesis.strokes import Ink
from inkdigits.synthesis.texts import number_text
from inkdigits.synthesis.writers import MadeWriter, RealWriter, Writer

REAL = 0.4
"""The share of numbers whose digits are real ones redrawn."""
NO_NUMBER = 0.08
"""The share of images that hold no number."""
FOREIGN = 0.08
"""The share of images with digits that are no whole number, or with a grade."""
POOL = 6000
"""So many real digits are thinned, at most, for one call."""
FOUND = 0.9
"""A crop must hold so much of the number's columns and rows, else its text would be wrong."""
GAP = 3
"""So many columns of a crop without ink, where a digit has some, are a lost stroke."""
BARS_KEPT = 0.15
"""So many crops in which a printed bar is left are learnt from: more of them hide plain bar 1s."""
BAR_ROWS, BAR_COLUMNS = 15, 6
"""A bar is at least so tall and at most so wide, in pixels of the crop."""
FAINT = 40
"""Ink of a crop is brighter than this."""
VIEW_SHARES = (0.5, 0.25, 0.25)
"""How often each of a page's crops is the one learnt from."""
KINDS = ("cheque", "plain", "cell", "comb", "ruled", "screen")
KIND_SHARES = (0.34, 0.2, 0.16, 0.08, 0.12, 0.1)


@dataclass(frozen=True)
class MadePage:
    """A made page: `grey` uint8 (h, w), what is to be read, and where its digits are.

    `text` has an `OTHER` for each sign that makes it no whole number, and its points. `columns` are
    places with ink of a digit as shares of the width, `points` those of points and commas in order,
    `rows` the digits' first and last place as shares of the height, None where there is no digit.
    """

    grey: NDArray[np.uint8]
    text: str
    columns: NDArray[np.float64]
    points: NDArray[np.float64]
    rows: tuple[float, float] | None


@dataclass(frozen=True)
class FoundPage:
    """A made page on which its number is found whole: where, the first crop, what that shows."""

    grey: NDArray[np.uint8]
    place: Place
    crop: LineCrop
    text: str


def write_numbers(
    n: int, digits: Examples, rng: np.random.Generator
) -> list[tuple[NDArray[np.uint8], str]]:
    """Return `n` made photos or scans, uint8 (h, w), each with its number as text.

    A share of `NO_NUMBER` holds none, and its text is "" or an `OTHER` for each letter; another,
    `FOREIGN`, holds decimals, sums and codes. `digits` are real framed digits to
    redraw. Raises UsageError for a negative count or a digit of which there is none.
    """
    pool = checked_pool(n, digits, rng)
    pages = (made_page(pool, rng) for _ in range(n))
    return [(page.grey, as_whole(page.text)) for page in pages]


def number_examples(
    n: int, digits: Examples, seed: int
) -> tuple[list[NDArray[np.uint8]], list[str]]:
    """Return `n` crops, uint8 (32, W), made by the reader's own code, and their texts; by seed.

    Pages on which the crop misses part of the number are made again, and most of those on which a
    printed bar is left that nothing tells from a 1. A text has its points, those that the crop
    shows. Raises as `write_numbers`.
    """
    rng = np.random.default_rng(seed)
    images: list[NDArray[np.uint8]] = []
    texts: list[str] = []
    for found in found_pages(n, digits, rng):
        view = int(rng.choice(len(VIEWS), p=VIEW_SHARES))
        images.append(found.crop.image if view == 0 else cut(found.place, VIEWS[view]).image)
        texts.append(found.text)
    return images, texts


def number_pages(n: int, digits: Examples, seed: int) -> list[tuple[NDArray[np.uint8], str]]:
    """Return `n` pages, uint8 (h, w), on which the reader's code finds the number, and its text.

    They are chosen as for `number_examples`; by seed. A text is what the crop shows: a decimal
    whose point is lost is a whole number. Raises as `write_numbers`.
    """
    found = found_pages(n, digits, np.random.default_rng(seed))
    return [(one.grey, as_whole(one.text)) for one in found]


def found_pages(n: int, digits: Examples, rng: np.random.Generator) -> Iterator[FoundPage]:
    """Yield `n` pages on which the number is found whole; others are made again."""
    pool = checked_pool(n, digits, rng)
    left = n
    while left:
        found = found_whole(made_page(pool, rng), rng)
        if found is not None:
            left -= 1
            yield found


def checked_pool(n: int, digits: Examples, rng: np.random.Generator) -> Skeletons:
    """Return the real digits to redraw, thinned."""
    if n < 0:
        raise UsageError(f"the count of numbers must be ≥ 0, got {n}.")
    missing = sorted(set(range(10)) - set(digits.labels.tolist()))
    if missing:
        raise UsageError(f"there is no digit {missing[0]} to redraw.", "Give some of MNIST.")
    most = int(np.clip(3 * n, 300, POOL))
    pool = skeletons(digits, most, rng)
    if min(len(rows) for rows in pool.known) == 0:
        pool = skeletons(digits, len(digits), rng)
    return pool


def found_whole(page: MadePage, rng: np.random.Generator) -> FoundPage | None:
    """Return what the reader's code finds on a page, None where part of the number is missing."""
    place = find_number(page.grey)
    if place is None:
        return None
    crop = cut(place, VIEWS[0])
    if page.rows is None and upright_bar(crop.image):
        return None
    if page.rows is not None and found_share(crop, page) < FOUND:
        return None
    text = seen_text(crop, page)
    if text is None or (has_bar(crop, page) and rng.random() > BARS_KEPT):
        return None
    return FoundPage(page.grey, place, crop, text)


def seen_text(crop: LineCrop, page: MadePage) -> str | None:
    """Return the page's text without the points that its crop lost; None where they do not fit."""
    if page.text.count(POINT) != len(page.points):
        return None
    there = iter(is_inked(crop, page, page.points).tolist())
    return "".join(sign for sign in page.text if sign != POINT or next(there))


def is_inked(crop: LineCrop, page: MadePage, places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for places, as shares of the page's width, whether the crop has ink in that column."""
    inked = cv2.dilate((crop.image.max(axis=0) > FAINT).astype(np.uint8)[None], np.ones((1, 3)))[0]
    return np.asarray(inked[np.clip(crop_columns(crop, page, places), 0, len(inked) - 1)] > 0)


def crop_columns(crop: LineCrop, page: MadePage, places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the columns of a crop, inside or not, of places as shares of the page's width."""
    across, start = crop.to_source[0, 0], crop.source_x(0)
    columns = np.rint((places * page.grey.shape[1] - start) / across)
    return np.asarray(columns.astype(np.int64))


def has_bar(crop: LineCrop, page: MadePage) -> bool:
    """Tell whether a crop has an upright bar, thin and tall, where the page has no digit."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((crop.image > FAINT).view(np.uint8))
    written = set(crop_columns(crop, page, page.columns).tolist())
    return any(
        height >= BAR_ROWS
        and width <= BAR_COLUMNS
        and written.isdisjoint(range(left, left + width))
        for left, _, width, height, _ in stats[1:].tolist()
    )


def found_share(crop: LineCrop, page: MadePage) -> float:
    """Return which share of the number's columns, or of its rows if less, is in the crop.

    None is, 0.0, where a gap is as wide as a stroke: a lost 1 is a small share.
    """
    if page.rows is None or not page.columns.size:
        return 0.0
    high = page.grey.shape[0]
    there = is_inked(crop, page, page.columns)
    lost = np.unique(crop_columns(crop, page, page.columns)[~there])
    # A sign among digits may be a few columns.
    gap = 1 if OTHER in as_whole(page.text) else GAP
    if lost.size >= gap and (lost[gap - 1 :] - lost[: lost.size + 1 - gap] == gap - 1).any():
        return 0.0
    columns = float(there.mean())
    top, bottom = (share * high for share in page.rows)
    ends = max(top, crop.box[1]), min(bottom, crop.box[1] + crop.box[3])
    return float(min(columns, (ends[1] - ends[0]) / max(bottom - top, 1)))


def made_page(pool: Skeletons, rng: np.random.Generator) -> MadePage:
    """Make one page, with a number or without."""
    height = float(np.exp(rng.uniform(np.log(20), np.log(58))))
    kind = KINDS[int(rng.choice(len(KINDS), p=KIND_SHARES))]
    chance = rng.random()
    text = number_text(rng)
    # Among letters or alone, a shape that looks like a letter would be one.
    in_row = chance >= NO_NUMBER + FOREIGN and len(text) > 1
    writer = new_writer(height, pool, in_row, rng)
    if chance < NO_NUMBER:
        writing, text = no_number(writer, rng)
    elif chance < NO_NUMBER + FOREIGN:
        text = foreign_text(rng)
        writing, text = foreign_sheet(text, writer, rng), as_label(text)
    elif kind == "comb":
        writing = in_comb(text, writer, rng)
    else:
        writing, text = on_sheet(text, writer, rng)
    if kind == "ruled" or (kind == "cheque" and rng.random() < 0.45):
        writing = scene.ruled(writing, rng)
    if kind == "cell":
        writing = scene.framed(writing, rng)
    numbered = writing.rows is not None
    if numbered and rng.random() < 0.04:
        writing = scene.underlined(writing, rng)
    whole = numbered and kind == "comb" and rng.random() < 0.8
    writing = scene.cropped(writing, whole, rng)
    grey = scene.photographed(writing, kind, rng)
    return as_page(grey, text, writing)


def as_page(grey: NDArray[np.uint8], text: str, writing: Writing) -> MadePage:
    """Return the photo with what is known of it from the sheet."""
    high, wide = writing.ink.shape
    columns, points = (
        (np.flatnonzero(where) + 0.5) / wide for where in (writing.columns, writing.points)
    )
    rows = writing.rows
    shares = None if rows is None else (max(0, rows[0]) / high, min(high, rows[1]) / high)
    return MadePage(grey, text, columns, points, shares)


def new_writer(height: float, pool: Skeletons, in_row: bool, rng: np.random.Generator) -> Writer:
    """Draw a writer of digits `height` pixels tall, which stand `in_row` or alone."""
    if rng.random() < REAL:
        return RealWriter(height, pool, new_pen(height, rng))
    hand = among_others(new_hand(rng), rng) if in_row else new_hand(rng)
    return MadeWriter(
        height,
        replace(hand, pen=min(hand.pen, 20), slant=lean(hand.slant, rng), aspect=breadth(rng)),
    )


def on_sheet(text: str, writer: Writer, rng: np.random.Generator) -> tuple[Writing, str]:
    """Write `text` on an empty sheet, with what people put around and into a number.

    Returns its label, too: the digits and the points.
    """
    height = writer.height
    line = new_line(height, len(text) + 6)
    if rng.random() < 0.1:
        add_head(line, height, writer.pen, rng)
    label = write_digits(text, line, writer, rng)
    if rng.random() < (0.35 if len(text) > 1 else 0.08):
        label += add_tail(line, height, writer.pen, rng)
    return sheet(line, writer), label


def foreign_sheet(text: str, writer: Writer, rng: np.random.Generator) -> Writing:
    """Write `text`, digits and other signs, on an empty sheet; every sign counts."""
    height = writer.height
    line = new_line(height, 2 * len(text) + 2)
    hand = replace(new_hand(rng), pen=min(100 * writer.pen / height, 20))
    usual = height * float(rng.choice([rng.uniform(0.15, 0.5), rng.uniform(0, 0.2)]))
    for sign in text:
        rise = height * rng.normal(0, 0.035)
        if sign.isdigit():
            line.add(writer.digit(int(sign), rng), rise, usual, True)
        else:
            add_foreign(sign, line, height, writer.pen, hand, rng)
    return sheet(line, writer)


def write_digits(text: str, line: Line, writer: Writer, rng: np.random.Generator) -> str:
    """Write the digits of `text`: apart or touching, level or drifting, zeros perhaps smaller.

    Returns the text with the points that were set between thousands.
    """
    label = ""
    height = writer.height
    usual = height * float(rng.choice([rng.uniform(0.15, 0.7), rng.uniform(0, 0.2), -0.04]))
    drift = height * rng.normal(0, 0.035)
    zeros = len(text) - len(text.rstrip("0"))
    few = rng.random() < 0.3 and zeros >= 2 and len(text) > zeros
    small = rng.uniform(0.35, 0.85) if few else 1.0
    lift = height * (rng.uniform(0, 1 - small) if rng.random() < 0.3 else 0.0)
    uneven = rng.uniform(0.1, 0.2) if rng.random() < 0.2 else 0.0
    linked = zeros >= 2 and rng.random() < 0.22
    parted = len(text) > 3 and rng.random() < 0.5
    for place, digit in enumerate(text):
        left = len(text) - place
        if parted and place and left % 3 == 0:
            label += add_separator(line, height, writer.pen, rng)
        label += digit
        rise = height * rng.normal(0, 0.035) + place * drift
        gap = usual + height * abs(rng.normal(0, 0.05))
        if linked and left <= zeros and (left == zeros or (parted and left % 3 == 0)):
            count = left if not parted else min(left, (left - 1) % 3 + 1)
            glyph = linked_zeros(count, height * small, writer.pen, rng)
            line.add(glyph, rise + lift, gap, True)
        elif not (linked and left <= zeros):
            glyph = writer.digit(int(digit), rng)
            size = (small if left <= zeros else 1.0) * np.exp(rng.normal(0, uneven))
            glyph = scaled(glyph, size) if size != 1 else glyph
            line.add(glyph, rise + (lift if left <= zeros else 0), gap, True)
    return label


def sheet(line: Line, writer: Writer) -> Writing:
    """Return a finished line on a sheet with room around it."""
    room = round(1.2 * writer.height)
    ink: Ink = np.pad(line.ink[:, : line.end + 2], ((room // 2, room // 2), (room, room)))
    columns = np.pad(line.counted[: line.end + 2], room)
    points = np.zeros_like(columns)
    points[np.add(line.points, room).astype(int)] = True
    filled = np.flatnonzero((ink[:, columns] > 40).any(axis=1))
    rows = (int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, len(ink))
    return Writing(ink, np.zeros_like(ink), columns, points, rows, writer.height, writer.pen)
