"""One trial of a search: a training without a folder, measured on val after each epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import keras

from inkdigits.data.dataset import Examples
from inkdigits.errors import TrainingFailed
from inkdigits.training.adjustable import slots
from inkdigits.training.callbacks import History, Row
from inkdigits.training.loop import Compiled, compile_model, compile_training, fit
from inkdigits.training.material import Material
from inkdigits.training.network import build_model, early_stopping
from inkdigits.training.recipe import EarlyStopping, Recipe

FINISHED, PRUNED, DIVERGED = "finished", "pruned", "diverged"


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    `ended` is finished, pruned or diverged. `val_loss` and `val_accuracy` are those of the model
    that the training leaves: of the best epoch where early stopping restores it, else of the last.
    They are None where no epoch came to its end.
    """

    ended: str
    epochs: int
    seconds: float
    val_loss: float | None
    val_accuracy: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


class Pruned(Exception):
    """Raised out of a training whose trial is not worth going on."""


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells of each epoch's val loss, and ends the training where it is told to."""

    def __init__(self, is_poor: Callable[[int, float], bool]) -> None:
        super().__init__()
        self._is_poor = is_poor

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Report the epoch, counted from 1."""
        if self._is_poor(epoch + 1, float((logs or {})["val_loss"])):
            raise Pruned


@dataclass
class Bench:
    """What all trials of a search share: images, val, and the programs compiled, by shape."""

    material: Material
    val: Examples
    compiled: dict[str, Compiled] = field(default_factory=dict)

    def run(
        self,
        recipe: Recipe,
        is_poor: Callable[[int, float], bool],
        history: History | None = None,
    ) -> Outcome:
        """Train `recipe` and return what came of it; `is_poor(epoch, val_loss)` ends it early.

        `history` gets the epochs.
        """
        started = time.perf_counter()
        history = history or History(None)
        ended = FINISHED
        try:
            self.train(recipe, history, is_poor)
        except Pruned:
            ended = PRUNED
        except TrainingFailed:
            ended = DIVERGED
        return outcome_of(recipe, history.rows, ended, time.perf_counter() - started)

    def train(
        self, recipe: Recipe, history: History, is_poor: Callable[[int, float], bool]
    ) -> None:
        """Train as `inkdigits train` does, but for the files."""
        settings, n = recipe.training, len(self.material)
        model = build_model(recipe)
        compile_model(model, settings, n)
        callbacks = [history, *early_stopping(recipe), Watch(is_poor)]
        programs = self.programs(model, recipe)
        fit(model, self.material, self.val, settings, callbacks, compiled=programs)

    def programs(self, model: keras.Model, recipe: Recipe) -> Compiled | None:
        """Return the programs for a model of this shape, those of an earlier trial if there are."""
        if keras.backend.backend() != "jax":
            return None
        shape = shape_of(model, recipe)
        if shape not in self.compiled:
            self.compiled[shape] = compile_training(model, recipe.training, len(self.material))
        return self.compiled[shape]


def outcome_of(recipe: Recipe, rows: list[Row], ended: str, seconds: float) -> Outcome:
    """Return what came of a training with these epochs."""
    row = kept_row(recipe, rows)
    loss, accuracy = (row["val_loss"], row["val_accuracy"]) if row else (None, None)
    return Outcome(ended, len(rows), seconds, loss, accuracy)


def kept_row(recipe: Recipe, rows: list[Row]) -> Row | None:
    """Return the epoch whose weights the training leaves, None where there is none."""
    stopping = recipe.training.early_stopping
    if not rows:
        return None
    if stopping.patience and stopping.restore_best_weights:
        return min(rows, key=lambda row: row["val_loss"])
    return rows[-1]


def shape_of(model: keras.Model, recipe: Recipe) -> str:
    """Return what tells apart trainings that need programs of their own.

    It is all of the recipe but what a program takes as inputs, and which inputs those are.
    """
    training = replace(
        recipe.training,
        learning_rate=1.0,
        warmup=0.0,
        weight_decay=0.0,
        epochs=1,
        seed=0,
        early_stopping=EarlyStopping(),
    )
    inputs = [(type(owner).__name__, name) for owner, name in slots(model)]
    return repr((replace(recipe.model, dropout=0.0), training, inputs))
