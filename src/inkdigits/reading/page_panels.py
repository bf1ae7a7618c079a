"""Page panels: a whole page with all that was read on it, and a strip for each of its places."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inkdigits.imaging.arrays import Grey
from inkdigits.reading.panels import (
    BAR,
    CARD,
    CONTENT,
    GAP,
    GROUND,
    INK,
    QUIET,
    Panel,
    clipped,
    font,
)
from inkdigits.reading.reader import Seen
from inkdigits.reading.result import Number

MOST_STRIPS = 60
ACCEPTED, DOUBTED, REJECTED = "#17703f", "#a85500", "#c0262d"
"""White letters can be read on each of them."""
LEGIBLE = 80
"""Rows that a usual place is given, so that its label hides only the room around the ink."""
LARGEST, ENLARGED = 2600, 4
"""The longer side of an overview, and by how much a page is enlarged, at most."""
LABEL, INDEX = 15, 11
"""Sizes of the letters of a reading and of its place's index."""
STRIP_WIDTH, STRIP_HEIGHT, CROP_WIDTH = 474, 72, 220


def counted(seen: Sequence[Seen]) -> str:
    """Return in words what became of the places of a page."""
    kinds = [colour_of(place) for place in seen]
    told = f"{kinds.count(ACCEPTED)} read, {kinds.count(DOUBTED)} doubted"
    return f"{len(seen)} places: {told}, {kinds.count(REJECTED)} rejected"


def colour_of(seen: Seen) -> str:
    """Return the colour of what became of a place."""
    if not isinstance(seen.verdict, Number):
        return REJECTED
    return ACCEPTED if seen.verdict.reason is None else DOUBTED


def overview_panel(page: Grey, seen: Sequence[Seen]) -> Panel:
    """Return the page, uint8 (h, w), with the box and reading of every place on it."""
    scale = scale_of(page.shape, [place.box[3] for place in seen])
    size = (max(1, round(page.shape[1] * scale)), max(1, round(page.shape[0] * scale)))
    way = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
    image = Image.fromarray(page).resize(size, way).convert("RGB")
    for index, place in enumerate(seen, start=1):
        draw_place(image, place, index, scale)
    height, width = page.shape
    caption = f"{width} x {height} px; green: read, brown: doubted, red: rejected"
    return Panel("page", caption, image)


def scale_of(shape: tuple[int, ...], heights: Sequence[int]) -> float:
    """Return by how much a page is scaled so that its labels fit, and it is not too large."""
    longer = max(shape)
    wanted = max(CONTENT / longer, LEGIBLE / median(heights) if heights else 0.0)
    return float(min(wanted, LARGEST / longer, max(ENLARGED, CONTENT / longer / 2)))


def draw_place(image: Image.Image, seen: Seen, index: int, scale: float) -> None:
    """Draw the box of a place and write its index and reading on the upper edge."""
    colour = colour_of(seen)
    draw = ImageDraw.Draw(image)
    left, top, width, height = (value * scale for value in seen.box)
    draw.rectangle((left, top, left + width - 1, top + height - 1), outline=colour, width=2)
    text, small, large = said(seen), font(INDEX), font(LABEL)
    room = small.getlength(str(index)) + 6
    wide, tall = room + large.getlength(text) + 6, LABEL + 3
    x = max(0.0, min(left, image.width - wide))
    y = max(0.0, min(top - tall / 2, image.height - tall))
    draw.rectangle((x, y, x + room, y + tall), CARD, colour)
    draw.rectangle((x + room, y, x + wide, y + tall), colour)
    middle = y + tall / 2 + 0.5
    draw.text((x + room / 2, middle), str(index), colour, small, anchor="mm")
    draw.text((x + room + 3, middle), text, CARD, large, anchor="lm")


def said(seen: Seen) -> str:
    """Return the reading of a place in a word, doubt as a question mark, none as a dash."""
    if not isinstance(seen.verdict, Number):
        return "-"
    return clipped(seen.verdict.text) + ("" if seen.verdict.reason is None else "?")


