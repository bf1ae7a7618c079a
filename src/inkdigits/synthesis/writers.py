"""Writers: who writes the digits of a number, all with one hand and one pen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inkdigits.synthesis.hand import Hand
from inkdigits.synthesis.layout import scaled
from inkdigits.synthesis.skeletons import RealPen, Skeletons
from inkdigits.synthesis.strokes import GLYPH_SIDE, Ink


@dataclass(frozen=True)
class RealWriter:
    """Redraws real digits `height` pixels tall with one pen and one slant."""

    height: float
    pool: Skeletons
    real_pen: RealPen

    @property
    def pen(self) -> float:
        """The width of a stroke in pixels."""
        return self.real_pen.width

    def digit(self, label: int, rng: np.random.Generator) -> Ink:
        """Write the digit `label` (0–9) once."""
        return self.pool.draw(label, self.real_pen, self.height, rng)


@dataclass(frozen=True)
class MadeWriter:
    """A made-up writer of digits `height` pixels tall."""

    height: float
    hand: Hand

    @property
    def pen(self) -> float:
        """The width of a stroke in pixels."""
        return max(1.0, self.hand.pen * self.height / GLYPH_SIDE)

    def digit(self, label: int, rng: np.random.Generator) -> Ink:
        """Write the digit `label` (0–9) once."""
        size = np.exp(rng.normal(0, 0.06))
        return scaled(self.hand.digit(label, rng), self.height * size / GLYPH_SIDE)


Writer = RealWriter | MadeWriter
