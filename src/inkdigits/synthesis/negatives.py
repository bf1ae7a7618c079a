"""What is not a digit: letters and signs, marks, pieces of digits, several digits, crossed ones."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Examples
from inkdigits.imaging.arrays import as_uint8
from inkdigits.synthesis.framing import frame_ink
from inkdigits.synthesis.hand import new_hand
from inkdigits.synthesis.marks import MARKS, pen_width
from inkdigits.synthesis.pen import redraw_ink
from inkdigits.synthesis.strokes import Ink, draw, smooth
from inkdigits.synthesis.symbol_shapes import WAYS
from inkdigits.synthesis.wear import wear

Maker = Callable[[Examples, np.random.Generator], Ink]
UPRIGHT = 0.8
"""Radians from the vertical within which a long thin piece could be a 1."""


def not_digits(n: int, digits: Examples, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return `n` images that hold no digit, uint8 (n, 28, 28), framed; `digits` lends its ink."""
    images = [frame_ink(wear(ink, rng)) for ink in negative_inks(n, digits, rng)]
    return np.stack(images) if images else np.zeros((0, 28, 28), np.uint8)


def negative_inks(n: int, digits: Examples, rng: np.random.Generator) -> list[Ink]:
    """Return `n` glyphs that are no digit, as ink of any size that is never blank."""
    shares = np.array([share for _, share in MAKERS])
    chosen = rng.choice(len(MAKERS), n, p=shares / shares.sum())
    inks = []
    for number in chosen:
        ink = MAKERS[number][0](digits, rng)
        while not is_visible(ink) or upright_bar(ink):
            ink = MAKERS[number][0](digits, rng)
        inks.append(ink)
    return inks


def is_visible(ink: Ink) -> bool:
    """Return whether there is enough ink to be framed."""
    return int((ink > 100).sum()) > 12


def symbol(_: Examples, rng: np.random.Generator) -> Ink:
    """Write one letter or sign by a hand of its own."""
    return new_hand(rng).write(WAYS[int(rng.integers(len(WAYS)))], rng)


def mark(_: Examples, rng: np.random.Generator) -> Ink:
    """Make one mark that is no writing."""
    shares = np.array([share for _, share in MARKS])
    return MARKS[int(rng.choice(len(MARKS), p=shares / shares.sum()))][0](rng)


def some_digit(digits: Examples, rng: np.random.Generator) -> Ink:
    """Return one digit, redrawn from `digits` or written, cut to its box."""
    if len(digits) and rng.random() < 0.5:
        index = int(rng.integers(len(digits)))
        ink = redraw_ink(digits.images[index : index + 1], rng)[0]
        if not is_visible(ink):
            return some_digit(digits[:0], rng)
    else:
        ink = new_hand(rng).digit(int(rng.integers(10)), rng)
    left, top, width, height = cv2.boundingRect(ink)
    return as_uint8(ink[top : top + height, left : left + width])


def several(digits: Examples, rng: np.random.Generator) -> Ink:
    """Set two or three digits, sometimes four, side by side as one glyph."""
    parts = [some_digit(digits, rng) for _ in range(int(rng.choice([2, 2, 2, 3, 3, 4])))]
    height = 100
    tall = []
    for part in parts:
        scale = height * rng.uniform(0.75, 1) / part.shape[0]
        # A glyph wider than high, as a level dash would be, is not stretched beyond the line.
        scale = min(scale, 1.2 * height / part.shape[1])
        size = (max(3, round(part.shape[1] * scale)), max(3, round(part.shape[0] * scale)))
        tall.append(np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8))
    gaps = [int(rng.uniform(-12, 30)) for _ in tall]
    line = np.zeros((height + 24, sum(part.shape[1] for part in tall) + 30 * len(tall)), np.uint8)
    x = 0
    for part, gap in zip(tall, gaps, strict=True):
        top = int(rng.integers(0, line.shape[0] - part.shape[0] + 1) * 0.5)
        where = line[top : top + part.shape[0], x : x + part.shape[1]]
        np.maximum(where, part, out=where)
        x = max(x + 4, x + part.shape[1] + gap)
    return line


