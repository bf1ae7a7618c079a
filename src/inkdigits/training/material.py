"""What a recipe trains on: a split of real digits, and what the recipe adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import CLASSES, Examples
from inkdigits.data.open_sets import load_optdigits, load_semeion
from inkdigits.evaluation.model_file import load_predictor, model_file
from inkdigits.synthesis.batch import synthesise
from inkdigits.training.augment import compile_augmentation
from inkdigits.training.recipe import Recipe

Images = NDArray[np.uint8]
# Images that the teacher labels at a time.
CHUNK = 6000


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

    With a teacher, distorted copies stand for `train`, labelled by it. Synthesis redraws `train`
    only, never val or test, by the recipe's seed. Raises DataUnavailable when an open set cannot be
    had, ModelRefused for a teacher that cannot be used.
    """
    added = added_material(recipe, train)
    if not recipe.distillation.teacher:
        return joined([Material(train.images, train.labels), *added])
    classes = class_count(recipe)
    taught = taught_copies(recipe, train, classes)
    own = [Material(part.images, np.eye(classes, dtype=np.float32)[part.labels]) for part in added]
    return joined([taught, *own])


def added_material(recipe: Recipe, train: Examples) -> list[Material]:
    """Return what the recipe adds to `train`, each part with its own labels."""
    sets = [load_semeion(), load_optdigits()] if recipe.data.open_sets else []
    parts = [Material(found.images, found.labels) for found in sets] * recipe.data.open_sets
    counts = recipe.data.synthetic_digits, recipe.data.negatives
    if any(counts):
        parts.append(Material(*synthesise(*counts, train, recipe.training.seed)))
    return parts


def taught_copies(recipe: Recipe, train: Examples, classes: int) -> Material:
    """Return distorted copies of `train` with the teacher's probabilities, float32 (N, classes)."""
    settings = recipe.distillation
    predict = load_predictor(model_file(Path(settings.teacher)))
    distort = compile_augmentation(settings.augment)
    parts = []
    starts = list(range(0, len(train), CHUNK)) * settings.copies
    for number, start in enumerate(starts):
        some = train.images[start : start + CHUNK]
        distorted = np.asarray(distort(some, recipe.training.seed, number))
        images = np.rint(distorted).astype(np.uint8)
        labels = np.zeros((len(images), classes), np.float32)
        labels[:, :CLASSES] = predict(images)
        parts.append(Material(images, labels))
    return joined(parts)


def joined(parts: Sequence[Material]) -> Material:
    """Return all parts as one."""
    return Material(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )
