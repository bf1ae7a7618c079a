"""Page: one decoded page, upright and grey."""

from __future__ import annotations

from dataclasses import dataclass

from inkdigits.imaging.arrays import Grey


@dataclass(frozen=True)
class Page:
    """One page of a source.

    `grey` is uint8 (H, W), 0 = black, 255 = white; `number` counts from 1; `dpi` is the dots per
    inch that the file claims or, of a PDF, that the page was rendered at; None where unknown.
    """

    grey: Grey
    number: int
    dpi: float | None = None
