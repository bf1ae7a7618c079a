"""Strips of one width that hold several crops, distorted anew: what a line network learns from.

Made without Keras, so that other processes can make them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import LINE_BLANK, LINE_LABELS, LINE_STEP
from inkdigits.imaging.line import HEIGHT, MAX_WIDTH, WIDTH_STEP
from inkdigits.training.augment_recipe import AugmentRecipe
from inkdigits.training.numbers import Crop, Numbers, longest
from inkdigits.training.recipe import TrainingRecipe

STRIP = 640
"""Columns of a strip: the widest crop, or some five usual ones."""
MOST = STRIP // (4 * WIDTH_STEP + 8)
"""So many of the narrowest crops fit into a strip."""
GAP = 8
"""Columns without ink between two crops of a strip, at least, beside their own margins."""

Batch = tuple[NDArray[np.uint8], NDArray[np.int32]]


class StripMaker:
    """Makes batches of strips of `numbers`, distorted as a recipe says.

    A batch depends on the recipe's seed, the epoch, the step and the numbers asked for alone, not
    on what was made before.
    """

    def __init__(self, numbers: Numbers, recipe: TrainingRecipe) -> None:
        self.images = numbers.images
        self.labels = as_labels(numbers.texts)
        self.recipe = recipe

    def batch(self, strips: Sequence[Sequence[int]], epoch: int, step: int) -> Batch:
        """Return uint8 (B, 32, 640), each strip with the numbers of one row of `strips`.

        And int32 (B, K, 2 + L): for each of at most K numbers of a strip the first step of its own
        and the one after the last, which share all steps out, and its classes, filled up with the
        blank.
        """
        rng = np.random.default_rng((self.recipe.seed, epoch, step))
        made = [self.strip(numbers, rng) for numbers in strips]
        parts = np.zeros((len(strips), MOST, 2 + self.labels.shape[1]), np.int32)
        for row, numbers, (_, edges) in zip(parts, strips, made, strict=True):
            row[: len(numbers), 0], row[: len(numbers), 1] = edges[:-1], edges[1:]
            row[: len(numbers), 2:] = self.labels[numbers]
        return np.stack([strip for strip, _ in made]), parts

    def strip(self, numbers: Sequence[int], rng: np.random.Generator) -> tuple[Crop, list[int]]:
        """Return the crops `numbers` in one strip, distorted, the free columns spread at random.

        And the steps between which each crop stands: one more than there are crops.
        """
        crops = [distort(self.images[number], self.recipe.augment, rng) for number in numbers]
        free = (STRIP - sum(crop.shape[1] for crop in crops)) // WIDTH_STEP
        least = min(GAP // WIDTH_STEP, free // (len(crops) + 1))
        spare = free - least * (len(crops) + 1)
        shares = rng.multinomial(spare, np.full(len(crops) + 1, 1 / (len(crops) + 1)))
        strip = np.zeros((HEIGHT, STRIP), np.uint8)
        left, edges = 0, [0]
        for crop, share in zip(crops, shares.tolist(), strict=False):
            gap = (least + share) * WIDTH_STEP
            if left:
                edges.append((left + gap // 2) // LINE_STEP)
            left += gap
            strip[:, left : left + crop.shape[1]] = crop
            left += crop.shape[1]
        return strip, [*edges, STRIP // LINE_STEP]


def as_labels(texts: Sequence[str]) -> NDArray[np.int32]:
    """Return texts as int32 (N, L): their classes, filled up with the blank."""
    labels = np.full((len(texts), longest(texts)), LINE_BLANK, np.int32)
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
