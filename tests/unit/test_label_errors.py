"""The labels of MNIST's test split that are known to be wrong."""

import numpy as np
import pytest

from inkdigits.evaluation.label_errors import (
    WRONG_LABELS,
    is_mnist_test,
    score_label_errors,
    wrong_labels,
)


def test_there_are_fifteen_and_no_seen_digit_is_the_label():
    assert len(WRONG_LABELS) == 15
    assert list(WRONG_LABELS) == sorted(WRONG_LABELS)
    assert all(given != seen for given, seen in WRONG_LABELS.values())
    assert sum(seen is not None for _, seen in WRONG_LABELS.values()) == 10


def test_other_labels_have_none():
    labels = np.arange(10_000) % 10
    assert not is_mnist_test(labels)
    assert wrong_labels(labels) == []
    assert score_label_errors(labels, labels) is None
    assert not is_mnist_test(labels[:300])


@pytest.mark.mnist
def test_the_places_are_those_of_mnist_as_loaded(mnist):
    labels = mnist.test.labels
    assert wrong_labels(labels) == list(WRONG_LABELS)
    assert {place: int(labels[place]) for place in WRONG_LABELS} == {
        place: given for place, (given, _) in WRONG_LABELS.items()
    }
    assert not is_mnist_test(mnist.train.labels[:10_000])
    swapped = labels.copy()
    swapped[[0, 1]] = labels[[1, 0]]
    assert not is_mnist_test(swapped)


@pytest.mark.mnist
def test_scores_with_and_without_them(mnist):
    labels = mnist.test.labels.astype(np.int64)
    as_people = labels.copy()
    for place, (_, seen) in WRONG_LABELS.items():
        as_people[place] = labels[place] if seen is None else seen
    found = score_label_errors(as_people, labels)
    assert (found["differs"], found["as_people"], found["agreed"]) == (10, 10, 10)
    assert found["accuracy_without"] == 1.0
    one_more = labels.copy()
    one_more[0] = 3
    found = score_label_errors(one_more, labels)
    assert (found["differs"], found["as_people"]) == (0, 0)
    assert found["accuracy_without"] == pytest.approx(1 - 1 / 9985)
