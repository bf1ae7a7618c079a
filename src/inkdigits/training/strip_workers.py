"""Strips made ahead by other processes: a GPU learns a batch faster than one core distorts it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import keras

from inkdigits.reading.cores import cores
from inkdigits.training.numbers import read_parts
from inkdigits.training.recipe import TrainingRecipe
from inkdigits.training.strips import Batch, StripMaker

AHEAD = 3
"""Batches that are asked for ahead, for each process."""
MOST_WORKERS = 4
_MAKER: list[StripMaker] = []


def spare_workers() -> int:
    """Return how many processes are to make strips: none where the cores themselves learn."""
    if keras.backend.backend() != "jax":
        return 0
    import jax

    if jax.default_backend() == "cpu":
        return 0
    return max(0, min(cores() - 2, MOST_WORKERS))


class StripWorkers:
    """Processes that make the batches of the numbers in `paths`, parts as `numbers` writes them."""

    def __init__(self, paths: Sequence[Path], recipe: TrainingRecipe, workers: int) -> None:
        self._pool = ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(tuple(paths), recipe),
        )
        self._ahead = AHEAD * workers
        self._asked: dict[tuple[int, int], Future[Batch]] = {}

    def batch(self, batches: Sequence[Sequence[Sequence[int]]], epoch: int, step: int) -> Batch:
        """Return the batch of `step`; those after it are begun."""
        for later in range(step, min(step + self._ahead, len(batches))):
            if (epoch, later) not in self._asked:
                task = self._pool.submit(_make, batches[later], epoch, later)
                self._asked[epoch, later] = task
        return self._asked.pop((epoch, step)).result()

    def close(self) -> None:
        """End the processes; what they had begun is dropped."""
        self._pool.shutdown(cancel_futures=True)


def _begin(paths: Sequence[Path], recipe: TrainingRecipe) -> None:
    """Read the numbers once in a new process."""
    _MAKER[:] = [StripMaker(read_parts(paths), recipe)]


def _make(strips: Sequence[Sequence[int]], epoch: int, step: int) -> Batch:
    """Make one batch in such a process."""
    return _MAKER[0].batch(strips, epoch, step)
