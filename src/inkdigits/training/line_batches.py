"""Batches for the line network: strips of one width that hold several crops, distorted anew.

Crops of like widths in a batch of their own would give batch normalisation statistics that are met
nowhere in use, and padding them to one width would be work for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.line import MAX_WIDTH, WIDTH_STEP
from inkdigits.training.augment_recipe import AugmentRecipe
from inkdigits.training.numbers import Numbers
from inkdigits.training.recipe import TrainingRecipe
from inkdigits.training.strip_workers import StripWorkers, spare_workers
from inkdigits.training.strips import GAP, STRIP, Batch, StripMaker


class LineBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented batches that depend on seed and epoch alone, so that a resume is exact.

    Each is what `StripMaker.batch` returns, with as many strips as the recipe's batch size. Told
    where each number ends, a network finds its signs at once; with the text of the whole strip as
    one label it does not begin to. All epochs have the same number of batches; the few crops left
    over are others each time. Where a GPU learns and the numbers lie in files, other processes make
    them, which changes no batch.
    """

    def __init__(self, numbers: Numbers, recipe: TrainingRecipe, first_epoch: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.maker = StripMaker(numbers, recipe)
        workers = spare_workers() if numbers.parts else 0
        self.workers_ahead = StripWorkers(numbers.parts, recipe, workers) if workers else None
        self.room = rooms(numbers, recipe.augment)
        self.recipe = recipe
        self.steps = batches_of(numbers, recipe)
        self.epoch = first_epoch
        self.shuffle()

    def shuffle(self) -> None:
        """Draw which crops go together in the current epoch, and in which order."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch))
        order = rng.permutation(len(self.room)).tolist()
        # Another order packs a little more tightly or loosely: the first crops come once more.
        strips = packed([*order, *order[: len(order) // 10]], self.room)
        size = self.recipe.batch_size
        self.batches = [strips[at * size : (at + 1) * size] for at in range(self.steps)]

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's order; Keras calls it."""
        self.epoch += 1
        self.shuffle()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        if self.workers_ahead is None:
            return self.maker.batch(self.batches[step], self.epoch, step)
        return self.workers_ahead.batch(self.batches, self.epoch, step)

    def close(self) -> None:
        """End the processes that make batches, where there are any."""
        if self.workers_ahead is not None:
            self.workers_ahead.close()


def rooms(numbers: Numbers, augment: AugmentRecipe) -> NDArray[np.int64]:
    """Return how many columns each crop may take, int (N,), once it is distorted."""
    widths = np.array([image.shape[1] for image in numbers.images], np.int64)
    grown = np.ceil((1 + augment.scale) * widths / WIDTH_STEP).astype(np.int64) * WIDTH_STEP
    return np.asarray(np.minimum(np.maximum(grown, 4 * WIDTH_STEP), MAX_WIDTH) + GAP)


def packed(order: Sequence[int], room: NDArray[np.int64]) -> list[list[int]]:
    """Return crops in `order` as strips, each filled up to its width."""
    strips: list[list[int]] = []
    free = 0
    for number in order:
        wide = int(room[number])
        if wide > free:
            strips.append([])
            free = STRIP - GAP
        strips[-1].append(number)
        free -= wide
    return strips


def batches_of(numbers: Numbers, recipe: TrainingRecipe) -> int:
    """Return how many batches of strips an epoch has, at least 1."""
    order = np.random.default_rng(recipe.seed).permutation(len(numbers)).tolist()
    strips = packed(order, rooms(numbers, recipe.augment))
    return max(1, len(strips) // recipe.batch_size)
