"""What a recipe trains on: a split of real digits, and what the recipe adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import CLASSES, Examples
from inkdigits.data.open_sets import load_optdigits, load_semeion
from inkdigits.synthesis.batch import synthesise
from inkdigits.training.recipe import Recipe

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Material:
    """Training images, uint8 (N, 28, 28), with what the network is to say of them.

    `labels` is uint8 (N,), 0–9, or 10 for no digit; or float32 (N, C), a probability for each of
    the C classes, where another model has labelled them.
    """

    images: Images
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.images)


def class_count(recipe: Recipe) -> int:
    """Return how many classes the recipe's network tells apart: 10 digits, and maybe the rest."""
    return CLASSES + (recipe.data.negatives > 0)


def gather_material(recipe: Recipe, train: Examples) -> Material:
    """Return the recipe's training images: `train`, the open sets and what is synthesised.

    Synthesis redraws `train` only, never val or test, by the recipe's seed. Raises DataUnavailable
    when an open set cannot be had.
    """
    parts = [(train.images, train.labels)]
    if recipe.data.open_sets:
        parts += [(examples.images, examples.labels) for examples in open_sets(recipe)]
    counts = recipe.data.synthetic_digits, recipe.data.negatives
    if any(counts):
        parts.append(synthesise(*counts, train, recipe.training.seed))
    images, labels = zip(*parts, strict=True)
    return Material(np.concatenate(images), np.concatenate(labels))


def open_sets(recipe: Recipe) -> list[Examples]:
    """Return each of the open sets as often as the recipe wants it to be seen in an epoch."""
    return [load_semeion(), load_optdigits()] * recipe.data.open_sets
