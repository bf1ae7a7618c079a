"""Frame ink that needs no cleaning, by the very steps that frame what the reader sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.clean import soft_edge
from inkdigits.imaging.frame import SIDE, bounding_box, centre, shrink
from inkdigits.synthesis.strokes import Ink

INK_FROM = 0.3


def frame_ink(ink: Ink) -> NDArray[np.uint8]:
    """Return `ink`, uint8 (h, w) of any size, framed as uint8 (28, 28); blank ink stays blank."""
    strength = ink.astype(np.float32) / np.float32(max(int(ink.max()), 1))
    mask = strength > INK_FROM
    if not mask.any():
        return np.zeros((SIDE, SIDE), np.uint8)
    left, top, width, height = bounding_box(mask)
    part = np.s_[top : top + height, left : left + width]
    kept = np.where(soft_edge(mask), strength, np.float32(0))
    return centre(shrink(kept[part], mask[part]))