def strips_panel(seen: Sequence[Seen], width: int) -> Panel:
    """Return a strip for each of the first places, in columns from the top, within `width`."""
    shown = seen[:MOST_STRIPS]
    columns = max(1, min((width + GAP) // (STRIP_WIDTH + GAP), len(shown)))
    rows = -(-len(shown) // columns)
    size = (columns * (STRIP_WIDTH + GAP) - GAP, rows * (STRIP_HEIGHT + 8) - 8)
    image = Image.new("RGB", size, GROUND)
    for index, place in enumerate(shown):
        column, row = divmod(index, rows)
        corner = (column * (STRIP_WIDTH + GAP), row * (STRIP_HEIGHT + 8))
        image.paste(strip(place, index + 1), corner)
    more = len(seen) - len(shown)
    caption = "what the network saw of each place, and what it says"
    return Panel("places", caption + (f"; {more} more are not shown" if more else ""), image)


def strip(seen: Seen, index: int) -> Image.Image:
    """Return one place: its index, the crop the network saw, its text, confidence and reason."""
    colour = colour_of(seen)
    image = Image.new("RGB", (STRIP_WIDTH, STRIP_HEIGHT), CARD)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 5, STRIP_HEIGHT), colour)
    draw.text((14, STRIP_HEIGHT / 2), str(index), QUIET, font(13), anchor="lm")
    paste_crop(image, crop_of(seen), 44)
    left, room = 44 + CROP_WIDTH + 12, STRIP_WIDTH - 44 - CROP_WIDTH - 20
    number = seen.verdict if isinstance(seen.verdict, Number) else None
    title = clipped(number.text, 26) if number else "no number"
    reason = (number.reason if number else seen.verdict) or "read"
    draw.text((left, 22), title, INK, font(20, title, room - 60), anchor="lm")
    if number:
        share = f"{number.confidence:.1%}"
        draw.text((STRIP_WIDTH - 10, 22), share, QUIET, font(15), anchor="rm")
    words = f"{str(reason).replace('_', ' ')}{second_best(seen)}"
    draw.text((left, 50), words, colour, font(14, words, room), anchor="lm")
    draw.rectangle((0, 0, STRIP_WIDTH - 1, STRIP_HEIGHT - 1), outline=BAR)
    return image


def crop_of(seen: Seen) -> NDArray[np.uint8] | None:
    """Return what the network saw that gave the verdict: a digit's frame or a number's best view.

    None where it saw nothing.
    """
    if seen.digit is not None:
        return seen.digit.frame.image if seen.digit.frame is not None else None
    if seen.number is None:
        return None
    best = next(iter(seen.number.candidates), None)
    return seen.number.crops[seen.number.crop_of(best)].image


def paste_crop(image: Image.Image, crop: NDArray[np.uint8] | None, left: int) -> None:
    """Paste a crop into a strip, its pixels twice as large where there is room, or smaller."""
    if crop is None:
        return
    by = min(2.0, CROP_WIDTH / crop.shape[1])
    size = (round(crop.shape[1] * by), max(1, round(crop.shape[0] * by)))
    way = Image.Resampling.NEAREST if by == 2 else Image.Resampling.LANCZOS
    image.paste(Image.fromarray(crop).resize(size, way), (left, (STRIP_HEIGHT - size[1]) // 2))


def second_best(seen: Seen) -> str:
    """Return the best candidate besides what is told, and how probable; nothing for a digit."""
    if seen.digit is not None or seen.number is None:
        return ""
    told = seen.verdict.text if isinstance(seen.verdict, Number) else None
    candidates = seen.number.candidates if told is not None else seen.number.candidates[1:]
    other = next((one for one in candidates if one.text != told), None)
    if other is None:
        return ""
    return f"; seen next: {clipped(other.text, 20) or 'nothing'} ({other.conditional:.1%})"
