"""Paper: put a glyph on a page as a phone or scanner shows it, then clean and frame that page.

The images are made by the very code that later reads, so that a network learns what cleaning
leaves: pale strokes, thickened ones, bits of a ruled line.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import as_float32, as_uint8
from inkdigits.imaging.clean import clean
from inkdigits.imaging.frame import frame
from inkdigits.synthesis.strokes import Ink
from inkdigits.synthesis.wear import grain

Page = NDArray[np.float32]
"""float32 (h, w), 0 = black, 255 = white."""
Box = tuple[int, int, int, int]

FOUND = 0.7
"""The framed box must share so much of its union with the glyph's own box."""


def through_paper(
    glyphs: Iterable[Ink], rng: np.random.Generator
) -> list[NDArray[np.uint8] | None]:
    """Put each glyph on a page of its own, clean it and frame it.

    `glyphs` are ink of any size, framed images (28, 28) too. Returns uint8 (28, 28) for each, or
    None where cleaning found no ink or something other than the glyph.
    """
    return [read_back(*lay_out(glyph, rng)) for glyph in glyphs]


def read_back(page: NDArray[np.uint8], box: Box) -> NDArray[np.uint8] | None:
    """Return the framed image of `page`, or None where its box is not about `box`."""
    framed = frame(clean(page))
    if framed is None or overlap(framed.box, box) < FOUND:
        return None
    return framed.image


def blank_page(rng: np.random.Generator) -> NDArray[np.uint8] | None:
    """Return what framing makes of a page without a glyph; mostly None, for it is blank."""
    rows, columns = (int(v) for v in rng.integers(40, 110, 2))
    cover = np.zeros((rows, columns), np.float32)
    framed = frame(clean(photograph(cover, float(rng.uniform(2, 5)), rng)))
    return None if framed is None else framed.image


def lay_out(glyph: Ink, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Box]:
    """Return a page with `glyph` on it, uint8 (h, w), and the box of the glyph on the page."""
    left, top, width, height = cv2.boundingRect((glyph > 60).astype(np.uint8))
    cut = glyph[top : top + max(height, 1), left : left + max(width, 1)]
    side = float(np.exp(rng.uniform(np.log(16), np.log(90))))
    scale = side / max(cut.shape)
    size = (max(2, round(cut.shape[1] * scale)), max(2, round(cut.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = as_uint8(cv2.resize(cut, size, interpolation=way))
    if rng.random() < 0.3:
        small = grain(small, rng)
    margins = (rng.uniform(0.12, 0.55, 4) * side + 2).astype(int)
    cover = np.pad(small, ((margins[0], margins[1]), (margins[2], margins[3])))
    box = (int(margins[2]), int(margins[0]), small.shape[1], small.shape[0])
    return photograph(as_float32(cover / 255), side / 20, rng), box


def photograph(cover: Page, pixel: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a photo or scan of paper with ink on it, uint8 (h, w).

    `cover` is how much of each pixel the ink covers, 0–1; `pixel` is how many of its pixels make
    one of the framed image, which blur goes by.
    """
    if rng.random() < 0.25:
        return drawing(cover, rng)
    light = paper_light(cover.shape, rng)
    contrast = rng.uniform(0.3, 0.95)
    page = light * (1 - np.float32(contrast) * cover)
    if rng.random() < 0.3:
        page *= ruled(cover.shape, rng)
    if rng.random() < 0.12:  # chalk on a board
        page = 255 - page
    if rng.random() < 0.6:
        page = cv2.GaussianBlur(page, (0, 0), max(0.3, float(rng.uniform(0.1, 1.0)) * pixel))
    page = page + rng.normal(0, rng.choice([0.5, 2, 5]), cover.shape).astype(np.float32)
    image = np.clip(page, 0, 255).astype(np.uint8)
    return jpeg(image, int(rng.integers(25, 95))) if rng.random() < 0.5 else image


def drawing(cover: Page, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a drawing made on a screen: even ground of either polarity, crisp ink."""
    ground, ink = (
        (255.0, rng.uniform(0, 90)) if rng.random() < 0.5 else (0.0, rng.uniform(150, 255))
    )
    hard = (cover > 0.5).astype(np.float32) if rng.random() < 0.4 else cover
    image = np.rint(ground + (ink - ground) * hard).astype(np.uint8)
    return jpeg(image, int(rng.integers(40, 95))) if rng.random() < 0.3 else image


def paper_light(shape: tuple[int, ...], rng: np.random.Generator) -> Page:
    """Return the light on empty paper: tone, fall-off, a soft shadow, the grain of the sheet."""
    y, x = np.indices(shape, dtype=np.float32)
    y, x = y / shape[0] - np.float32(0.5), x / shape[1] - np.float32(0.5)
    slope = rng.normal(0, 0.15, 2).astype(np.float32)
    light = 1 + slope[0] * x + slope[1] * y
    light -= np.float32(rng.uniform(0, 0.3)) * (x * x + y * y)
    if rng.random() < 0.25:
        angle, place = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.4)
        away = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)) - np.float32(place)
        depth, softness = np.float32(rng.uniform(0.1, 0.4)), np.float32(rng.uniform(0.03, 0.3))
        light *= 1 - depth / (1 + np.exp(np.clip(-away / softness, -30, 30)))
    if rng.random() < 0.4:
        sheet = rng.normal(0, 1, shape).astype(np.float32)
        sheet = as_float32(cv2.GaussianBlur(sheet, (0, 0), float(rng.uniform(0.6, 2.5))))
        light *= 1 + np.float32(rng.uniform(0.005, 0.03)) * sheet / max(float(sheet.std()), 1e-6)
    return np.asarray(np.float32(rng.uniform(120, 250)) * light, np.float32)


def ruled(shape: tuple[int, ...], rng: np.random.Generator) -> Page:
    """Return the printed lines of the paper as what they leave of the light, 0–1."""
    lines = np.ones(shape, np.float32)
    depth = np.float32(rng.uniform(0.04, 0.3))
    gap = int(rng.integers(10, max(12, shape[0])))
    thick = 1 if rng.random() < 0.7 else 2
    start = int(rng.integers(gap))
    for row in range(start, shape[0], gap):
        lines[row : row + thick] = 1 - depth
    if rng.random() < 0.5:
        for column in range(start, shape[1], gap):
            lines[:, column : column + thick] = 1 - depth
    return lines


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return `image` after JPEG at `quality` (0–100)."""
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return as_uint8(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE))


def overlap(one: Box, other: Box) -> float:
    """Return the intersection of two boxes as a share of their union."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right = min(one[0] + one[2], other[0] + other[2])
    bottom = min(one[1] + one[3], other[1] + other[3])
    common = max(0, right - left) * max(0, bottom - top)
    return common / (one[2] * one[3] + other[2] * other[3] - common)
