"""Comb: forms with a box for each digit, some of them left empty."""

from __future__ import annotations

import numpy as np

from inkdigits.synthesis.layout import cut_to_ink
from inkdigits.synthesis.scene import Writing, draw_line
from inkdigits.synthesis.strokes import Ink
from inkdigits.synthesis.writers import Writer


def in_comb(text: str, writer: Writer, rng: np.random.Generator) -> Writing:
    """Write each digit of `text` into a box of its own, left or right in the row of boxes."""
    height = writer.height
    before, after = (int(v) for v in rng.choice([[0, 0], [0, 1], [1, 0], [2, 0], [0, 2], [0, 4]]))
    count = before + len(text) + after
    wide, tall = height * rng.uniform(1.0, 1.7), height * rng.uniform(1.25, 1.8)
    apart = wide * rng.uniform(0.05, 0.35) if rng.random() < 0.4 else 0.0
    room = round(0.5 * height)
    shape = (round(tall) + 2 * room, round(count * (wide + apart)) + 2 * room)
    ink, printed = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for box in range(count):
        left = room + box * (wide + apart)
        draw_box(printed, left, wide, (room, room + tall), apart > 0, height)
    if apart == 0 and rng.random() < 0.93:
        thick = max(1, round(0.03 * height))
        for row in (room, room + tall):
            draw_line(printed, (room, row), (room + count * wide, row), thick)
    corners = []
    for place, digit in enumerate(text):
        glyph = cut_to_ink(writer.digit(int(digit), rng))
        centre = room + (before + place) * (wide + apart) + wide / 2
        x = round(centre - glyph.shape[1] / 2 + wide * rng.normal(0, 0.07))
        y = round(room + tall / 2 - glyph.shape[0] / 2 + tall * rng.normal(0, 0.05))
        x, y = max(0, x), max(0, y)
        where = ink[y : y + glyph.shape[0], x : x + glyph.shape[1]]
        np.maximum(where, glyph[: where.shape[0], : where.shape[1]], out=where)
        corners.append((x, y, x + glyph.shape[1], y + glyph.shape[0]))
    found = np.array(corners)
    rows = int(found[:, 1].min()), int(found[:, 3].max())
    columns = np.asarray((ink > 60).any(axis=0))
    nowhere = np.zeros_like(columns)
    return Writing(ink, printed, columns, nowhere, rows, height, writer.pen)


def draw_box(
    printed: Ink,
    left: float,
    wide: float,
    levels: tuple[float, float],
    closed: bool,
    height: float,
) -> None:
    """Draw one box: closed where boxes stand apart, else its sides, as high as the teeth are."""
    thick = max(1, round(0.03 * height))
    top, bottom = levels
    for column in (left, left + wide):
        draw_line(printed, (column, top), (column, bottom), thick)
    if closed:
        for row in levels:
            draw_line(printed, (left, row), (left + wide, row), thick)
