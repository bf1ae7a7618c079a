"""Made training images: the same for a seed, framed as MNIST, of the kind their label says."""

import numpy as np
import pytest

from inkdigits.data.dataset import Examples
from inkdigits.errors import UsageError
from inkdigits.imaging.frame import INK_SIDE
from inkdigits.synthesis import NOT_A_DIGIT
from inkdigits.synthesis.batch import synthesise
from inkdigits.synthesis.framing import frame_ink
from inkdigits.synthesis.hand import new_hand


@pytest.fixture(scope="module")
def written() -> Examples:
    """200 written digits stand in for MNIST's."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 10
    hands = [new_hand(rng) for _ in range(20)]
    images = [frame_ink(hands[n // 10].digit(int(d), rng)) for n, d in enumerate(labels)]
    return Examples(np.stack(images), labels.astype(np.uint8))


@pytest.fixture(scope="module")
def made(written: Examples) -> tuple[np.ndarray, np.ndarray]:
    return synthesise(300, 120, written, seed=4)


def test_same_seed_same_images(written: Examples) -> None:
    first, again = (synthesise(50, 30, written, seed=4) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    other, _ = synthesise(50, 30, written, seed=5)
    assert not np.array_equal(first[0], other)


def test_counts_and_kinds(made: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = made
    assert (images.shape, images.dtype, labels.dtype) == ((420, 28, 28), np.uint8, np.uint8)
    assert (labels == NOT_A_DIGIT).sum() == 120
    assert all((labels == digit).sum() > 10 for digit in range(10))
    assert (np.diff(labels.astype(int)) != 0).mean() > 0.5, "shuffled"


def test_every_image_is_framed(made: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = made
    offsets = []
    for image, label in zip(images, labels, strict=True):
        assert image.max() > 100
        rows, columns = np.nonzero(image)
        extent = max(np.ptp(rows), np.ptp(columns)) + 1
        assert extent <= INK_SIDE
        if label != NOT_A_DIGIT:
            weight = image.astype(float) / image.sum()
            centre = (weight.sum(axis=1) @ np.arange(28), weight.sum(axis=0) @ np.arange(28))
            offsets.append(np.abs(np.subtract(centre, 14)).max())
    # Centred by mass as far as the 28 pixels allow.
    assert np.mean(np.array(offsets) <= 0.75) > 0.97


def test_wrong_counts_and_no_digits_are_refused(written: Examples) -> None:
    with pytest.raises(UsageError, match="counts must be ≥ 0"):
        synthesise(-1, 10, written, seed=0)
    with pytest.raises(UsageError, match="no digits to redraw"):
        synthesise(10, 10, written[:0], seed=0)


def test_nothing_asked_nothing_made(written: Examples) -> None:
    images, labels = synthesise(0, 0, written, seed=0)
    assert images.shape == (0, 28, 28) and labels.shape == (0,)
