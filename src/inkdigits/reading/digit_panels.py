"""Digit panels: every stage of reading one digit, from the source to the probabilities."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from inkdigits.imaging.arrays import Grey
from inkdigits.imaging.frame import SIDE
from inkdigits.reading.digit import SeenDigit
from inkdigits.reading.panels import (
    ACCENT,
    BAR,
    CARD,
    GRID,
    INK,
    PANEL,
    QUIET,
    Panel,
    fit,
    font,
    note,
)


def digit_panels(grey: Grey, seen: SeenDigit) -> list[Panel]:
    """Return the six panels of what was seen on `grey`, uint8 (h, w), where one digit may stand."""
    return [*cleaning_panels(grey, seen), framed_panel(seen), bars_panel(seen)]


def cleaning_panels(grey: Grey, seen: SeenDigit) -> list[Panel]:
    """Return the panels that show the page itself, from the source to the mask."""
    page = seen.page
    height, width = grey.shape
    mask = np.where(page.mask, 0, 255).astype(np.uint8)
    strength = np.rint(255 * (1 - page.strength)).astype(np.uint8)
    source = f"{width} x {height} px, {page.polarity.value}"
    return [
        Panel("1  source", source, source_image(grey, seen)),
        Panel("2  flattened", "even light, ink dark", fit(page.flattened).image),
        Panel("3  ink strength", "0 to 1, by the ink's own depth", fit(strength).image),
        Panel("4  mask", f"{page.mask.mean():.2%} of the page is ink", fit(mask).image),
    ]


def source_image(grey: Grey, seen: SeenDigit) -> Image.Image:
    """Return the source with the digit's box drawn on it."""
    source = fit(grey)
    if seen.frame is not None:
        source.draw_box(seen.frame.box, ACCENT)
    return source.image


def framed_panel(seen: SeenDigit) -> Panel:
    """Return the 28×28 image the network saw, enlarged, with a line between its pixels."""
    if seen.frame is None:
        return Panel("5  framed", "no ink: the network saw nothing", note("blank"))
    image = fit(seen.frame.image).image
    draw = ImageDraw.Draw(image)
    for line in range(0, PANEL, PANEL // SIDE):
        draw.line((line, 0, line, PANEL), fill=GRID)
        draw.line((0, line, PANEL, line), fill=GRID)
    return Panel("5  framed", "the 28 x 28 the network saw", image)


def bars_panel(seen: SeenDigit) -> Panel:
    """Return a bar for the probability of each digit, the winner highlighted."""
    if seen.probabilities is None:
        return Panel("6  probabilities", "no image to judge", note("none"))
    image = Image.new("RGB", (PANEL, PANEL), CARD)
    draw = ImageDraw.Draw(image)
    step, left, room = PANEL / 10, 36, PANEL - 36 - 78
    winner = int(seen.probabilities.argmax())
    for digit, probability in enumerate(seen.probabilities.tolist()):
        middle = (digit + 0.5) * step
        colour = ACCENT if digit == winner else BAR
        text = INK if digit == winner else QUIET
        draw.text((18, middle), str(digit), text, font(18), anchor="mm")
        end = left + max(1, room * probability)
        draw.rectangle((left, middle - 9, end, middle + 9), fill=colour)
        draw.text((PANEL - 10, middle), f"{probability:.1%}", text, font(16), anchor="rm")
    # A network of ten classes cannot tell, and says exactly 0.
    doubt = f"; no digit: {seen.not_a_digit:.1%}" if seen.not_a_digit else ""
    return Panel("6  probabilities", f"most likely: {winner}{doubt}", image)
