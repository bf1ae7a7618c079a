"""One lesson of an adaptation: a network taught on some images while others watch over it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import InvalidData
from inkdigits.files import write_arrays
from inkdigits.training.checkpoint import State, load_state, restore

Floats = NDArray[np.float64]
Weights = list[NDArray[Any]]

PATIENCE = 2
"""A lesson ends after so many epochs without a lower loss on the images that watch."""
WORST = 10.0
"""A loss counts as this at most: a single bad image decides nothing."""


@dataclass(frozen=True)
class Lesson:
    """What a lesson came to: after each epoch the weights, and the losses on what watched.

    `losses` is float64 (E, N), at most `WORST`.
    """

    weights: list[Weights]
    losses: Floats

    def at(self, epoch: int) -> Weights:
        """Return the weights after `epoch` (0, 1, …), or the last where it ended before."""
        return self.weights[min(epoch, len(self.weights) - 1)]


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures the images that are held out after each epoch, keeps the weights, stops in time.

    What is measured and kept are the weights that `made_of` makes of those learnt. Its attributes
    are lists of arrays, which a saved state remembers.
    """

    def __init__(
        self,
        measure: Callable[[Weights], Floats],
        made_of: Callable[[Weights], Weights] = lambda learnt: learnt,
    ) -> None:
        super().__init__()
        self._measure, self._made_of = measure, made_of
        self.losses: list[Floats] = []
        self.kept: list[NDArray[Any]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Measure and keep; stop when the last epochs brought nothing."""
        weights = self._made_of(self.model.get_weights())
        self.losses.append(np.minimum(self._measure(weights), WORST))
        self.kept.extend(np.array(value) for value in weights)
        means = [float(loss.mean()) for loss in self.losses]
        if len(means) - 1 - int(np.argmin(means)) >= PATIENCE:
            self.model.stop_training = True

    def lesson(self) -> Lesson:
        """Return what was kept."""
        size = len(self.kept) // len(self.losses)
        weights = [self.kept[at : at + size] for at in range(0, len(self.kept), size)]
        return Lesson(weights, np.stack(self.losses))


class Rate(keras.callbacks.Callback):  # type: ignore[misc]
    """Lowers the learning rate from epoch to epoch along half a cosine, from `rate` on.

    By hand and not by a schedule, which the compiled step would hold as a constant of one lesson.
    """

    def __init__(self, rate: float, epochs: int) -> None:
        super().__init__()
        self._rate, self._epochs = rate, epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the epoch's rate."""
        share = 0.5 * (1 + np.cos(np.pi * epoch / self._epochs))
        self.model.optimizer.learning_rate = self._rate * share


def variables_of(model: keras.Model) -> list[Any]:
    """Return what a lesson changes: weights, seeds, and the optimizer's state."""
    return [*model.variables, *model.optimizer.variables]


def values_of(model: keras.Model) -> list[NDArray[Any]]:
    """Return the values of `variables_of`."""
    return [np.array(variable.value) for variable in variables_of(model)]


def begin(model: keras.Model, beginning: Sequence[NDArray[Any]], state: Path) -> State | None:
    """Let a lesson begin from the values `beginning`, or go on from the file `state`, if any.

    Return the state that it goes on from.
    """
    for variable, value in zip(variables_of(model), beginning, strict=True):
        variable.assign(value)
    saved = load_state(state) if state.is_file() else None
    if saved is not None:
        restore(saved, model)
    return saved


@contextmanager
def with_weights(model: keras.Model, weights: Weights) -> Iterator[None]:
    """Give `model` these weights for a while."""
    kept = model.get_weights()
    model.set_weights(weights)
    try:
        yield
    finally:
        model.set_weights(kept)


def save_lesson(lesson: Lesson, path: Path) -> None:
    """Write `lesson` to `path` atomically."""
    arrays = {
        f"{epoch}/{number}": value
        for epoch, weights in enumerate(lesson.weights)
        for number, value in enumerate(weights)
    }
    write_arrays(path, {"losses": lesson.losses, **arrays})


def load_lesson(path: Path) -> Lesson:
    """Read what `save_lesson` wrote; raises InvalidData when it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as opened:
            losses = opened["losses"]
            names = [name for name in opened.files if name != "losses"]
            weights: list[Weights] = [[] for _ in losses]
            for name in names:
                weights[int(name.partition("/")[0])].append(opened[name])
    except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise InvalidData(f"{str(path)!r} cannot be read: {error}.", "Delete it.") from error
    return Lesson(weights, losses)


def mean_weights(several: Sequence[Weights]) -> Weights:
    """Return the mean of the weights of networks that began as one (Wortsman et al., 2022)."""
    return [
        np.asarray(sum(values[1:], values[0].astype(np.float64)) / len(values), values[0].dtype)
        for values in zip(*several, strict=True)
    ]


def best_epoch(losses: Sequence[Floats]) -> int:
    """Return the epoch (0, 1, …) of the least mean loss over all images of several lessons.

    A lesson that ended early counts on with its last epoch.
    """
    epochs = max(len(one) for one in losses)
    filled = [one[np.minimum(np.arange(epochs), len(one) - 1)] for one in losses]
    return int(np.concatenate(filled, axis=1).mean(axis=1).argmin())
