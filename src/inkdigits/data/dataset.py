"""Labelled images in memory, and the one way they are split."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import InvalidData
from inkdigits.files import sha256

IMAGE_SHAPE = (28, 28)
CLASSES = 10


@dataclass(frozen=True)
class Examples:
    """Images with their labels: uint8 (N, 28, 28), 0 = background, ink bright; uint8 (N,) 0–9.

    Raises InvalidData when shapes, dtypes, counts or label values do not fit.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.shape[1:] != IMAGE_SHAPE:
            raise InvalidData(
                f"images must be uint8 (N, 28, 28), got {self.images.dtype} {self.images.shape}."
            )
        if self.labels.shape != (len(self.images),):
            raise InvalidData(
                f"{len(self.images)} images but labels of shape {self.labels.shape}.",
                "Every image needs exactly one label; are the two files of one set?",
            )
        if len(self.labels) and int(self.labels.max()) >= CLASSES:
            raise InvalidData(f"labels must be 0–9, got {int(self.labels.max())}.")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice) -> Examples:
        return Examples(self.images[part], self.labels[part])


@dataclass(frozen=True)
class Dataset:
    """A named set of examples with its train and test splits.

    `comparable` is False where a score does not compare with published MNIST figures.
    """

    name: str
    train: Examples
    test: Examples
    comparable: bool = True
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        parts = (self.train, self.test)
        arrays = [array for part in parts for array in (part.images, part.labels)]
        digests = [sha256(np.ascontiguousarray(array).data) for array in arrays]
        object.__setattr__(self, "sha256", sha256("".join(digests).encode()))


def split_val(examples: Examples, fraction: float) -> tuple[Examples, Examples]:
    """Split off the last `fraction` (0–1) as val, as Keras's validation_split does."""
    boundary = int(len(examples) * (1.0 - fraction))
    return examples[:boundary], examples[boundary:]
