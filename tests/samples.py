"""Small labelled sets, made here, for tests that need no real digits."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from inkdigits.data import mnist
from inkdigits.data.dataset import Dataset, Examples


def drawn_digits(n: int, seed: int = 0) -> Examples:
    """Ten easily told classes: a bright bar whose row depends on the label, with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    images = rng.integers(0, 30, (n, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + 2 * label : 6 + 2 * label, 4:24] = rng.integers(150, 255)
    return Examples(images, labels)


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx_folder(folder: Path, dataset: Dataset, *, packed: bool = True) -> Path:
    """Write `dataset` as four IDX files."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = (
        (mnist.TRAIN_IMAGES, dataset.train.images),
        (mnist.TRAIN_LABELS, dataset.train.labels),
        (mnist.TEST_IMAGES, dataset.test.images),
        (mnist.TEST_LABELS, dataset.test.labels),
    )
    for file, array in parts:
        content = idx_bytes(array)
        path = folder / f"{file.name}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content, 1) if packed else content)
    return folder
