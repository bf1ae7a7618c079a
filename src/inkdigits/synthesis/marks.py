"""Marks that are no writing: scribbles, dots, lines, frames, grids, smudges, texture, edges.

Each function returns ink, uint8 (h, w) with about 100 pixels a side.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.synthesis.strokes import GLYPH_SIDE, Ink, draw, smooth

SIDE = GLYPH_SIDE


def pen_width(rng: np.random.Generator) -> float:
    """Draw a pen's width in pixels of 100."""
    return float(np.clip(np.exp(rng.normal(2.0, 0.5)), 2.5, 26))


def scribble(rng: np.random.Generator) -> Ink:
    """Draw a curve through many random points, or loops or a zigzag that wander on."""
    count = int(rng.integers(7, 22))
    kind = rng.integers(3)
    if kind == 0:
        points = rng.uniform(0, 1, (count, 2)) * rng.uniform(0.5, 1, 2)
    elif kind == 1:
        angle = np.arange(4 * count // 2) * rng.uniform(0.6, 1.4) + rng.normal(
            0, 0.2, 4 * count // 2
        )
        drift = np.linspace(0, rng.uniform(1, 6), len(angle))
        points = np.stack([np.cos(angle) + drift, np.sin(angle)], axis=1)
    else:
        across = np.linspace(0, rng.uniform(0.6, 2.5), count)
        points = np.stack([across, (np.arange(count) % 2) * rng.uniform(0.7, 1.2, count)], axis=1)
        points = turned(points, rng.uniform(0, np.pi))
    points = points + rng.normal(0, 0.04, points.shape)
    return draw([smooth(points)], pen_width(rng))


def dash(rng: np.random.Generator) -> Ink:
    """Draw one to three level or slightly tilted short lines; steep ones would be ones."""
    tilt = rng.normal(0, 0.22)
    curves = []
    for number in range(int(rng.choice([1, 1, 1, 2, 3]))):
        points = np.stack([np.linspace(0, 1, 4), rng.normal(0, 0.03, 4)], axis=1)
        below = np.array([0, 0.4 * number])
        curves.append(smooth(turned(points, np.clip(tilt, -0.5, 0.5)) + below))
    return draw(curves, pen_width(rng) * rng.choice([1, 2]))


def hook(rng: np.random.Generator) -> Ink:
    """Draw a level line with a small hook at one end: a dash by a hasty hand."""
    height = rng.uniform(0.08, 0.3)
    side = rng.choice([-1, 1])
    bar = np.array([[0, 0], [0.5, rng.normal(0, 0.03)], [1, rng.normal(0, 0.05)]])
    end = np.array([[0, 0], [rng.normal(0, 0.05), side * height]])
    curves = [smooth(bar), smooth(end)]
    if rng.random() < 0.5:
        curves = [curve * [-1, 1] for curve in curves]
    return draw(curves, pen_width(rng))


