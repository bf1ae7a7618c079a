"""The same recipe through Keras's own `model.fit`, for the TensorFlow backend."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from inkdigits.data.dataset import Examples
from inkdigits.training.augment import compile_augmentation
from inkdigits.training.loop import labels_for, require_finite
from inkdigits.training.material import Material
from inkdigits.training.recipe import TrainingRecipe


class ShuffledBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented batches that depend on seed and epoch alone, so that a resume is exact."""

    def __init__(
        self, examples: Examples | Material, classes: int, recipe: TrainingRecipe, first_epoch: int
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.images = examples.images
        self.labels = labels_for(recipe.loss, examples.labels, classes)
        self.recipe = recipe
        self.epoch = first_epoch
        self.distort = compile_augmentation(recipe.augment)
        self.shuffle()

    def shuffle(self) -> None:
        """Draw the order of the current epoch."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch))
        self.order = rng.permutation(len(self.images))

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's order; Keras calls it."""
        self.epoch += 1
        self.shuffle()

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.recipe.batch_size)

    def __getitem__(self, step: int) -> tuple[Any, Any]:
        size = self.recipe.batch_size
        chosen = self.order[step * size : (step + 1) * size]
        number = self.epoch * len(self) + step
        pixels = self.distort(self.images[chosen], self.recipe.seed, number)
        return pixels, self.labels[chosen]


class EpochLogs(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds seconds and learning_rate to the logs, and stops at a loss that is no number."""

    def __init__(self, recipe: TrainingRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Complete the logs, which the callbacks after this one see."""
        if logs is None:
            return
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["seconds"] = time.perf_counter() - self.started
        require_finite(logs, epoch, self.recipe)


def fit_with_keras(
    model: keras.Model,
    train: Examples | Material,
    val: Examples,
    recipe: TrainingRecipe,
    callbacks: Sequence[keras.callbacks.Callback],
    first_epoch: int,
) -> None:
    """Train as `loop.fit` does, by Keras's own loop."""
    classes = model.output_shape[-1]
    val_labels = labels_for(recipe.loss, val.labels, classes)
    model.fit(
        ShuffledBatches(train, classes, recipe, first_epoch),
        validation_data=(val.images.astype(np.float32), val_labels),
        validation_batch_size=1000,
        epochs=recipe.epochs,
        initial_epoch=first_epoch,
        shuffle=False,
        callbacks=[EpochLogs(recipe), *callbacks],
        verbose=0,
    )
