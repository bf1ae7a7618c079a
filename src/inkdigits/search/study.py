"""The study of a search in Optuna: its journal, its sampler and what a kill leaves in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from inkdigits.errors import InvalidData
from inkdigits.files import lock
from inkdigits.training.search_table import Axis

JOURNAL = "journal.log"
STUDY = "search"
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)
# Trials before the sampler and the pruner go by what they have seen.
RANDOM_TRIALS, UNPRUNED_TRIALS = 10, 5
UNPRUNED_EPOCHS = 7
"""Sooner the best are not told from poor ones: dropout and decay pay late."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


@contextmanager
def opened(folder: Path, *, pruning: bool) -> Iterator[optuna.Study]:
    """Yield the study in `folder`, made anew where there is none, for this process alone.

    What a killed process left is put right first: a line that is not whole, and Optuna's lock.
    Raises UsageError when another process searches there, InvalidData for a damaged journal.
    """
    path = folder / JOURNAL
    with path.open("ab+") as file:
        lock(file.fileno(), path, "Wait for it to end.")
        cut_torn_line(path)
        Path(f"{path}.lock").unlink(missing_ok=True)
        yield load(path, pruning=pruning)


def load(path: Path, *, pruning: bool) -> optuna.Study:
    """Return the study whose journal is `path`; raises InvalidData when that is damaged."""
    pruner: Any = optuna.pruners.NopPruner()
    if pruning:
        pruner = optuna.pruners.MedianPruner(UNPRUNED_TRIALS, UNPRUNED_EPOCHS)
    try:
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=STUDY,
            direction="minimize",
            pruner=pruner,
            load_if_exists=True,
        )
    except (ValueError, LookupError) as error:
        raise InvalidData(
            f"{str(path)!r} is damaged: {error}.", "Start the search anew."
        ) from error


def cut_torn_line(path: Path) -> None:
    """Cut off what a kill left of a last line: Optuna refuses a journal that goes on after it."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("rb+") as file:
            file.truncate(whole)


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have come to an end, in their order: each planned one is there once.

    A trial that was broken off is marked as failed, and does not count.
    """
    trials: list[FrozenTrial] = study.get_trials(deepcopy=False, states=COUNTED)
    return trials


def queue_again(study: optuna.Study, axes: Sequence[Axis]) -> None:
    """Put the trial that was broken off back into the queue, with the same parameters.

    It is marked as failed first: a kill between the two leaves nothing queued twice, and the
    sampler, which goes by the trials that count, proposes the same parameters anyway. That also
    covers a trial that was broken off before it had all of them.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if {axis.key for axis in axes} == set(trial.params):
            study.enqueue_trial(trial.params, user_attrs={"again": trial.number})


def next_trial(
    study: optuna.Study, axes: Sequence[Axis], seed: int
) -> tuple[optuna.Trial, dict[str, Any]]:
    """Return a new trial, and the values of its axes by key.

    They depend on the seed and the trials that count alone, so that a search that was broken off
    goes on as it would have.
    """
    number = len(counted(study))
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=drawn, n_startup_trials=RANDOM_TRIALS)
    trial = study.ask({axis.key: distribution(axis) for axis in axes})
    return trial, values_of(axes, trial.params)


def distribution(axis: Axis) -> Any:
    """Return the values of an axis as Optuna draws from them."""
    kinds = optuna.distributions
    if axis.choices:
        return kinds.CategoricalDistribution([label(choice) for choice in axis.choices])
    if axis.whole:
        step = int(axis.step) or 1
        return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=step)
    return kinds.FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step or None)


def label(choice: Any) -> Any:
    """Return a choice as Optuna keeps it: a list as its JSON text."""
    return json.dumps(choice) if isinstance(choice, list) else choice


def values_of(axes: Sequence[Axis], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the axes, in their order, for what Optuna keeps of them."""
    return {axis.key: value_of(axis, kept[axis.key]) for axis in axes}


def value_of(axis: Axis, kept: Any) -> Any:
    """Return the value of an axis for what Optuna keeps of it."""
    if not axis.choices:
        return kept
    return next(choice for choice in axis.choices if label(choice) == kept)
