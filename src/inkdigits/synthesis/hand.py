"""A hand: how one writer writes, drawn once and kept for all of that writer's glyphs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from inkdigits.synthesis.digit_shapes import AMONG_OTHERS, BARS, CROSSED, DIGITS, Variant
from inkdigits.synthesis.strokes import Ink, Points, draw, parse, trace

BOX = np.array([10.0, 14.0])
"""The box, in units of a shape, that the shapes stand in."""
LETTER_LIKE = {1: 0.06, 4: 0.16, 5: 0.16, 7: 0.2, 8: 0.1, 9: 0.42}
"""How often writers of numbers use a shape that, alone, would be a letter."""
SECOND_HABIT = 0.1
"""How often a writer uses another shape than the usual one."""
OWN_WAYS = (0.0, 0.3, 0.6)
"""How far a writer's own shapes stray from the common ones, in units of a shape."""


@dataclass(frozen=True)
class Hand:
    """One writer: slant (x per y), aspect (width by height), pen (pixels of 100), pressure (0–1).

    `jitter` is the standard deviation of a point in units of a shape, `wobble` that of the slow
    bending of whole strokes; `shapes` holds the usual shape of each digit, as text.
    """

    slant: float
    aspect: float
    pen: float
    pressure: float
    jitter: float
    wobble: float
    shapes: tuple[str, ...]

    def write(self, shape: str, rng: np.random.Generator) -> Ink:
        """Write `shape` (see `strokes`) once, as ink about 100 pixels long."""
        parsed = parse(shape)
        points = parsed.points + rng.normal(0, self.jitter, parsed.points.shape)
        curves = trace(parsed, points)
        aspect = self.aspect * np.exp(rng.normal(0, 0.06))
        slant = self.slant + rng.normal(0, 0.05)
        bend = rng.normal(0, self.wobble, 4), rng.uniform(0, 2 * np.pi, 4)
        turn = rng.normal(0, 0.04)
        curves = [place(curve, aspect, slant, turn, bend) for curve in curves]
        return draw(curves, max(1.0, self.pen * np.exp(rng.normal(0, 0.1))), self.pressure)

    def digit(self, label: int, rng: np.random.Generator) -> Ink:
        """Write the digit `label` (0–9) once."""
        usual = rng.random() >= SECOND_HABIT
        return self.write(self.shapes[label] if usual else choose(DIGITS[label], rng), rng)


def place(
    curve: Points,
    aspect: float,
    slant: float,
    turn: float,
    bend: tuple[Points, Points],
) -> Points:
    """Return `curve` bent by slow waves, then stretched, slanted and turned."""
    amplitude, phase = bend
    x, y = (curve / BOX - 0.5).T
    waves = amplitude * np.sin(np.pi * np.stack([y, 2 * y, x, 2 * x], axis=1) + phase)
    bent = curve + np.stack([waves[:, 0] + waves[:, 1], waves[:, 2] + waves[:, 3]], axis=1)
    x, y = bent.T
    x = aspect * x - slant * (y - BOX[1] / 2)
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1)


def new_hand(rng: np.random.Generator) -> Hand:
    """Draw a writer: the pens go from a fineliner to a brush, the forms from narrow to wide."""
    return Hand(
        slant=float(rng.normal(0.1, 0.17)),
        aspect=float(np.exp(rng.normal(-0.05, 0.22))),
        pen=float(np.clip(np.exp(rng.normal(2.25, 0.5)), 3, 28)),
        pressure=float(rng.choice([0.0, 0.0, 0.2, 0.4])),
        jitter=float(rng.choice([0.15, 0.3, 0.45])),
        wobble=float(rng.choice([0.1, 0.25, 0.4])),
        shapes=habits(rng),
    )


def habits(rng: np.random.Generator) -> tuple[str, ...]:
    """Draw a writer's usual shape of each digit: who flags the 1 mostly crosses the 7."""
    shapes = [choose(variants, rng) for variants in DIGITS]
    bars = {variant.shape for variant in DIGITS[1][:BARS]}
    if rng.random() < (0.2 if shapes[1] in bars else 0.7):
        shapes[7] = choose(CROSSED, rng)
    return tuple(shapes)


def among_others(hand: Hand, rng: np.random.Generator) -> Hand:
    """Return `hand` as it writes numbers of several digits: some shapes may look like letters."""
    shapes = list(hand.shapes)
    for digit, share in LETTER_LIKE.items():
        if rng.random() < share:
            shapes[digit] = choose(AMONG_OTHERS[digit], rng)
    stray = float(rng.choice(OWN_WAYS))
    return replace(hand, shapes=tuple(strayed(shape, stray, rng) for shape in shapes))


def strayed(shape: str, stray: float, rng: np.random.Generator) -> str:
    """Return `shape` with its points moved for good, by a standard deviation of `stray`."""
    if stray == 0:
        return shape

    def moved(found: re.Match[str]) -> str:
        x, y = (float(value) for value in found.groups())
        dx, dy = rng.normal(0, stray, 2)
        return f"{x + dx:.2f},{y + dy:.2f}"

    return re.sub(r"(-?[\d.]+),(-?[\d.]+)", moved, shape)


def choose(variants: tuple[Variant, ...], rng: np.random.Generator) -> str:
    """Draw one of `variants` by their shares."""
    shares = np.array([variant.share for variant in variants])
    return variants[int(rng.choice(len(variants), p=shares / shares.sum()))].shape
