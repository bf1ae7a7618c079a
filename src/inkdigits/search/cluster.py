"""A search on a Ray cluster: Ray Tune runs the trials side by side, Optuna's sampler proposes them.

runs/tune-NAME/  as a search on one machine leaves it, and ray/ with Ray Tune's own state

ASHA ends poor trials. The folder, and the data, lie where all machines of the cluster see them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import ray.tune
from optuna.trial import TrialState
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from inkdigits.cluster.connection import connected
from inkdigits.errors import TrainingFailed, UsageError
from inkdigits.search.folder import CLUSTER, SEARCH_FILE, require_search
from inkdigits.search.results import OUTCOME
from inkdigits.search.study import (
    JOURNAL,
    RANDOM_TRIALS,
    distribution,
    opened,
    values_of,
)
from inkdigits.search.trial import FINISHED, PRUNED, Bench, Outcome, outcome_of
from inkdigits.search.tune import Search, begin, conclude, described, make_bench
from inkdigits.training.callbacks import History
from inkdigits.training.folder import RECIPE_FILE
from inkdigits.training.recipe import Recipe, load_recipe
from inkdigits.training.run import read_json
from inkdigits.training.search_table import Axis

RAY_FOLDER, EXPERIMENT = "ray", "search"
EPOCH, VAL_LOSS, LOSSES = "epoch", "val_loss", "val_losses"
DIVERGED_LOSS = 1e9
"""Stands for a val loss that is none: the sampler has to see a poor one."""
GRACE = 2
"""ASHA's first rung, in epochs: its promise is to look at very many."""
TRIES = 3
"""A trial whose worker dies starts anew so often."""
ENVIRONMENT = {
    # Paths of data start from where the command was given.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Tune's own tables and TensorBoard events, a folder a trial.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Its tables of progress.
    "RAY_AIR_NEW_OUTPUT": "0",
}
"""What of Ray Tune's habits is set aside, unless the user has set it."""
for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)


def tune_on_cluster(
    recipe: Recipe, trials: int, address: str, *, out: Path | None = None, pruning: bool = True
) -> Search:
    """Search as `search.tune.tune` does, on the Ray cluster at `address`; `local` starts one.

    Trials run side by side, one a core, so that what is proposed depends on which ends first.
    Raises UsageError where no cluster answers, and the errors of `tune`.
    """
    # Connected first: JAX does not like that processes are started after it is set up.
    with connected(address):
        folder = begin(recipe, out, trials=trials, pruning=pruning, **{CLUSTER: True})
        return carry_out(folder, address)


def resume_on_cluster(folder: Path, address: str) -> Search:
    """Continue the search in `folder`: trials that were broken off start anew.

    Raises UsageError when `folder` is no search that was begun on a cluster.
    """
    require_search(folder)
    if not read_json(folder / SEARCH_FILE).get(CLUSTER):
        raise UsageError(
            f"the search in {str(folder)!r} was not begun on a cluster.",
            "Continue it without --cluster.",
        )
    with connected(address):
        return carry_out(folder, address)


def carry_out(folder: Path, address: str) -> Search:
    """Run the trials that are left, and write what came of all."""
    plan, recipe = read_json(folder / SEARCH_FILE), load_recipe(str(folder / RECIPE_FILE))
    try:
        results = tuner(folder.absolute(), recipe, plan).fit()
    except KeyboardInterrupt:
        sys.stderr.write(f"Continue with: inkdigits tune --resume {folder} --cluster {address}\n")
        raise
    # Anew each time: it is made of Ray Tune's results alone.
    (folder / JOURNAL).unlink(missing_ok=True)
    with opened(folder, pruning=False) as study:
        keep(study, recipe.axes(), results)
        return conclude(folder, study, recipe, compilations=0)


def most_epochs(recipe: Recipe) -> int:
    """Return how many epochs a trial may take, which the search may vary, too."""
    varied = [axis for axis in recipe.axes() if axis.key == "training.epochs"]
    return max(varied[0].ends()) if varied else recipe.training.epochs