def piece(digits: Examples, rng: np.random.Generator) -> Ink:
    """Cut a short piece out of a digit: no loop, and no upright line, which would read as 1."""
    for _ in range(20):
        whole = some_digit(digits, rng)
        rows, columns = whole.shape
        height, width = (max(6, int(rng.uniform(0.2, 0.42) * side)) for side in (rows, columns))
        top, left = rng.integers(0, rows - height + 1), rng.integers(0, columns - width + 1)
        part = whole[top : top + height, left : left + width]
        if is_visible(part) and not could_read(part):
            return part
    return mark(digits, rng)


def could_read(ink: Ink) -> bool:
    """Return whether a piece of ink could be read as a digit: a loop, or an upright line."""
    mask = (ink > 100).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    solid = cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, cv2.FILLED)
    return int(solid.sum()) > int(mask.sum()) or upright_bar(ink)


def upright_bar(ink: Ink) -> bool:
    """Return whether nearly all ink is one long thin bar that stands upright, as a 1 does."""
    found = cv2.connectedComponentsWithStats((ink > 100).astype(np.uint8), connectivity=8)
    areas = np.asarray(found[2])[1:, cv2.CC_STAT_AREA]
    if len(areas) == 0 or areas.max() < 0.9 * areas.sum():
        return False
    y, x = np.nonzero(np.asarray(found[1]) == 1 + areas.argmax())
    if len(x) < 2:
        return False
    values, vectors = np.linalg.eigh(np.cov(np.stack([x, y]).astype(np.float64)) + np.eye(2) * 1e-6)
    return bool(values[1] > 5 * values[0] and abs(vectors[1, 1]) > np.cos(UPRIGHT))


def crossed_out(digits: Examples, rng: np.random.Generator) -> Ink:
    """Write a digit and cross it out by a cross, by several lines or by a zigzag."""
    digit = some_digit(digits, rng)
    border = 20
    ink = cv2.copyMakeBorder(digit, border, border, border, border, cv2.BORDER_CONSTANT)
    size = np.array([ink.shape[1], ink.shape[0]], np.float64)
    if rng.random() < 0.4:
        count = int(rng.integers(5, 10))
        across = np.linspace(0.05, 0.95, count)
        points = [np.stack([across, 0.2 + 0.6 * (np.arange(count) % 2)], axis=1)]
    elif rng.random() < 0.5:
        points = [np.array([[0.05, 0.1], [0.95, 0.9]]), np.array([[0.95, 0.1], [0.05, 0.9]])]
    else:
        heights = rng.uniform(0.2, 0.8, int(rng.integers(3, 6)))
        points = [np.array([[0.02, y], [0.98, y - rng.uniform(0, 0.2)]]) for y in heights]
    width = max(2, round(pen_width(rng) * max(ink.shape) / 140))
    for line in points:
        curve = smooth((line + rng.normal(0, 0.05, line.shape)) * size)
        fixed = [np.rint(curve * 16).astype(np.int32)[:, None]]
        cv2.polylines(ink, fixed, False, 255, width, cv2.LINE_AA, 4)
    return np.asarray(ink, np.uint8)


def tangle(_: Examples, rng: np.random.Generator) -> Ink:
    """Draw two to five strokes that have nothing to do with each other."""
    curves = [
        smooth(rng.uniform(0, 1, 2) * 0.6 + rng.uniform(0, 0.8, (int(rng.integers(2, 5)), 2)))
        for _ in range(int(rng.integers(3, 6)))
    ]
    return draw(curves, pen_width(rng))


MAKERS: tuple[tuple[Maker, float], ...] = (
    (symbol, 50.0),
    (mark, 24.0),
    (several, 12.0),
    (piece, 3.0),
    (crossed_out, 5.0),
    (tangle, 3.0),
)
"""Every way to make what is no digit, with its share."""
