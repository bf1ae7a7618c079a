"""Arrays that images are in, and their types for what OpenCV returns untyped."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Grey: TypeAlias = NDArray[np.uint8]
Strength: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]


def as_uint8(array: object) -> Grey:
    """Give OpenCV's untyped result its type."""
    return np.asarray(array, np.uint8)


def as_float32(array: object) -> Strength:
    """Give OpenCV's untyped result its type."""
    return np.asarray(array, np.float32)
