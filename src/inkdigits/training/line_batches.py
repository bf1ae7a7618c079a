"""Batches for the line network: crops of like widths, distorted anew in every epoch."""

from __future__ import annotations

from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.imaging.line import MAX_WIDTH, WIDTH_STEP, side_by_side
from inkdigits.models.line import BLANK
from inkdigits.training.numbers import Crop, Numbers, longest
from inkdigits.training.recipe import AugmentRecipe, TrainingRecipe

NEAR_WIDTHS = 16
"""So many batches are sorted by width together: alike within one, in random order among all."""


class LineBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented batches that depend on seed and epoch alone, so that a resume is exact.

    Each is uint8 (B, 32, W) and int32 (B, L), classes filled up with the blank.
    """

    def __init__(self, numbers: Numbers, recipe: TrainingRecipe, first_epoch: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.images = numbers.images
        self.labels = as_labels(numbers.texts)
        self.widths = np.array([image.shape[1] for image in numbers.images])
        self.recipe = recipe
        self.epoch = first_epoch
        self.shuffle()

    def shuffle(self) -> None:
        """Draw which crops go together in the current epoch, and in which order."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch))
        size = self.recipe.batch_size
        order = rng.permutation(len(self.images))
        batches = []
        for start in range(0, len(order), NEAR_WIDTHS * size):
            near = order[start : start + NEAR_WIDTHS * size]
            near = near[np.argsort(self.widths[near], kind="stable")]
            batches += [near[first : first + size] for first in range(0, len(near), size)]
        self.batches = [batches[number] for number in rng.permutation(len(batches))]

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's order; Keras calls it."""
        self.epoch += 1
        self.shuffle()

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        chosen = self.batches[step]
        rng = np.random.default_rng((self.recipe.seed, self.epoch, step))
        crops = [distort(self.images[number], self.recipe.augment, rng) for number in chosen]
        return side_by_side(crops), self.labels[chosen]


def as_labels(texts: list[str]) -> NDArray[np.int32]:
    """Return texts as int32 (N, L): their classes, filled up with the blank."""
    labels = np.full((len(texts), longest(texts)), BLANK, np.int32)
    for row, text in zip(labels, texts, strict=True):
        row[: len(text)] = [LINE_LABELS.index(sign) for sign in text]
    return labels


def distort(crop: Crop, recipe: AugmentRecipe, rng: np.random.Generator) -> Crop:
    """Return one crop distorted at random: moved, sheared, its strokes and its light changed."""
    changed = moved(crop, recipe, rng) if recipe.moves else crop
    if recipe.pen and rng.random() < recipe.pen:
        kernel = np.ones((2, 2), np.uint8)
        change = cv2.dilate if rng.random() < 0.5 else cv2.erode
        changed = mixed(changed, change(changed, kernel), rng.random())
    if recipe.blur and rng.random() < recipe.blur:
        changed = np.asarray(cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.3, 1.0)), np.uint8)
    if recipe.contrast:
        gamma = np.exp(rng.normal(0, recipe.contrast))
        table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
        changed = table[changed]
    if recipe.noise and rng.random() < 0.5:
        grain = rng.normal(0, 255 * rng.uniform(0, recipe.noise), changed.shape)
        changed = np.clip(changed + grain, 0, 255).astype(np.uint8)
    return changed


def mixed(one: Crop, other: Any, share: float) -> Crop:
    """Return a mean of two crops, `share` of the other."""
    return np.asarray(
        cv2.addWeighted(one, 1 - share, np.asarray(other, np.uint8), share, 0), np.uint8
    )


def moved(crop: Crop, recipe: AugmentRecipe, rng: np.random.Generator) -> Crop:
    """Turn, stretch, shear and shift a crop, its width following."""
    high, wide = crop.shape
    across, down = 1 + rng.uniform(-recipe.scale, recipe.scale, 2)
    angle = np.deg2rad(rng.uniform(-recipe.rotation, recipe.rotation))
    shear = rng.uniform(-recipe.shear, recipe.shear)
    columns = int(np.clip(-(-across * wide // WIDTH_STEP) * WIDTH_STEP, WIDTH_STEP * 4, MAX_WIDTH))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[across, shear], [0, down]])
    middle = np.array([columns / 2, high / 2]) + rng.uniform(-recipe.shift, recipe.shift, 2)
    offset = middle - matrix @ np.array([wide / 2, high / 2])
    warp = np.hstack([matrix, offset[:, None]])
    return np.asarray(cv2.warpAffine(crop, warp, (columns, high), flags=cv2.INTER_LINEAR), np.uint8)
