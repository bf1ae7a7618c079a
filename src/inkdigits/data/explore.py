"""Look at a data set before training on it: shapes, values, balance, a few examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import CLASSES, Dataset, Examples
from inkdigits.errors import UsageError


def describe(dataset: Dataset) -> dict[str, Any]:
    """Return what `data explore` prints: for each split its shapes, dtypes, range and balance."""
    splits = {"train": dataset.train, "test": dataset.test}
    return {
        "name": dataset.name,
        "sha256": dataset.sha256,
        **{name: describe_split(examples) for name, examples in splits.items()},
    }


def describe_split(examples: Examples) -> dict[str, Any]:
    """Return the figures of one split, JSON-ready."""
    images, labels = examples.images, examples.labels
    return {
        "n": len(examples),
        "image_shape": list(images.shape),
        "image_dtype": str(images.dtype),
        "value_range": [int(images.min()), int(images.max())],
        "value_mean": round(float(images.mean()), 3),
        "label_dtype": str(labels.dtype),
        "label_range": [int(labels.min()), int(labels.max())],
        "per_digit": np.bincount(labels, minlength=CLASSES).tolist(),
        "blank_images": int((images.reshape(len(images), -1).max(axis=1) == 0).sum()),
    }


def choose(
    examples: Examples, count: int, *, seed: int = 0, indices: Sequence[int] | None = None
) -> NDArray[np.intp]:
    """Return `count` indices into `examples`: those given, or drawn without repeats by `seed`.

    Raises UsageError for an index outside 0 … N-1.
    """
    if indices is None:
        rng = np.random.default_rng(seed)
        return rng.choice(len(examples), size=min(count, len(examples)), replace=False)
    for index in indices:
        if not 0 <= index < len(examples):
            raise UsageError(f"index must be 0–{len(examples) - 1}, got {index}.")
    return np.asarray(indices, np.intp)
