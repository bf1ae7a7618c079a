"""Punctuation: what stands around and inside a number: points, dashes, currency signs.

Points and commas are labelled as such; the rest is not read.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import POINT
from inkdigits.synthesis.hand import Hand, new_hand
from inkdigits.synthesis.layout import Line, scaled
from inkdigits.synthesis.strokes import Ink
from inkdigits.synthesis.symbol_shapes import SIGNS

Points = NDArray[np.float64]

TAILS = ("dash", "dot", "comma", "equals", "dot dash", "comma dash", "colon", "sign", "slashes")
TAIL_SHARES = (0.26, 0.2, 0.12, 0.17, 0.08, 0.04, 0.05, 0.04, 0.04)
HEADS = ("$", "$", "$", "€", "£", "#", "=", "-", "*", "S/")
HEAD_SHARES = (0.15, 0.15, 0.15, 0.12, 0.08, 0.08, 0.1, 0.1, 0.05, 0.02)
LETTER_S = ("9,1.6 5,0 1,2 2,5.6 7,8 9,11 6,14 1,12.6",)


def add_tail(line: Line, height: float, pen: float, rng: np.random.Generator) -> str:
    """Close a number as people close amounts, so that nothing can be added; return its points."""
    label = ""
    gap = height * rng.uniform(0.08, 0.5)
    kind = TAILS[int(rng.choice(len(TAILS), p=TAIL_SHARES))]
    for part in kind.split():
        if part in ("dot", "comma"):
            label += add_point(line, height, pen, gap * 0.4, part == "comma", rng)
        elif part in ("dash", "equals"):
            add_dash(line, height, pen, gap, 1 + (part == "equals"), rng)
        elif part == "colon":
            add_colon(line, height, pen, gap, rng)
        elif part == "slashes":
            add_slashes(line, height, pen, gap, rng)
        else:
            add_sign(line, height, pen, gap, "#", rng)
    return label


def add_head(line: Line, height: float, pen: float, rng: np.random.Generator) -> None:
    """Put a currency sign or a dash before a number."""
    sign = str(rng.choice(HEADS, p=HEAD_SHARES))
    gap = height * rng.uniform(0.1, 0.5)
    if sign in "-=":
        add_dash(line, height, pen, gap, 1 + (sign == "="), rng)
    elif sign == "S/":
        add_sign(line, height, pen, gap, sign, rng)
        add_stroke(line, [[0.35, 0], [0, 1.1]], height, pen, 0, 0.1 * height)
    else:
        add_sign(line, height, pen, gap, sign, rng)


def add_colon(line: Line, height: float, pen: float, gap: float, rng: np.random.Generator) -> None:
    """Set two dots, one above the other, that are no point of the number."""
    before = len(line.points)
    add_point(line, height, pen, gap, False, rng, rise=height * rng.uniform(0.4, 0.6))
    add_point(line, height, pen, -1.6 * pen, False, rng)
    del line.points[before:]


def add_separator(line: Line, height: float, pen: float, rng: np.random.Generator) -> str:
    """Part thousands by a dot, a comma or a raised stroke; return its label."""
    kind = rng.random()
    gap = height * rng.uniform(0.0, 0.25)
    rise = height * rng.uniform(0.85, 1.0) if kind > 0.94 else 0.0
    return add_point(line, height, pen, gap, kind > 0.72, rng, rise=rise)


def add_point(
    line: Line,
    height: float,
    pen: float,
    gap: float,
    comma: bool,
    rng: np.random.Generator,
    rise: float | None = None,
    counts: bool = False,
) -> str:
    """Set a dot, or a comma that reaches below the baseline; return its label, "" without room."""
    if comma:
        length = height * rng.uniform(0.12, 0.35)
        lean = rng.uniform(-0.1, 0.6)
        below = 0.6 * length if rise is None or rise == 0 else -rise
        points = [[lean * length / height, 0], [0, length / height]]
        strokes = [np.array(points) * height]
        return marked(line, line.add(drawn(strokes, pen), -below, gap, counts))
    size = pen * rng.uniform(0.9, 1.6)
    side = round(size + 3)
    ink = np.zeros((side + 2, side + 2), np.uint8)
    axes = (round(8 * size * rng.uniform(0.7, 1.3)), round(8 * size))
    centre = (8 * (side + 1), 8 * (side + 1))
    cv2.ellipse(ink, centre, axes, float(rng.uniform(-60, 60)), 0, 360, 255, -1, cv2.LINE_AA, 4)
    return marked(line, line.add(ink, rise or height * rng.normal(0, 0.05), gap, counts))


def marked(line: Line, column: int | None) -> str:
    """Note that a point stands at `column` of the line and return its label."""
    if column is None:
        return ""
    line.points.append(column)
    return POINT


def add_dash(
    line: Line,
    height: float,
    pen: float,
    gap: float,
    bars: int,
    rng: np.random.Generator,
    counts: bool = False,
) -> None:
    """Set one level bar, or two of them, at about half height."""
    length, tilt = rng.uniform(0.25, 1.4), rng.normal(0, 0.1)
    rise = height * rng.uniform(0.15, 0.6)
    apart = rng.uniform(0.18, 0.32)
    strokes = []
    for bar in range(bars):
        bend = rng.normal(0, 0.04)
        own = length * rng.uniform(0.8, 1.1)
        strokes.append([[0, bar * apart], [own / 2, bar * apart + bend - tilt * own / 2]])
        strokes[-1].append([own, bar * apart - tilt * own])
    line.add(drawn([np.array(points) * height for points in strokes], pen), rise, gap, counts)


def add_slashes(
    line: Line, height: float, pen: float, gap: float, rng: np.random.Generator
) -> None:
    """Set two long slashes or three that close a line; they lean more than any 1."""
    tall, lean = rng.uniform(0.7, 1.2), rng.uniform(0.5, 0.9)
    apart = rng.uniform(0.15, 0.3)
    count = int(rng.integers(2, 4))
    strokes = [[[lean * tall + n * apart, 0.0], [n * apart, tall]] for n in range(count)]
    add_strokes(line, strokes, height, pen, gap, -0.1 * height)


def add_sign(
    line: Line, height: float, pen: float, gap: float, sign: str, rng: np.random.Generator
) -> None:
    """Write a sign by a hand with the number's pen."""
    hand = new_hand(rng)
    same = Hand(
        hand.slant, hand.aspect, 100 * pen / height, 0.0, hand.jitter, hand.wobble, hand.shapes
    )
    ways = LETTER_S if sign == "S/" else SIGNS.get(sign, SIGNS["$"])
    glyph = same.write(ways[int(rng.integers(len(ways)))], rng)
    line.add(scaled(glyph, height * rng.uniform(0.75, 1.25) / 100), 0, gap, False)


def add_stroke(
    line: Line, points: list[list[float]], height: float, pen: float, gap: float, rise: float
) -> None:
    """Draw one stroke through `points`, in heights of a digit."""
    add_strokes(line, [points], height, pen, gap, rise)


def add_strokes(
    line: Line, strokes: list[list[list[float]]], height: float, pen: float, gap: float, rise: float
) -> None:
    """Draw strokes through points in heights of a digit, as one glyph."""
    line.add(drawn([np.array(points) * height for points in strokes], pen), rise, gap, False)


def drawn(strokes: list[Points], pen: float) -> Ink:
    """Draw open strokes, in pixels, with a round pen."""
    everything = np.concatenate(strokes)
    low, high = everything.min(axis=0), everything.max(axis=0)
    border = pen / 2 + 2
    columns, rows = np.ceil(high - low + 2 * border).astype(int).tolist()
    ink = np.zeros((rows, columns), np.uint8)
    fixed = [np.rint((points - low + border) * 16).astype(np.int32)[:, None] for points in strokes]
    cv2.polylines(ink, fixed, False, 255, max(1, round(pen - 0.7)), cv2.LINE_AA, 4)
    return ink
