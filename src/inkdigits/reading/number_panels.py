"""Number panels: every stage of reading a number, from the source to its candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inkdigits.artefact.metadata import LINE_STEP, OTHER
from inkdigits.imaging.arrays import Grey
from inkdigits.imaging.line import (
    HEIGHT,
    LONGEST,
    LOOKS,
    Place,
    View,
    find_number,
    left_in_batch,
    shrunk,
)
from inkdigits.imaging.line_ink import LineInk, grey_quantile, line_depth
from inkdigits.reading import lattice
from inkdigits.reading.ctc import Candidate, Span, align
from inkdigits.reading.number import SeenNumber, digits_of, is_number
from inkdigits.reading.panels import (
    ACCENT,
    BAR,
    CARD,
    CONTENT,
    GROUND,
    HALF,
    INK,
    PANEL,
    QUIET,
    Panel,
    clipped,
    fit_half,
    font,
    note,
)

READ = [*lattice.SIGNS, ""]
"""What a step may be once points are told, row by row."""

LARGEST_CROP = 6
"""Pixels of a picture to one of a crop, at most; as many as a panel has room for."""
LABELS, SIGNS, ROW = 96, 34, 18
"""Of the heat map: columns for its rows' names, rows for the signs above, rows to one label."""
DARK, PALE, REMOVED = (29, 39, 51), (150, 162, 175), (209, 73, 91)
DIGITS = "#2b6cb0"
PALE_SHARE = 0.35
"""Ink that is neither kept nor printed is shown by this share of its depth."""


def number_panels(grey: Grey, seen: SeenNumber) -> list[Panel]:
    """Return the eight panels of what was seen on `grey`, uint8 (h, w), as one number."""
    place = find_number(grey)
    best = seen.candidates[0] if seen.candidates else None
    return [
        source_panel(grey, seen, best),
        *([] if place is None else ink_panels(place)),
        *crop_panels(seen, best),
        steps_panel(seen, best),
        candidates_panel(seen),
    ]


