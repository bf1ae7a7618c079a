"""Strokes: shapes as short text, bent as a hand bends them, drawn with a pen.

A shape is text such as `"1,4 6,0! 6,14; 2,14 9,14"`: strokes part at `;`, each a smooth curve
through its points `x,y`; a `!` makes a corner. Shapes stand in a box of about 10 × 14, y down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Ink = NDArray[np.uint8]
"""uint8 (h, w), ink bright on 0, of any size: a glyph before it is framed or put on paper."""

STEPS = 7
GLYPH_SIDE = 100
"""Pixels of a drawn glyph's longer side, between the centres of its strokes."""
MARGIN = 4
SOFT_EDGE = 1.5
"""OpenCV's smoothed lines come out wider than asked by so many pixels."""
SUBPIXEL_BITS = 4

# The Catmull-Rom basis (E. Catmull, R. Rom, "A class of local interpolating splines", 1974).
_t = np.arange(1, STEPS + 1)[:, None] / STEPS
BASIS = (
    np.concatenate([np.ones_like(_t), _t, _t**2, _t**3], axis=1)
    @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
    / 2
)


@dataclass(frozen=True)
class Shape:
    """A parsed shape: `points` float (n, 2); `sections` are the smooth parts, as index pairs.

    A section runs from its first to its second index, both included; a corner belongs to two.
    `strokes` says for each section which stroke it is part of.
    """

    points: Points
    sections: tuple[tuple[int, int], ...]
    strokes: tuple[int, ...]


@cache
def parse(text: str) -> Shape:
    """Return the shape that `text` describes."""
    points: list[tuple[float, float]] = []
    sections: list[tuple[int, int]] = []
    strokes: list[int] = []
    for number, stroke in enumerate(text.split(";")):
        start = len(points)
        words = stroke.split()
        for word in words:
            x, y = word.rstrip("!").split(",")
            points.append((float(x), float(y)))
            last = len(points) - 1
            if (word.endswith("!") or word is words[-1]) and last > start:
                sections.append((start, last))
                strokes.append(number)
                start = last
    return Shape(np.array(points), tuple(sections), tuple(strokes))


def trace(shape: Shape, points: Points) -> list[Points]:
    """Return each stroke as a dense curve (m, 2) through `points`, the moved points of `shape`."""
    curves: list[list[Points]] = [[] for _ in range(shape.strokes[-1] + 1)]
    for (first, last), stroke in zip(shape.sections, shape.strokes, strict=True):
        curves[stroke].append(smooth(points[first : last + 1]))
    return [np.concatenate(parts) for parts in curves if parts]


def smooth(points: Points) -> Points:
    """Return a dense smooth curve (m, 2) through `points` (n ≥ 2, 2)."""
    ends = [2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]]
    padded = np.concatenate(ends)
    windows = np.stack([padded[i : len(padded) - 3 + i] for i in range(4)], axis=1)
    return np.concatenate([points[:1], (BASIS @ windows).reshape(-1, 2)])


def draw(curves: list[Points], width: float, pressure: float = 0.0) -> Ink:
    """Draw curves of any scale with a round pen as ink of about `GLYPH_SIDE` pixels.

    `width` is that of the pen in pixels, ≥ 1; with `pressure` (0–1) it swells and thins by that
    share along each stroke.
    """
    everything = np.concatenate(curves)
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = GLYPH_SIDE / max(float((high - low).max()), 1e-6)
    border = MARGIN + width * (1 + pressure) / 2
    columns, rows = (int(v) for v in np.ceil((high - low) * scale + 2 * border))
    ink = np.zeros((rows, columns), np.uint8)
    for curve in curves:
        pixels = (curve - low) * scale + border
        draw_curve(ink, pixels, width, pressure)
    return ink


def draw_curve(ink: Ink, pixels: Points, width: float, pressure: float) -> None:
    """Draw one curve, in pixels, into `ink`."""
    fixed = np.rint(pixels * (1 << SUBPIXEL_BITS)).astype(np.int32)[:, None]
    parts = 1 if pressure == 0 else max(1, len(pixels) // 3)
    bounds = np.linspace(0, len(pixels) - 1, parts + 1).astype(int)
    for number, (first, last) in enumerate(pairwise(bounds)):
        swell = pressure * np.cos(2 * np.pi * number / max(parts, 1))
        thickness = max(1, round(width * (1 - swell) - SOFT_EDGE))
        part = [fixed[first : last + 1]]
        cv2.polylines(ink, part, False, 255, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