def dots(rng: np.random.Generator) -> Ink:
    """Draw one to six dots: round or ragged."""
    ink = np.zeros((SIDE, SIDE), np.uint8)
    count = int(rng.choice([1, 1, 2, 3, 4, 6]))
    for _ in range(count):
        centre = rng.integers(SIDE // 4, 3 * SIDE // 4, 2)
        radius = rng.integers(4, 22) / (1 if count == 1 else 1.6)
        angles = np.arange(10) * 2 * np.pi / 10
        reach = radius * np.exp(rng.normal(0, rng.choice([0.05, 0.25]), 10))
        outline = np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach[:, None] + centre
        closed = smooth(np.concatenate([outline, outline[:2]]))
        cv2.fillPoly(ink, [np.rint(closed * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return ink


def box(rng: np.random.Generator) -> Ink:
    """Draw what is left of a printed form: a frame whose lines run over, a corner, a comb."""
    height, width = rng.uniform(40, SIDE - 12), rng.uniform(60, SIDE - 12)
    lines = np.array(
        [
            [[0, 0], [width, 0]],
            [[0, height], [width, height]],
            [[0, 0], [0, height]],
            [[width, 0], [width, height]],
            [[width / 2, height / 2], [width / 2, height]],
        ]
    )
    chosen = [[0, 1, 2, 3, 4], [1, 2, 3], [0, 2], [1, 3], [0, 1, 2], [1, 2, 3, 4], [0, 1]]
    kept = lines[chosen[int(rng.integers(len(chosen)))]]
    overrun = rng.choice([0, 0.08, 0.15])
    middle = kept.mean(axis=1, keepdims=True)
    kept = middle + (kept - middle) * (1 + overrun) + rng.normal(0, 0.6, kept.shape)
    turn = rng.normal(0, 0.04)
    return draw([turned(line, turn) for line in kept], float(rng.uniform(2, 9)))


def grid(rng: np.random.Generator) -> Ink:
    """Draw squared or ruled paper."""
    across, down = int(rng.integers(0, 5)), int(rng.integers(3, 6))
    ends = np.array([0.0, 1.0])
    lines = [np.stack([ends, np.full(2, place)], axis=1) for place in np.linspace(0, 1, down)]
    lines += [np.stack([np.full(2, place), ends], axis=1) for place in np.linspace(0, 1, across)]
    turn = rng.normal(0, 0.05)
    return draw([turned(line, turn) for line in lines], float(rng.uniform(1.5, 7)))


def smudge(rng: np.random.Generator) -> Ink:
    """Draw a blot with soft borders."""
    field = smooth_noise(rng, rng.uniform(8, 22))
    y, x = (np.indices((SIDE, SIDE)) - SIDE / 2) / (SIDE / 2)
    stretch = np.exp(rng.normal(0, 0.3))
    field = field + 1.4 - 2.6 * np.hypot(x * stretch, y / stretch)
    return as_ink(field / rng.uniform(0.3, 1.5))


def texture(rng: np.random.Generator) -> Ink:
    """Draw grain: noise of one coarseness above a threshold, so that flecks of it remain."""
    field = smooth_noise(rng, float(np.exp(rng.uniform(0.2, 2.4))))
    return as_ink((field - rng.uniform(0.2, 1.8)) * rng.uniform(1, 4))


def edge(rng: np.random.Generator) -> Ink:
    """Draw the edge of a sheet or a shadow: a dark margin on one or two sides."""
    y, x = np.indices((SIDE, SIDE), dtype=np.float64) / SIDE
    field = np.full((SIDE, SIDE), -1.0)
    for _ in range(int(rng.integers(1, 3))):
        angle = rng.choice([0, 0.5, 1, 1.5]) * np.pi + rng.normal(0, 0.15)
        depth = rng.uniform(0.3, 0.5)
        field = np.maximum(field, (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) - depth)
    rough = 0.04 * rng.random() * smooth_noise(rng, 4)
    return as_ink((field + 0.12 + rough) * rng.uniform(8, 60))


def specks(rng: np.random.Generator) -> Ink:
    """Draw salt: many single flecks, a few of them larger."""
    ink = (rng.random((SIDE // 4, SIDE // 4)) < rng.uniform(0.01, 0.3)).astype(np.uint8) * 255
    size = (SIDE, SIDE)
    way = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(ink, size, interpolation=way), np.uint8)


def turned(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Return `points` (n, 2) turned around the origin by `angle` in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]))


def smooth_noise(rng: np.random.Generator, coarseness: float) -> NDArray[np.float64]:
    """Return noise (100, 100) of unit spread whose grains are about `coarseness` pixels wide."""
    noise = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)), (0, 0), coarseness)
    return np.asarray(noise / max(float(noise.std()), 1e-9), np.float64)


def as_ink(field: NDArray[np.float64]) -> Ink:
    """Return `field` cut to 0–1 as ink."""
    return np.rint(255 * np.clip(field, 0, 1)).astype(np.uint8)


MARKS = (
    (scribble, 4.0),
    (dash, 4.0),
    (hook, 2.0),
    (dots, 2.0),
    (box, 2.5),
    (grid, 1.5),
    (smudge, 1.0),
    (texture, 2.0),
    (edge, 1.5),
    (specks, 1.0),
)
"""Every kind of mark with its share."""
