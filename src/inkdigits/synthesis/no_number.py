"""No number: words, signatures, scribbles and empty forms, which a reader must not take for one."""

from __future__ import annotations

import cv2
import numpy as np

from inkdigits.artefact.metadata import OTHER
from inkdigits.imaging.arrays import as_uint8
from inkdigits.synthesis.hand import new_hand
from inkdigits.synthesis.layout import new_line, scaled
from inkdigits.synthesis.marks import MARKS, scribble
from inkdigits.synthesis.scene import Writing
from inkdigits.synthesis.strokes import GLYPH_SIDE, Ink
from inkdigits.synthesis.symbol_shapes import CAPITALS, SIGNS, SMALL, SYMBOLS
from inkdigits.synthesis.writers import Writer


def no_number(writer: Writer, rng: np.random.Generator) -> tuple[Writing, str]:
    """Return a sheet without a number, and its label: a word, symbols, a mark, or nothing at all.

    Each letter of a word is one `OTHER`; scribbles and empty sheets are "".
    """
    kind = rng.random()
    label = ""
    if kind < 0.55:
        ink, count = word(writer, rng)
        label = OTHER * count
    elif kind < 0.7:
        ink = signature(writer, rng)
    elif kind < 0.9:
        shares = np.array([share for _, share in MARKS])
        make = MARKS[int(rng.choice(len(MARKS), p=shares / shares.sum()))][0]
        ink = scaled(make(rng), writer.height * rng.uniform(0.4, 1.4) / GLYPH_SIDE)
    else:
        ink = np.zeros((round(writer.height), round(writer.height * rng.uniform(1, 4))), np.uint8)
    room = round(0.8 * writer.height)
    sheet = np.pad(ink, room)
    nowhere = np.zeros(sheet.shape[1], bool)
    printed = np.zeros_like(sheet)
    return Writing(sheet, printed, nowhere, nowhere, None, writer.height, writer.pen), label


def word(writer: Writer, rng: np.random.Generator) -> tuple[Ink, int]:
    """Write one to seven letters, all large, all small or any symbols; return how many, too."""
    hand = new_hand(rng)
    letters = (CAPITALS, SMALL, SYMBOLS, SIGNS)[int(rng.choice(4, p=(0.3, 0.4, 0.2, 0.1)))]
    ways = [way for shapes in letters.values() for way in shapes]
    count = int(rng.choice([1, 1, 2, 3, 4, 5, 6, 7]))
    line = new_line(writer.height, count)
    gap = writer.height * rng.uniform(-0.05, 0.25)
    for _ in range(count):
        glyph = hand.write(ways[int(rng.integers(len(ways)))], rng)
        line.add(scaled(glyph, writer.height / GLYPH_SIDE), 0, gap, True)
    rows = np.flatnonzero(line.ink.any(axis=1))
    return as_uint8(line.ink[rows[0] : rows[-1] + 1, : line.end]), count


def signature(writer: Writer, rng: np.random.Generator) -> Ink:
    """Stretch a scribble into a signature's form."""
    ink = scaled(scribble(rng), writer.height * rng.uniform(0.8, 1.3) / GLYPH_SIDE)
    size = (round(ink.shape[1] * rng.uniform(1, 3.5)), ink.shape[0])
    return as_uint8(cv2.resize(ink, size, interpolation=cv2.INTER_LINEAR))