def blank_panels(grey: Grey) -> list[Panel]:
    """Return the panels of a page, uint8 (h, w), on which no number stands."""
    page, _ = shrunk(grey, LONGEST / max(grey.shape))
    depth, noise = line_depth(page)
    height, width = grey.shape
    return [
        Panel("1  source", f"{width} x {height} px", fit_half(grey).image),
        depth_panel(depth, f"deepest {int(depth.max())} of 255, noise {noise:.0f}", depth.max()),
        Panel("3  ink", "the network saw nothing", note("blank", HALF, PANEL // 3)),
    ]


def source_panel(grey: Grey, seen: SeenNumber, best: Candidate | None) -> Panel:
    """Return the source with the boxes of the number and of its digits."""
    source = fit_half(grey)
    if best is not None and is_number(best):
        for digit in digits_of(seen, best):
            source.draw_box(digit.box, DIGITS, 1)
    source.draw_box(seen.box, ACCENT)
    height, width = grey.shape
    caption = f"{width} x {height} px; red: the number's ink, blue: its digits"
    return Panel("1  source", caption, source.image)


def ink_panels(place: Place) -> list[Panel]:
    """Return the panels of the page on the way to its crops: depth of the ink, what was kept."""
    ink = place.ink
    full = grey_quantile(ink.depth[ink.mask], 0.9)
    caption = f"light flattened, {place.scale:.2g} px to one of the source"
    colours = sorted_ink(ink, full)
    fitted = fit_half(colours)
    draw = ImageDraw.Draw(fitted.image)
    left, _, width, _ = ink.box
    for level in (ink.top, ink.bottom):
        rise = ink.slope * width / 2
        ends = (fitted.at(left, level - rise), fitted.at(left + width, level + rise))
        draw.line(ends, fill=DIGITS)
    kept, removed = ink.mask.mean(), ink.printed.mean()
    shares = f"dark: kept, {kept:.1%}; red: printed lines, {removed:.1%}; blue: the digits' band"
    return [depth_panel(ink.depth, caption, full), Panel("3  ink", shares, fitted.image)]


def depth_panel(depth: Grey, caption: str, full: float) -> Panel:
    """Return how far each pixel lies below its ground, `full` and more of 255 in black."""
    shade = 255 - np.minimum(255, depth * (255 / max(full, 1.0)))
    return Panel("2  ink depth", caption, fit_half(np.rint(shade).astype(np.uint8)).image)


def sorted_ink(ink: LineInk, full: float) -> NDArray[np.uint8]:
    """Return uint8 (h, w, 3): kept ink dark, printed lines red, the rest of the depth pale."""
    shade = 255 - PALE_SHARE * np.minimum(255, ink.depth * (255 / max(full, 1.0)))
    colours = np.repeat(np.rint(shade).astype(np.uint8)[:, :, None], 3, axis=2)
    colours[ink.printed] = REMOVED
    colours[ink.mask] = DARK
    return colours


def crop_panels(seen: SeenNumber, best: Candidate | None) -> list[Panel]:
    """Return a panel for each crop that the network saw, pixel by pixel; the best one framed."""
    widest = max(crop.image.shape[1] for crop in seen.crops)
    by = max(1, min(LARGEST_CROP, HALF // widest))
    panels = []
    for index, (crop, view) in enumerate(zip(seen.crops, LOOKS, strict=False)):
        width = crop.image.shape[1]
        card = Image.new("RGB", (max(HALF, widest * by), HEIGHT * by + 12), GROUND)
        left = (card.width - width * by) // 2
        card.paste(enlarged(crop.image, by), (left, 6))
        chosen = best is not None and seen.crop_of(best) == index
        if chosen:
            corners = (left - 4, 2, left + width * by + 3, HEIGHT * by + 9)
            ImageDraw.Draw(card).rectangle(corners, outline=ACCENT, width=3)
        title = f"{index + 4}  view {index + 1}" + (", the best" if chosen else "")
        panels.append(Panel(title, f"{width} x {HEIGHT}: {described(view)}", card))
    return panels


def described(view: View) -> str:
    """Return in words what a view shows."""
    words = ["the kept ink alone" if view.masked else "all but printed lines"]
    words.append("fitted to the height" if view.fitted else "by the usual digits")
    if view.stretch != 1:
        words.append("wider" if view.stretch > 1 else "narrower")
    if view.shear:
        words.append("its head moved left" if view.shear > 0 else "its head moved right")
    return ", ".join(words)


def enlarged(image: NDArray[np.uint8], by: int) -> Image.Image:
    """Return a crop, each of its pixels `by` × `by`."""
    return Image.fromarray(image.repeat(by, axis=0).repeat(by, axis=1))


def steps_panel(seen: SeenNumber, best: Candidate | None) -> Panel:
    """Return what the network says of each step of the best view, below the crop itself."""
    view = best.view if best is not None else 0
    number = seen.crop_of(best)
    crop = in_batch(seen.crops[number].image, len(seen.steps[view]) * LINE_STEP)
    by = max(2, min(8, (CONTENT - LABELS) // crop.shape[1]))
    needed = LABELS + crop.shape[1] * by
    width = HALF if needed <= HALF else max(CONTENT, needed)
    area = Map((width - needed) // 2 + LABELS, SIGNS + HEIGHT * by, by * LINE_STEP)
    image = Image.new("RGB", (width, area.top + len(READ) * ROW), CARD)
    image.paste(enlarged(crop, by), (area.left, SIGNS))
    draw_steps(image, seen.steps[view], area)
    if best is not None:
        draw_alignment(ImageDraw.Draw(image), seen.steps[view], best.text, area)
    caption = "darker: more probable; red: where each sign of the text is read"
    if seen.networks > 1:
        caption += f"; network {view % seen.networks + 1} of {seen.networks}"
    return Panel(f"{len(seen.crops) + 4}  steps of view {number + 1}", caption, image)


def in_batch(crop: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Return a crop where it stood among `width` columns when the network saw it."""
    left = left_in_batch(crop.shape[1], width)
    return np.pad(crop, ((0, 0), (left, width - left - crop.shape[1])))


class Map(NamedTuple):
    """Where the heat map begins on its panel, and how many columns a step takes."""

    left: int
    top: int
    step: int


def draw_steps(image: Image.Image, steps: NDArray[np.float32], area: Map) -> None:
    """Draw the heat map of steps, float32 (T, 12), and the names of its rows."""
    image.paste(heat_map(steps, area.step), (area.left, area.top))
    draw = ImageDraw.Draw(image)
    right = area.left + len(steps) * area.step - 1
    for row, label in enumerate(READ):
        name = {OTHER: "other sign", "": "none"}.get(label, label)
        top = area.top + row * ROW
        draw.text((area.left - 8, top + ROW / 2), name, QUIET, font(14), anchor="rm")
        draw.line((area.left - LABELS, top, right, top), fill=GROUND)


def heat_map(steps: NDArray[np.float32], width: int) -> Image.Image:
    """Return the probabilities of steps, float32 (T, 12), one row a label and darker where higher.

    A step is `width` pixels wide. The shade is by the root, so that small ones are seen; "none" is
    paler, because it is what most steps say.
    """
    colours = np.array([DARK] * (len(READ) - 1) + [PALE], np.float32)
    share = np.sqrt(np.clip(steps.T, 0, 1))[:, :, None]
    shades = np.rint(255 + share * (colours[:, None] - 255)).astype(np.uint8)
    return Image.fromarray(shades.repeat(ROW, axis=0).repeat(width, axis=1))


def draw_alignment(
    draw: ImageDraw.ImageDraw, steps: NDArray[np.float32], text: str, area: Map
) -> None:
    """Write the signs of a text above the steps where they are read, and frame those steps."""
    spans = align(steps, text)
    middles = [area.left + (span.first + span.last + 1) / 2 * area.step for span in spans]
    closest = min(np.diff(middles), default=SIGNS)
    letter = font(int(np.clip(1.5 * closest, 9, 26)))
    for sign, span, middle in zip(text, spans, middles, strict=True):
        draw.text((middle, SIGNS / 2), sign, ACCENT, letter, anchor="mm")
        draw_span(draw, READ.index(sign), span, area)


def draw_span(draw: ImageDraw.ImageDraw, row: int, span: Span, area: Map) -> None:
    """Frame the steps of one sign in its row."""
    left, right = (area.left + step * area.step for step in (span.first, span.last + 1))
    high = area.top + row * ROW
    draw.rectangle((left - 1, high, right, high + ROW - 1), outline=ACCENT, width=2)


def candidates_panel(seen: SeenNumber) -> Panel:
    """Return a bar for the probability of each candidate, the best highlighted."""
    title = f"{len(seen.crops) + 5}  candidates"
    if not seen.candidates:
        return Panel(title, "no text was found that may be read", note("none", HALF, PANEL // 3))
    texts = [clipped(candidate.text) or "no sign at all" for candidate in seen.candidates]
    longest = max(font(20).getlength(text) for text in texts) + 24
    width = HALF if longest < HALF / 2 else CONTENT
    left = round(np.clip(longest, width / 3, width * 2 / 3))
    image = Image.new("RGB", (width, 12 + 32 * len(texts)), CARD)
    draw = ImageDraw.Draw(image)
    for place, (text, candidate) in enumerate(zip(texts, seen.candidates, strict=True)):
        middle = 22 + 32 * place
        bar, ink = (ACCENT, INK) if place == 0 else (BAR, QUIET)
        letter = font(20, text, left - 24)
        draw.text((left - 12, middle), text, ink, letter, anchor="rm")
        end = left + max(1, (width - left - 80) * candidate.conditional)
        draw.rectangle((left, middle - 10, end, middle + 10), fill=bar)
        share = f"{candidate.conditional:.1%}"
        draw.text((width - 10, middle), share, ink, font(16), anchor="rm")
    caption = f"how probable each text is by what was seen; {OTHER} is a sign that is no digit"
    return Panel(title, caption, image)
