"""The 15 labels of MNIST's test split that are known to be wrong, scored apart.

C. Northcutt, A. Athalye, J. Mueller, "Pervasive label errors in test sets destabilize machine
learning benchmarks" (2021, labelerrors.com): confident learning proposed 100 of the 10,000 labels
as wrong, and five people looked at each image. Where no more than two of the five kept the given
label, it counts as an error; their votes are published for every image, and 15 of them are so.
In 10 of the 15 at least three agree on another digit; in the rest they saw no digit, or both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from inkdigits.files import sha256

# Of the 10,000 labels as bytes, without the header of the IDX file: whatever the set was called
# and wherever it was read from, these are MNIST's test digits in their order.
TEST_LABELS_SHA256 = "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"

# Place in the test split → (label as given, what at least three of the five saw instead).
WRONG_LABELS: Mapping[int, tuple[int, int | None]] = {
    947: (8, 9),
    1621: (0, 6),
    1901: (9, 4),
    2130: (4, None),
    2462: (2, 0),
    2597: (5, 3),
    2654: (6, None),
    3520: (6, None),
    3558: (5, 0),
    5937: (5, 3),
    6651: (0, 6),
    6783: (1, 6),
    8527: (4, None),
    9679: (6, None),
    9729: (5, 6),
}


class LabelErrors(TypedDict):
    """What a model did where the label is known to be wrong; accuracies in 0–1.

    `accuracy_without`: over all the other images; `differs`: how many of the `n` wrong labels it
    did not read as labelled; `as_people`: how many of the `agreed`, on which people agreed, it
    read as they did.
    """

    n: int
    indices: list[int]
    accuracy_without: float
    differs: int
    agreed: int
    as_people: int


def is_mnist_test(labels: NDArray[Any]) -> bool:
    """Return whether `labels`, integer (N,), are those of MNIST's test split, in its order."""
    return (
        len(labels) == 10_000
        and sha256(np.ascontiguousarray(labels, np.uint8).data) == TEST_LABELS_SHA256
    )


def wrong_labels(labels: NDArray[Any]) -> list[int]:
    """Return the places of the labels known to be wrong, in order; none for other sets."""
    return list(WRONG_LABELS) if is_mnist_test(labels) else []


def score_label_errors(predictions: NDArray[np.int64], labels: NDArray[Any]) -> LabelErrors | None:
    """Return the LabelErrors of a model's predictions, (N,) 0–9; None for sets but MNIST's test."""
    indices = wrong_labels(labels)
    if not indices:
        return None
    right = predictions == labels
    people = {place: seen for place, (_, seen) in WRONG_LABELS.items() if seen is not None}
    return LabelErrors(
        n=len(indices),
        indices=indices,
        accuracy_without=float(np.delete(right, indices).mean()),
        differs=int((~right[indices]).sum()),
        agreed=len(people),
        as_people=sum(int(predictions[place]) == seen for place, seen in people.items()),
    )
