"""Panels: captioned pictures, and how many of them become one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkdigits.reading.result import Box

PANEL = 308  # a multiple of 28, so that every framed pixel has the same size
GAP, CAPTION, HEADER, HEADING = 24, 54, 76, 40
CONTENT = 3 * PANEL + 2 * GAP
HALF = (CONTENT - GAP) // 2
SMALLEST_LETTER, LONGEST_TEXT = 9, 100

GROUND, CARD, INK, QUIET = "#f6f7f9", "#ffffff", "#1d2733", "#687585"
ACCENT, BAR, GRID = "#d1495b", "#b8c4d0", "#39424e"


class Panel(NamedTuple):
    """A picture with a title and a caption, in ASCII: Pillow's font has neither × nor –."""

    title: str
    caption: str
    image: Image.Image


class Section(NamedTuple):
    """Panels that belong together, below a heading, which may be empty."""

    heading: str
    panels: Sequence[Panel]


class Fitted(NamedTuple):
    """A picture in the middle of a card: picture pixel (x, y) is `left` + x · `scale`, and so on.

    `left` and `top` are in pixels of the card, whose picture is `image`.
    """

    image: Image.Image
    scale: float
    left: int
    top: int

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a place of the picture lies on the card."""
        return self.left + x * self.scale, self.top + y * self.scale

    def draw_box(self, box: Box, colour: str, width: int = 2) -> None:
        """Draw a box, in pixels of the picture, around its pixels."""
        left, top = self.at(box[0], box[1])
        right, low = self.at(box[0] + box[2], box[1] + box[3])
        corners = (
            max(0.0, left - width),
            max(0.0, top - width),
            min(self.image.width - 1.0, right + width - 1),
            min(self.image.height - 1.0, low + width - 1),
        )
        ImageDraw.Draw(self.image).rectangle(corners, outline=colour, width=width)


def fit(pixels: NDArray[np.uint8], width: int = PANEL, height: int = PANEL) -> Fitted:
    """Return `pixels`, (h, w) or (h, w, 3), on a card, as large as the card holds."""
    image = Image.fromarray(pixels).convert("RGB")
    scale = min(width / image.width, height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    way = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
    card = Image.new("RGB", (width, height), CARD)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    card.paste(image.resize(size, way), (left, top))
    return Fitted(card, scale, left, top)


def fit_half(pixels: NDArray[np.uint8]) -> Fitted:
    """Return `pixels` on a card half as wide as the content, no higher than they need."""
    needed = round(HALF * pixels.shape[0] / pixels.shape[1])
    return fit(pixels, HALF, min(PANEL, max(PANEL // 3, needed)))


def note(text: str, width: int = PANEL, height: int = PANEL) -> Image.Image:
    """Return an empty card with `text` in its middle."""
    card = Image.new("RGB", (width, height), CARD)
    ink = font(28, text, width - 20)
    ImageDraw.Draw(card).text((width / 2, height / 2), text, QUIET, ink, anchor="mm")
    return card


def compose(verdict: str, name: str, sections: Sequence[Section]) -> Image.Image:
    """Return one RGB picture of all `sections`, below `verdict` and the name of the image."""
    panels = chain.from_iterable(section.panels for section in sections)
    width = max([CONTENT, *(panel.image.width for panel in panels)])
    placed: list[tuple[Panel | str, int, int]] = []
    down = HEADER
    for section in sections:
        if section.heading:
            placed.append((section.heading, GAP, down))
            down += HEADING
        for row in rows_of(section.panels, width):
            across = GAP
            for panel in row:
                placed.append((panel, across, down))
                across += panel.image.width + GAP
            down += max(panel.image.height for panel in row) + CAPTION + GAP
    picture = Image.new("RGB", (width + 2 * GAP, down), GROUND)
    draw_header(picture, verdict, name)
    for part, left, top in placed:
        if isinstance(part, Panel):
            place(picture, part, left, top)
        else:
            ImageDraw.Draw(picture).text((left, top), part, INK, font(22))
    return picture


def rows_of(panels: Sequence[Panel], width: int) -> list[list[Panel]]:
    """Return panels in rows that are no wider than `width`."""
    rows: list[list[Panel]] = []
    left = 0
    for panel in panels:
        if not rows or left + panel.image.width > width:
            rows.append([])
            left = 0
        rows[-1].append(panel)
        left += panel.image.width + GAP
    return rows


def draw_header(picture: Image.Image, verdict: str, name: str) -> None:
    """Write the verdict and the name of the image across the top of `picture`."""
    draw = ImageDraw.Draw(picture)
    wide = picture.width - 2 * GAP
    verdict = clipped(verdict)
    draw.text((GAP, 38), verdict, INK, font(30, verdict, wide * 2 // 3), anchor="lm")
    shown = name[-40:].encode("ascii", "replace").decode()
    ink = font(18, shown, wide // 3 - GAP)
    draw.text((picture.width - GAP, 38), shown, QUIET, ink, anchor="rm")


def place(picture: Image.Image, panel: Panel, left: int, top: int) -> None:
    """Paste `panel` at (left, top) of `picture`, framed, with its title and caption below."""
    wide, high = panel.image.size
    picture.paste(panel.image, (left, top))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left - 1, top - 1, left + wide, top + high), outline=BAR)
    draw.text((left, top + high + 7), panel.title, INK, font(18))
    draw.text((left, top + high + 29), panel.caption, QUIET, font(15, panel.caption, wide))


def clipped(text: str, most: int = LONGEST_TEXT) -> str:
    """Return `text`, its end as dots where it has more than `most` signs."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def font(size: int, text: str = "", room: float = 0) -> Font:
    """Return Pillow's own font at `size` pixels, smaller where `text` needs more than `room`."""
    while text and size > SMALLEST_LETTER and sized_font(size).getlength(text) > room:
        size -= 1
    return sized_font(size)


@cache
def sized_font(size: int) -> Font:
    """Return Pillow's own font at `size` pixels; unpacking it takes its time."""
    return ImageFont.load_default(size=size)
