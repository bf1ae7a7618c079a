"""Annotate: a reading drawn on its image, for a person to look over many at a glance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UnreadableImage
from inkdigits.files import write_bytes
from inkdigits.imaging.decode import DEFAULT_LIMITS, Limits, Source, decode_pages
from inkdigits.reading.inputs import page_path
from inkdigits.reading.result import Box, Number, Reading

Colour = tuple[int, int, int]
Pixels = NDArray[np.uint8]

READ: Colour = (0, 120, 60)
REJECTED: Colour = (200, 30, 40)
GROUND: Colour = (255, 255, 255)
"""Red, green, blue. White letters stand on the first two, which are dark enough for it."""

FONT = cv2.FONT_HERSHEY_SIMPLEX
SMALLEST_SIDE, LARGEST_GROWTH = 240, 12
"""An image whose longer side is less is enlarged to about that, by a whole factor."""
LETTER = 18
"""Height of a capital letter on an image of 900 rows and less; it grows with the image."""
SMALLEST_LETTER = 9
JPEG_QUALITY = 92


def annotate(image: Pixels, reading: Reading) -> Pixels:
    """Return `image` with the boxes, text and confidence of `reading` drawn on it.

    `image` is uint8 (H, W) grey or (H, W, 3) RGB, the page as `decode` makes it upright: boxes are
    in its pixels. The result is uint8 (H', W', 3) RGB: small images are enlarged, and a line above
    tells the outcome. What was read is green, what was rejected red.
    """
    factor = growth(image)
    colours: Pixels = np.stack([image] * 3, axis=2) if image.ndim == 2 else image
    picture: Pixels = colours.repeat(factor, axis=0).repeat(factor, axis=1)
    letter = max(LETTER, round(LETTER * min(picture.shape[:2]) / 900))
    for number in reading.numbers:
        draw_boxes(picture, number, factor, max(1, letter // 8), colour_of(number, reading))
    # The line above says it for a single one, whose label could only hide ink.
    for number in reading.numbers if len(reading.numbers) > 1 else ():
        draw_text(picture, number, factor, letter, colour_of(number, reading))
    colour = READ if reading.status == "ok" else REJECTED
    return with_line_above(picture, outcome(reading), letter, colour)


def colour_of(number: Number, reading: Reading) -> Colour:
    """Return the colour of a number: among those that were read, one may be doubted."""
    return READ if reading.status == "ok" and number.reason is None else REJECTED


def draw_reading(
    source: Source, reading: Reading, path: Path, limits: Limits = DEFAULT_LIMITS
) -> None:
    """Write `reading`, drawn on the grey pages of `source`, to `path`: PNG, or JPEG by its suffix.

    Further pages go beside the first (see `page_path`). Raises UnreadableImage when `source` cannot
    be decoded, CannotWrite where it cannot be written.
    """
    for page in decode_pages(source, limits):
        drawn = annotate(page.grey, on_page(reading, page.number))
        write_bytes(
            page_path(path, page.number), encoded(drawn, path.suffix.lower()), durable=False
        )


def on_page(reading: Reading, page: int) -> Reading:
    """Return `reading` with the numbers of one page, 1, 2, …; those of no page are on the first."""
    numbers = [n for n in reading.numbers if (n.page or 1) == page]
    return replace(reading, numbers=tuple(numbers))


def encoded(drawn: Pixels, suffix: str) -> bytes:
    """Return a drawing as the bytes of a PNG or a JPEG; raises UnreadableImage beyond its size."""
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    kept, content = cv2.imencode(suffix, cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), options)
    if not kept:
        raise UnreadableImage(f"the drawing, {drawn.shape[1]}×{drawn.shape[0]}, cannot be encoded.")
    return content.tobytes()


def growth(image: Pixels) -> int:
    """Return by which whole factor an image is enlarged to be looked at."""
    longer = int(max(image.shape[:2]))
    return min(LARGEST_GROWTH, max(1, -(-SMALLEST_SIDE // longer)))


def outcome(reading: Reading) -> str:
    """Return in ASCII what became of an image: `ok 2348 98.7 %`, `rejected: blank`."""
    n = len(reading.numbers)
    text = f"{n} numbers" if n > 1 else reading.text
    if reading.status == "ok":
        return f"{text}  {reading.confidence:.1%}".replace("%", " %")
    if reading.status == "error":
        return "error"
    return f"rejected: {reading.reason}" + (f" ({text}?)" if text else "")


def draw_boxes(
    picture: Pixels, number: Number, factor: int, thickness: int, colour: Colour
) -> None:
    """Draw the box of a number, and thinly in it those of its digits."""
    if len(number.digits) > 1:
        for digit in number.digits:
            draw_box(picture, digit.box, factor, 1, colour)
    draw_box(picture, number.box, factor, thickness, colour)


def draw_text(picture: Pixels, number: Number, factor: int, letter: int, colour: Colour) -> None:
    """Write a number and its confidence above its box, or below where there is no room."""
    left, top, _, height = (value * factor for value in number.box)
    # Not larger than a third of the ink: rows of a table stand close to each other.
    letter = min(letter, max(SMALLEST_LETTER, height // 3))
    gap = letter // 8 + 1
    label = f"{number.text} {number.confidence:.1%}".replace("%", " %")
    (wide, tall), descent = text_size(label, letter)
    tall += descent + 4
    above, below = top - tall - gap, top + height + gap
    place = above if above >= 0 else min(below, len(picture) - tall)
    left = max(0, min(left, picture.shape[1] - wide - 4))
    draw_label(picture, label, (left, place), letter, colour)


def draw_box(picture: Pixels, box: Box, factor: int, thickness: int, colour: Colour) -> None:
    """Draw a box around, not over, its pixels."""
    left, top, width, height = (value * factor for value in box)
    out = (thickness + 1) // 2
    corners = (left - out, top - out), (left + width - 1 + out, top + height - 1 + out)
    cv2.rectangle(picture, *corners, colour, thickness, cv2.LINE_8)


def draw_label(
    picture: Pixels, text: str, place: tuple[int, int], letter: int, colour: Colour
) -> None:
    """Write white `text` on a ground of `colour`, whose left and top is `place`."""
    (width, height), descent = text_size(text, letter)
    left, top = place
    end = (left + width + 3, top + height + descent + 3)
    cv2.rectangle(picture, place, end, colour, cv2.FILLED)
    write(picture, text, (left + 2, top + height + 2), letter, GROUND)


def with_line_above(picture: Pixels, text: str, letter: int, colour: Colour) -> Pixels:
    """Return `picture` below a line of text, which is made smaller where it would not fit."""
    width = picture.shape[1]
    while letter > SMALLEST_LETTER and text_size(text, letter)[0][0] > width - 8:
        letter -= 1
    (_, height), descent = text_size(text, letter)
    line = np.full((height + descent + letter, width, 3), GROUND, np.uint8)
    write(line, text, (4, height + letter // 2), letter, colour)
    return np.concatenate([line, picture])


def text_size(text: str, letter: int) -> tuple[tuple[int, int], int]:
    """Return width and height of `text`, and how far it reaches below its line."""
    (width, height), descent = cv2.getTextSize(text, FONT, scale_of(letter), weight_of(letter))
    return (int(width), int(height)), int(descent)


def write(picture: Pixels, text: str, place: tuple[int, int], letter: int, colour: Colour) -> None:
    """Write `text` with its line's beginning at `place`."""
    weight = weight_of(letter)
    cv2.putText(picture, text, place, FONT, scale_of(letter), colour, weight, cv2.LINE_AA)


def scale_of(letter: int) -> float:
    """Return OpenCV's scale for a capital letter of this height: its font's has 22."""
    return letter / 22


def weight_of(letter: int) -> int:
    """Return how thick the strokes of letters of this height are."""
    return max(1, round(letter / 14))
