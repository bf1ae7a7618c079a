"""The offline digits: the 1,797 real 8×8 digits that scikit-learn carries.

They are the test part of UCI's "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak,
1998), so they need no network. A score on them does not compare with MNIST's.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Dataset, Examples
from inkdigits.imaging.arrays import as_float32
from inkdigits.imaging.frame import bounding_box, centre, shrink

# The set lists its writers one after the other, so the last fifth holds other hands.
TEST_FRACTION = 0.2
INK_FROM = 0.2


def load_offline_digits() -> Dataset:
    """Return the offline digits as a Dataset: each framed the MNIST way, last fifth as test."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.stack([upscale(image) for image in bunch.images])
    examples = Examples(images, bunch.target.astype(np.uint8))
    boundary = int(len(examples) * (1 - TEST_FRACTION))
    return Dataset("digits", examples[:boundary], examples[boundary:], comparable=False)


def upscale(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return an 8×8 image of values 0–16 as a framed uint8 (28, 28) image."""
    # Clean already, and nothing but ink, so that only the last steps of framing are needed.
    ink = np.clip(cv2.resize(image / 16, (32, 32), interpolation=cv2.INTER_CUBIC), 0, 1)
    mask = ink > INK_FROM
    left, top, width, height = bounding_box(mask)
    part = np.s_[top : top + height, left : left + width]
    return centre(shrink(as_float32(ink[part]), mask[part]))
