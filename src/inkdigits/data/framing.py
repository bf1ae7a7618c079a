"""A page that holds one digit, framed for a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import IMAGE_SHAPE
from inkdigits.imaging.clean import clean
from inkdigits.imaging.frame import frame


def frame_digit(page: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the grey `page` (H, W) framed as uint8 (28, 28); all zeros where it is blank."""
    framed = frame(clean(page))
    return framed.image if framed else np.zeros(IMAGE_SHAPE, np.uint8)
