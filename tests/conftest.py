"""What every test may use: real MNIST where it is at hand, small sets where it is not."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

# Tests import Keras themselves, before the product could choose its engine.
os.environ.setdefault("KERAS_BACKEND", "jax")

from inkdigits.data import mnist as mnist_source
from inkdigits.data.dataset import Dataset, Examples


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of the real MNIST; skips where it is not at hand, fails in CI."""
    folder = mnist_source.at_hand()
    if folder is None:
        reason = "MNIST is not at hand: set INKDIGITS_DATA or run `inkdigits data fetch`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def mnist(mnist_folder: Path) -> Dataset:
    return mnist_source.load_folder(mnist_folder)


def drawn_digits(n: int, seed: int = 0) -> Examples:
    """Ten easily told classes: a bright bar whose row depends on the label, with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    images = rng.integers(0, 30, (n, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + 2 * label : 6 + 2 * label, 4:24] = rng.integers(150, 255)
    return Examples(images, labels)


@pytest.fixture(scope="session")
def small() -> Dataset:
    """1,000 training and 300 test images of ten easy classes."""
    return Dataset("small", drawn_digits(1000), drawn_digits(300, seed=1), comparable=False)


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx_folder(folder: Path, dataset: Dataset, *, packed: bool = True) -> Path:
    """Write `dataset` as four IDX files."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = (
        (mnist_source.TRAIN_IMAGES, dataset.train.images),
        (mnist_source.TRAIN_LABELS, dataset.train.labels),
        (mnist_source.TEST_IMAGES, dataset.test.images),
        (mnist_source.TEST_LABELS, dataset.test.labels),
    )
    for file, array in parts:
        content = idx_bytes(array)
        path = folder / f"{file.name}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content, 1) if packed else content)
    return folder


@pytest.fixture(scope="session")
def small_folder(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("small-idx"), small)