def tuner(folder: Path, recipe: Recipe, plan: dict[str, Any]) -> Any:
    """Return Ray's tuner of a search: a new one, or that which was broken off."""
    trainable = ray.tune.with_parameters(
        run_trial, recipe_text=recipe.to_toml(), sha256=plan["data"]["sha256"]
    )
    place = folder / RAY_FOLDER
    if ray.tune.Tuner.can_restore(str(place / EXPERIMENT)):
        return ray.tune.Tuner.restore(
            str(place / EXPERIMENT), trainable, resume_unfinished=True, restart_errored=True
        )
    seed = recipe.training.seed
    search = OptunaSearch(
        {axis.key: distribution(axis) for axis in recipe.axes()},
        metric=VAL_LOSS,
        mode="min",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS),
    )
    # An epoch more than there are: the last report tells what came of the trial.
    epochs = most_epochs(recipe) + 1
    asha = ASHAScheduler(EPOCH, max_t=epochs, grace_period=min(GRACE, epochs))
    return ray.tune.Tuner(
        trainable,
        tune_config=ray.tune.TuneConfig(
            metric=VAL_LOSS,
            mode="min",
            num_samples=plan["trials"],
            search_alg=search,
            scheduler=asha if plan["pruning"] else None,
            reuse_actors=True,  # and with them the data and what is compiled
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=ray.tune.RunConfig(
            name=EXPERIMENT,
            storage_path=str(place),
            verbose=0,
            failure_config=ray.tune.FailureConfig(max_failures=TRIES),
            callbacks=[Progress(plan["trials"])],
        ),
    )


class Progress(ray.tune.Callback):  # type: ignore[misc]
    """Tells of each trial that has come to an end, on stderr."""

    def __init__(self, planned: int) -> None:
        self._planned = planned

    def on_trial_complete(self, **told_of: Any) -> None:
        """Tell of one."""
        trial, trials = told_of["trial"], told_of["trials"]
        done = 1 + sum(one.is_finished() for one in trials if one is not trial)
        told = described(Outcome(**trial.last_result[OUTCOME]))
        sys.stderr.write(f"trial {done}/{self._planned}  {told}\n")


def run_trial(config: dict[str, Any], recipe_text: str, sha256: str) -> None:
    """Train one proposal on a machine of the cluster and report each epoch."""
    recipe = Recipe.from_toml(recipe_text)
    proposed = recipe.at(values_of(recipe.axes(), config))
    history = History(None)

    def report(epoch: int, val_loss: float) -> bool:
        # As it would be if the scheduler ended the trial now.
        seconds = sum(row["seconds"] for row in history.rows)
        tell(epoch, val_loss, outcome_of(proposed, history.rows, PRUNED, seconds), history)
        return False

    outcome = bench_here(recipe_text, sha256).run(proposed, report, history)
    finished = outcome.ended == FINISHED and outcome.val_loss is not None
    val_loss = outcome.val_loss if finished else DIVERGED_LOSS
    tell(outcome.epochs + 1, val_loss, outcome, history)


def tell(epoch: int, val_loss: float | None, outcome: Outcome, history: History) -> None:
    """Report to Ray Tune; each report has all that is known by then."""
    losses = [row["val_loss"] for row in history.rows]
    report = {EPOCH: epoch, VAL_LOSS: val_loss, OUTCOME: outcome.as_dict(), LOSSES: losses}
    ray.tune.report(report)


@cache
def bench_here(recipe_text: str, sha256: str) -> Bench:
    """Return what the trials of one process share; it runs many."""
    return make_bench(Recipe.from_toml(recipe_text), sha256)


def ended_at(result: Any) -> tuple[int, str]:
    """Return when a trial ended, in whole seconds, and what tells it from others of that second."""
    return result.metrics["timestamp"], result.metrics["trial_id"]


def keep(study: optuna.Study, axes: Sequence[Axis], results: Any) -> None:
    """Put what came of all trials into a study, as a search on one machine does.

    Raises TrainingFailed where one has ended by an error.
    """
    if results.errors:
        raise TrainingFailed(
            f"{len(results.errors)} of {len(results)} trials ended by an error: "
            f"{str(results.errors[0]).strip().splitlines()[-1]}",
            "Continue with --resume.",
        )
    distributions = {axis.key: distribution(axis) for axis in axes}
    # In the order in which they ended, as they were told of.
    for result in sorted(results, key=ended_at):
        outcome = Outcome(**result.metrics[OUTCOME])
        finished = outcome.ended == FINISHED
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.COMPLETE if finished else TrialState.PRUNED,
                value=outcome.val_loss if finished else None,
                params=result.config,
                distributions=distributions,
                user_attrs={OUTCOME: outcome.as_dict()},
                intermediate_values=dict(enumerate(result.metrics[LOSSES], start=1)),
            )
        )
