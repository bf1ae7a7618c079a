"""The line network trained as its recipe says: on numbers made of train's digits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.points import as_whole
from inkdigits.data.dataset import Examples
from inkdigits.data.open_sets import load_optdigits, load_semeion
from inkdigits.imaging.line import side_by_side
from inkdigits.models.ctc import ctc_loss, greedy_texts, strip_loss
from inkdigits.models.line import build_line
from inkdigits.models.start import mix_in, start_from
from inkdigits.reading.models import BUNDLED_LINE_MODEL
from inkdigits.training.callbacks import History, ProgressBar, Row
from inkdigits.training.checkpoint import STATE_FILE, StateKeeper, restore
from inkdigits.training.job import Job
from inkdigits.training.line_batches import LineBatches, batches_of
from inkdigits.training.loop import require_finite
from inkdigits.training.network import early_stopping, outputs, show_summary, start_file
from inkdigits.training.numbers import Numbers, Order, make_numbers
from inkdigits.training.optimizer import make_optimizer
from inkdigits.training.precision import tell_precision, trained_precision
from inkdigits.training.recipe import Recipe, TrainingRecipe
from inkdigits.training.strips import as_labels

Callback: TypeAlias = keras.callbacks.Callback
Loss: TypeAlias = Callable[[Any, Any], Any]
NUMBERS_FOLDER = "state/numbers"
MEASURED_STEP = 256
CHUNK = 100
"""Crops that are read at a time outside training."""
SEEN = 1000
"""So many numbers of train tell its accuracy, undistorted, after each epoch."""
# Apart from each other and from every seed of a training.
SPLIT_SEEDS = {"train": 0, "val": 1, "test": 2}


def made_numbers(job: Job, split: str, digits: Examples) -> Numbers:
    """Return the numbers made of a split's `digits`; the open sets belong to train."""
    recipe = job.recipe
    if split == "train" and recipe.data.open_sets:
        digits = joined([digits, *[load_semeion(), load_optdigits()] * recipe.data.open_sets])
    n = recipe.data.numbers if split == "train" else recipe.data.val_numbers
    seed = 3 * recipe.training.seed + SPLIT_SEEDS[split]
    order = Order(n, digits, seed, job.folder / NUMBERS_FOLDER / split)

    def say(done: int) -> None:
        job.console.print(f"numbers made for {split}: {done} of {n}", soft_wrap=True)

    return make_numbers(order, say)


def joined(parts: Sequence[Any]) -> Examples:
    """Return the examples of all parts as one."""
    return Examples(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def train_line(job: Job, train: Numbers, val: Numbers) -> tuple[keras.Model, list[Row]]:
    """Train the recipe's line network and return it, computing in float32, with its history."""
    tell_precision(job.recipe.model.precision, job.console)
    model = build(job.recipe)
    if job.recipe.model.start:
        start_from(model, start_file(job.recipe.model.start, BUNDLED_LINE_MODEL))
    start = model.get_weights()
    compile_line(model, job.recipe.training, batches_of(train, job.recipe.training))
    show_summary(model, job.console)
    history = fit(model, job, train, val)
    if job.recipe.model.start_share:
        mix_in(model, start, job.recipe.model.start_share)
    if job.recipe.model.precision != "float32":
        full = build(replace(job.recipe, model=replace(job.recipe.model, precision="float32")))
        full.set_weights(model.get_weights())
        model = full
    return model, history


def build(recipe: Recipe) -> keras.Model:
    """Return the untrained network that the recipe describes, in the precision to train in."""
    settings = recipe.model
    seed = recipe.training.seed
    plain = not settings.start
    precision = trained_precision(settings.precision)
    return build_line(settings.filters, settings.dropout, seed, precision, plain)


def compile_line(
    model: keras.Model, recipe: TrainingRecipe, batches: int, loss: Loss = strip_loss
) -> None:
    """Give `model` the CTC loss and the recipe's optimizer; an epoch has so many `batches`."""
    optimizer = make_optimizer(recipe, batches * recipe.batch_size)
    # On TensorFlow this means XLA, which cannot ask NumPy; on JAX whether to compile at all.
    jit = keras.backend.backend() == "jax"
    model.compile(optimizer=optimizer, loss=loss, jit_compile=jit)
    model.optimizer.build(model.trainable_variables)


def fit(model: keras.Model, job: Job, train: Numbers, val: Numbers) -> list[Row]:
    """Run the epochs that are left, with the recipe's callbacks, and return the history."""
    settings, state = job.recipe.training, job.state
    history = History(job.folder / "history.csv")
    remembering: list[Callback] = [history, *early_stopping(job.recipe), *job.callbacks]
    progress = ProgressBar(job.console, settings.epochs)
    others = [*outputs(job.recipe, job.folder, history), progress]
    keeper = StateKeeper(job.folder / STATE_FILE, remembering, state)
    if state is not None:
        restore(state, model)
    first = state.epoch if state else 0
    logs = LineLogs(train, val, settings)
    with progress, closing(LineBatches(train, settings, first)) as batches:
        model.fit(
            batches,
            epochs=settings.epochs if not (state and state.stopped) else first,
            initial_epoch=first,
            shuffle=False,
            callbacks=[logs, *remembering, *others, keeper],
            verbose=0,
        )
    return history.rows


class LineLogs(keras.callbacks.Callback):  # type: ignore[misc]
    """Completes each epoch's logs: seconds, rate, and how many numbers are read wholly right."""

    def __init__(self, train: Numbers, val: Numbers, recipe: TrainingRecipe) -> None:
        super().__init__()
        self._seen = Numbers(train.images[:SEEN], train.texts[:SEEN])
        self._val = val
        self._recipe = recipe
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Measure with the current weights."""
        if logs is None:
            return
        logs["seconds"] = time.perf_counter() - self._started
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["accuracy"], _ = measure_numbers(self.model, self._seen)
        logs["val_accuracy"], logs["val_loss"] = measure_numbers(self.model, self._val)
        require_finite(logs, epoch, self._recipe)


def measure_numbers(model: keras.Model, numbers: Numbers) -> tuple[float, float]:
    """Return the share of `numbers` that is read wholly right, and the mean loss."""
    losses, right = 0.0, 0
    labels = as_labels(numbers.texts)
    for chosen, probabilities in predict_numbers(model, numbers.images):
        losses += float(np.sum(ctc_loss(labels[chosen], probabilities)))
        texts = greedy_texts(probabilities)
        right += sum(
            as_whole(numbers.texts[n]) == as_whole(text)
            for n, text in zip(chosen, texts, strict=True)
        )
    return right / len(numbers), losses / len(numbers)


def predict_numbers(
    model: keras.Model, images: Sequence[NDArray[np.uint8]]
) -> list[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Return the steps (n, T, 13) of crops of like widths, with the places of these crops."""
    order = np.argsort([image.shape[1] for image in images], kind="stable")
    found = []
    for start in range(0, len(order), CHUNK):
        chosen = order[start : start + CHUNK]
        crops = side_by_side([images[number] for number in chosen]).astype(np.float32)
        # Few widths: JAX compiles the network anew for each.
        wide = -(-crops.shape[2] // MEASURED_STEP) * MEASURED_STEP
        batch = np.pad(crops, ((0, 0), (0, 0), (0, wide - crops.shape[2])))
        found.append((chosen, np.asarray(model.predict_on_batch(batch), np.float32)))
    return found
