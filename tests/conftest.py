"""What every test may use: real MNIST where it is at hand, small sets where it is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from samples import drawn_digits, write_idx_folder

# Tests import Keras themselves, before the product could choose its engine.
os.environ.setdefault("KERAS_BACKEND", "jax")
# No test is timed: a busy machine makes none fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

from inkdigits.data import mnist as mnist_source
from inkdigits.data.dataset import Dataset

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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


@pytest.fixture(scope="session")
def small() -> Dataset:
    """1,000 training and 300 test images of ten easy classes."""
    return Dataset("small", drawn_digits(1000), drawn_digits(300, seed=1), comparable=False)


@pytest.fixture(scope="session")
def small_folder(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("small-idx"), small)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from browsing import chromium

    with chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as opened:
        yield opened


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    from browsing import axe_source

    assert request.config.cache is not None
    return axe_source(request.config.cache.mkdir("axe"))
