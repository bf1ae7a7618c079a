import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import drawn_digits

from inkdigits.data.dataset import Dataset, Examples, split_val
from inkdigits.data.explore import choose, describe
from inkdigits.errors import InvalidData, UsageError


@pytest.mark.parametrize(
    ("images", "labels", "complaint"),
    [
        (np.zeros((2, 28, 27), np.uint8), np.zeros(2, np.uint8), r"\(2, 28, 27\)"),
        (np.zeros((2, 28, 28), np.float32), np.zeros(2, np.uint8), "float32"),
        (np.zeros((2, 28, 28), np.uint8), np.zeros(3, np.uint8), "2 images but labels"),
        (np.zeros((2, 28, 28), np.uint8), np.array([1, 10], np.uint8), "0–9, got 10"),
    ],
)
def test_what_does_not_fit_is_refused(
    images: np.ndarray, labels: np.ndarray, complaint: str
) -> None:
    with pytest.raises(InvalidData, match=complaint):
        Examples(images, labels)


@given(st.integers(1, 400), st.floats(0.01, 0.5))
def test_val_is_the_last_part_and_nothing_is_lost(n: int, fraction: float) -> None:
    examples = drawn_digits(n)
    train, val = split_val(examples, fraction)
    assert np.array_equal(np.concatenate([train.labels, val.labels]), examples.labels)
    assert len(train) == int(n * (1 - fraction))


def test_mnist_splits_as_keras_does() -> None:
    examples = Examples(np.zeros((60_000, 28, 28), np.uint8), np.zeros(60_000, np.uint8))
    assert [len(part) for part in split_val(examples, 0.1)] == [54_000, 6_000]


def test_hash_depends_on_every_byte_and_on_order(small: Dataset) -> None:
    same = Dataset("other name", small.train, small.test)
    assert same.sha256 == small.sha256
    labels = small.test.labels.copy()
    labels[-1] = (labels[-1] + 1) % 10
    changed = Dataset("small", small.train, Examples(small.test.images, labels))
    assert changed.sha256 != small.sha256
    assert Dataset("small", small.test, small.train).sha256 != small.sha256


def test_describe_counts_every_digit(small: Dataset) -> None:
    found = describe(small)
    assert sum(found["train"]["per_digit"]) == found["train"]["n"] == 1000
    assert found["test"]["value_range"][1] > 150
    assert found["test"]["blank_images"] == 0


def test_choose_by_seed_and_by_index(small: Dataset) -> None:
    first = choose(small.train, 9, seed=3)
    assert len(set(first.tolist())) == 9
    assert np.array_equal(first, choose(small.train, 9, seed=3))
    assert not np.array_equal(first, choose(small.train, 9, seed=4))
    assert choose(small.train, 9, indices=[5, 5]).tolist() == [5, 5]
    with pytest.raises(UsageError, match="0–999, got 1000"):
        choose(small.train, 9, indices=[1000])
