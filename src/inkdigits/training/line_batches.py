"""Batches for the line network: strips of one width that hold several crops, distorted anew.

Crops of like widths in a batch of their own would give batch normalisation statistics that are met
nowhere in use, and padding them to one width would be work for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.imaging.line import HEIGHT, MAX_WIDTH, WIDTH_STEP
from inkdigits.models.line import BLANK
from inkdigits.training.numbers import Crop, Numbers, longest
from inkdigits.training.recipe import AugmentRecipe, TrainingRecipe

STRIP = 640
"""Columns of a strip: the widest crop, or some five usual ones."""
GAP = 8
"""Columns without ink between two crops of a strip, at least, beside their own margins."""
LONGEST = 64
"""Signs of a strip, at most; what is more waits for the next one."""


class LineBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented batches that depend on seed and epoch alone, so that a resume is exact.

    Each is uint8 (B, 32, 640), B the recipe's batch size, and int32 (B, 64), classes filled up with
    the blank. A strip's label is that of its crops one after the other. All epochs have the same
    number of batches; the few crops that are left over are others each time.
    """

    def __init__(self, numbers: Numbers, recipe: TrainingRecipe, first_epoch: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.images = numbers.images
        self.texts = numbers.texts
        self.room = rooms(numbers, recipe.augment)
        self.recipe = recipe
        self.steps = batches_of(numbers, recipe)
        self.epoch = first_epoch
        self.shuffle()

    def shuffle(self) -> None:
        """Draw which crops go together in the current epoch, and in which order."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch))
        order = rng.permutation(len(self.images)).tolist()
        # Another order packs a little more tightly or loosely: the first crops come once more.
        self.strips = packed([*order, *order[: len(order) // 10]], self.room, self.texts)

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's order; Keras calls it."""
        self.epoch += 1
        self.shuffle()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        size = self.recipe.batch_size
        chosen = self.strips[step * size : (step + 1) * size]
        rng = np.random.default_rng((self.recipe.seed, self.epoch, step))
        batch = np.stack([self.strip(numbers, rng) for numbers in chosen])
        return batch, as_labels(
            ["".join(self.texts[n] for n in strip) for strip in chosen], LONGEST
        )

    def strip(self, numbers: Sequence[int], rng: np.random.Generator) -> Crop:
        """Return the crops `numbers` in one strip, distorted, the free columns spread at random."""
        crops = [distort(self.images[number], self.recipe.augment, rng) for number in numbers]
        free = (STRIP - sum(crop.shape[1] for crop in crops)) // WIDTH_STEP
        least = min(GAP // WIDTH_STEP, free // (len(crops) + 1))
        spare = free - least * (len(crops) + 1)
        shares = rng.multinomial(spare, np.full(len(crops) + 1, 1 / (len(crops) + 1)))
        strip = np.zeros((HEIGHT, STRIP), np.uint8)
        left = 0
        for crop, share in zip(crops, shares.tolist(), strict=False):
            left += (least + share) * WIDTH_STEP
            strip[:, left : left + crop.shape[1]] = crop
            left += crop.shape[1]
        return strip


def rooms(numbers: Numbers, augment: AugmentRecipe) -> NDArray[np.int64]:
    """Return how many columns each crop may take, int (N,), once it is distorted."""
    widths = np.array([image.shape[1] for image in numbers.images], np.int64)
    grown = np.ceil((1 + augment.scale) * widths / WIDTH_STEP).astype(np.int64) * WIDTH_STEP
    return np.asarray(np.minimum(np.maximum(grown, 4 * WIDTH_STEP), MAX_WIDTH) + GAP)


def packed(order: Sequence[int], room: NDArray[np.int64], texts: Sequence[str]) -> list[list[int]]:
    """Return crops in `order` as strips, each filled up to its width or its signs."""
    strips: list[list[int]] = []
    free = signs = 0
    for number in order:
        wide, long = int(room[number]), len(texts[number])
        if wide > free or long > signs:
            strips.append([])
            free, signs = STRIP - GAP, LONGEST
        strips[-1].append(number)
        free, signs = free - wide, signs - long
    return strips


def batches_of(numbers: Numbers, recipe: TrainingRecipe) -> int:
    """Return how many batches of strips an epoch has, at least 1."""
    order = np.random.default_rng(recipe.seed).permutation(len(numbers)).tolist()
    strips = packed(order, rooms(numbers, recipe.augment), numbers.texts)
    return max(1, len(strips) // recipe.batch_size)


def as_labels(texts: Sequence[str], most: int | None = None) -> NDArray[np.int32]:
    """Return texts as int32 (N, `most` or the longest): classes, filled up with the blank."""
    labels = np.full((len(texts), most or longest(texts)), BLANK, np.int32)
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
