"""View: a number's place on its page, cut out and made fit to be looked at, and what it may say."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from inkdigits.errors import UnreadableImage
from inkdigits.imaging.decode import Grey, Limits, decode_pages
from inkdigits.reading.number import SeenNumber, is_number
from inkdigits.reading.reader import Reader, Seen
from inkdigits.reading.result import DECIMALS, Box, Number, Spot

LARGEST = (1600, 1200)
"""Width and height of a view in pixels; a larger part of a page is shrunk."""
AROUND, LEAST_AROUND = 1.6, 24
"""What is shown around a number on a page: so many of its heights, and at least so many pixels."""
NEAR, LEAST_NEAR = 0.35, 3
"""What is read around a number on a page."""


def view(
    reader: Reader, content: bytes, limits: Limits, spot: Spot | None, texts: bool
) -> tuple[dict[str, Any], bytes]:
    """Return how a place of an image looks: what is told of it, and a PNG.

    Without a `spot` it is the whole first page. `left`, `top` (source pixels) and `scale` say how
    the picture lies on the page; `texts` are what it may say, with their probabilities, most
    probable first, empty unless they are wanted. Raises UnreadableImage.
    """
    page = page_of(content, limits, 1 if spot is None else spot.page)
    height, width = page.shape
    shown = (0, 0, width, height)
    if spot is not None:
        shown = grown(spot.box, AROUND, LEAST_AROUND, page)
    scale, png = picture(cut(page, shown))
    told: dict[str, Any] = {"left": shown[0], "top": shown[1], "scale": scale, "texts": []}
    if texts:
        part = page if spot is None else cut(page, grown(spot.box, NEAR, LEAST_NEAR, page))
        told["texts"] = texts_of(reader.stages(part).seen)
    return told, png


def number_alone(content: bytes, limits: Limits, spot: Spot) -> bytes:
    """Return the PNG of one number of a page with a little around it; raises UnreadableImage."""
    page = page_of(content, limits, spot.page)
    return encoded(cut(page, grown(spot.box, NEAR, LEAST_NEAR, page)))


def page_of(content: bytes, limits: Limits, number: int) -> Grey:
    """Return page `number` of an image; raises UnreadableImage where there is none."""
    for page in decode_pages(content, limits):
        if page.number == number:
            return page.grey
    raise UnreadableImage(f"the image has no page {number}.", "Has the file changed?")


def grown(box: Box, heights: float, least: int, page: Grey) -> Box:
    """Return `box` with some of what is around it, within the page."""
    left, top, width, height = box
    margin = max(least, round(heights * height))
    right = min(page.shape[1], left + width + margin)
    bottom = min(page.shape[0], top + height + margin)
    left, top = max(0, left - margin), max(0, top - margin)
    if right <= left or bottom <= top:
        raise UnreadableImage("the number lies outside of its page.", "Has the file changed?")
    return left, top, right - left, bottom - top


def cut(page: Grey, box: Box) -> Grey:
    """Return the part of a page within `box`."""
    left, top, width, height = box
    return np.ascontiguousarray(page[top : top + height, left : left + width])


def picture(part: Grey) -> tuple[float, bytes]:
    """Return by what a part was shrunk, at most 1, and its PNG."""
    height, width = part.shape
    scale = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    return scale, encoded(part)


def encoded(part: Grey) -> bytes:
    """Return a part of a page as PNG, made quickly rather than small."""
    kept, content = cv2.imencode(".png", part, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not kept:
        raise UnreadableImage(f"the picture, {part.shape[1]}×{part.shape[0]}, cannot be encoded.")
    return content.tobytes()


def texts_of(seen: tuple[Seen, ...]) -> list[dict[str, Any]]:
    """Return what may be written at the first of some places, accepted or not."""
    if not seen:
        return []
    place = seen[0]
    if isinstance(place.verdict, Number):
        number = place.verdict
        found = [(number.text, number.confidence)]
        found += [(other.text, other.confidence) for other in number.alternatives]
    elif place.number is not None:
        found = candidates_of(place.number)
    elif place.digit is not None and place.digit.probabilities is not None:
        shares = place.digit.probabilities
        found = [(str(digit), float(shares[digit])) for digit in np.argsort(-shares)[:5]]
    else:
        found = []
    return [{"text": text, "confidence": round(share, DECIMALS)} for text, share in found]


def candidates_of(number: SeenNumber) -> list[tuple[str, float]]:
    """Return the whole numbers among the candidates, with their probabilities."""
    return [
        (candidate.text, candidate.probability)
        for candidate in number.candidates
        if is_number(candidate)
    ]
