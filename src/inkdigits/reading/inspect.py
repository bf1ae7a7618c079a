"""Inspect: one picture that shows every stage of a reading side by side."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkdigits.imaging.frame import SIDE
from inkdigits.reading.reader import Stages
from inkdigits.reading.result import Reading

PANEL = 308  # a multiple of 28, so that every framed pixel has the same size
GAP = 24
CAPTION = 54
HEADER = 76
COLUMNS = 3

GROUND, CARD, INK, QUIET = "#f6f7f9", "#ffffff", "#1d2733", "#687585"
ACCENT, BAR, GRID = "#d1495b", "#b8c4d0", "#39424e"

# Captions keep to ASCII: the font that comes with Pillow has neither × nor –.
Panel = tuple[str, str, Image.Image]


def draw_stages(stages: Stages) -> Image.Image:
    """Return one RGB picture of every stage of `stages`, captioned; blank pages included."""
    panels = [*page_panels(stages), framed_panel(stages), bars_panel(stages)]
    rows = -(-len(panels) // COLUMNS)
    width = GAP + COLUMNS * (PANEL + GAP)
    picture = Image.new("RGB", (width, HEADER + rows * (PANEL + CAPTION + GAP)), GROUND)
    draw_header(picture, stages.reading)
    for index, panel in enumerate(panels):
        row, column = divmod(index, COLUMNS)
        place(picture, panel, GAP + column * (PANEL + GAP), HEADER + row * (PANEL + CAPTION + GAP))
    return picture


def page_panels(stages: Stages) -> list[Panel]:
    """Return the panels that show the page itself, from the source to the mask."""
    page = stages.page
    height, width = stages.grey.shape
    mask = np.where(page.mask, 0, 255).astype(np.uint8)
    strength = np.rint(255 * (1 - page.strength)).astype(np.uint8)
    return [
        ("1  source", f"{width} x {height} px, {page.polarity.value}", source_panel(stages)),
        ("2  flattened", "even light, ink dark", fit(page.flattened)),
        ("3  ink strength", "0 to 1, by the ink's own depth", fit(strength)),
        ("4  mask", f"{page.mask.mean():.2%} of the page is ink", fit(mask)),
    ]


def fit(grey: NDArray[np.uint8]) -> Image.Image:
    """Return `grey` (h, w) as large as a panel holds, in the middle of it."""
    image = Image.fromarray(grey).convert("RGB")
    scale = PANEL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    way = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
    panel = Image.new("RGB", (PANEL, PANEL), CARD)
    panel.paste(image.resize(size, way), ((PANEL - size[0]) // 2, (PANEL - size[1]) // 2))
    return panel


def source_panel(stages: Stages) -> Image.Image:
    """Return the source with the digit's box drawn on it."""
    panel = fit(stages.page.grey)
    if stages.frame is None:
        return panel
    rows, columns = stages.grey.shape
    scale = PANEL / max(rows, columns)
    left, top, width, height = (side * scale for side in stages.frame.box)
    left, top = left + (PANEL - columns * scale) / 2, top + (PANEL - rows * scale) / 2
    edge = (
        max(0.0, left - 2),
        max(0.0, top - 2),
        min(PANEL - 1.0, left + width + 1),
        min(PANEL - 1.0, top + height + 1),
    )
    ImageDraw.Draw(panel).rectangle(edge, outline=ACCENT, width=2)
    return panel


def framed_panel(stages: Stages) -> Panel:
    """Return the 28×28 image the network saw, enlarged, with a line between its pixels."""
    if stages.frame is None:
        return "5  framed", "no ink: the network saw nothing", note("blank")
    panel = fit(stages.frame.image)
    draw = ImageDraw.Draw(panel)
    for line in range(0, PANEL, PANEL // SIDE):
        draw.line((line, 0, line, PANEL), fill=GRID)
        draw.line((0, line, PANEL, line), fill=GRID)
    return "5  framed", "the 28 x 28 the network saw", panel


def bars_panel(stages: Stages) -> Panel:
    """Return a bar for the probability of each digit, the winner highlighted."""
    if stages.probabilities is None:
        return "6  probabilities", "no image to judge", note("none")
    panel = Image.new("RGB", (PANEL, PANEL), CARD)
    draw = ImageDraw.Draw(panel)
    step, left, room = PANEL / 10, 36, PANEL - 36 - 78
    winner = int(stages.probabilities.argmax())
    for digit, probability in enumerate(stages.probabilities.tolist()):
        middle = (digit + 0.5) * step
        colour = ACCENT if digit == winner else BAR
        text = INK if digit == winner else QUIET
        draw.text((18, middle), str(digit), text, font(18), anchor="mm")
        end = left + max(1, room * probability)
        draw.rectangle((left, middle - 9, end, middle + 9), fill=colour)
        draw.text((PANEL - 10, middle), f"{probability:.1%}", text, font(16), anchor="rm")
    caption = f"most likely: {winner}; no digit: {stages.not_a_digit:.1%}"
    return "6  probabilities", caption, panel


def note(text: str) -> Image.Image:
    """Return an empty panel with `text` in its middle."""
    panel = Image.new("RGB", (PANEL, PANEL), CARD)
    ImageDraw.Draw(panel).text((PANEL / 2, PANEL / 2), text, QUIET, font(28), anchor="mm")
    return panel


def draw_header(picture: Image.Image, reading: Reading) -> None:
    """Write the verdict and the name of the image across the top of `picture`."""
    draw = ImageDraw.Draw(picture)
    verdict = f"{reading.text}  ({reading.confidence:.1%})" if reading.text else "no digit"
    if reading.reason:
        verdict = f"rejected: {reading.reason.replace('_', ' ')}  ·  {verdict}"
    draw.text((GAP, 20), verdict, INK, font(30))
    draw.text(
        (picture.width - GAP, 38), PurePath(reading.image).name[-40:], QUIET, font(18), anchor="rm"
    )


def place(picture: Image.Image, panel: Panel, left: int, top: int) -> None:
    """Paste `panel` at (left, top) of `picture`, framed, with its title and caption below."""
    title, caption, image = panel
    picture.paste(image, (left, top))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left - 1, top - 1, left + PANEL, top + PANEL), outline=BAR)
    draw.text((left, top + PANEL + 7), title, INK, font(18))
    draw.text((left, top + PANEL + 29), caption, QUIET, font(15))


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font at `size` pixels."""
    return ImageFont.load_default(size=size)
