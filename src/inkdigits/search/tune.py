"""A search on one machine: trial after trial, in a folder that a later call continues.

runs/tune-NAME/  recipe.toml  search.json  journal.log  trials.csv  best.toml  plots/*.png

Each trial is a training of the recipe with other values, judged by val loss. The test split plays
no part: it is not even kept. Trials run one after another, since the compiled epoch uses all cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from rich.console import Console

from inkdigits.data.dataset import split_val
from inkdigits.data.source import load_dataset
from inkdigits.errors import InvalidData, UsageError
from inkdigits.files import remove_torn, write_text
from inkdigits.models.backend import set_up_keras
from inkdigits.search.folder import CLUSTER, SEARCH_FILE, require_search, require_searchable
from inkdigits.search.results import (
    BEST_FILE,
    OUTCOME,
    TABLE_FILE,
    TrialRow,
    best_recipe,
    rows_of,
    write_table,
)
from inkdigits.search.study import counted, next_trial, opened, queue_again
from inkdigits.search.trial import DIVERGED, FINISHED, Bench, Outcome
from inkdigits.training.environment import describe_environment
from inkdigits.training.folder import RECIPE_FILE, RUNS_FOLDER, new_folder
from inkdigits.training.material import gather_material
from inkdigits.training.recipe import Recipe, load_recipe
from inkdigits.training.run import as_json, lasting_source, read_json


@dataclass(frozen=True)
class Search:
    """A finished search: its folder, its trials in their order, the best of their recipes.

    `compilations` counts the shapes of trials that this process has compiled.
    """

    folder: Path
    rows: list[TrialRow]
    best: Recipe
    compilations: int


def tune(
    recipe: Recipe,
    trials: int,
    *,
    out: Path | None = None,
    pruning: bool = True,
    console: Console | None = None,
) -> Search:
    """Search for better values of the recipe in `trials` trainings, in a new folder.

    `out` is the folder, by default `runs/tune-NAME`. The recipe's seed decides the proposals and
    every training. With `pruning`, a trial whose best val loss so far is worse than the median of
    those before it at the same epoch is ended. Raises UsageError for a recipe without a search,
    the errors of `load_dataset`, TrainingFailed where no trial comes to a model, and CannotWrite.
    """
    folder = begin(recipe, out, trials=trials, pruning=pruning)
    return carry_out(folder, console or Console(quiet=True))


def begin(recipe: Recipe, out: Path | None, **plan: Any) -> Path:
    """Make the folder of a search, with its recipe and its plan, and return it."""
    require_searchable(recipe)
    dataset = load_dataset(recipe.data.source)
    recipe = recipe.with_source(lasting_source(recipe.data.source, dataset))
    environment = describe_environment(set_up_keras(), dataset, recipe.training.seed)
    return new_folder(
        out or RUNS_FOLDER / f"tune-{recipe.name}",
        {RECIPE_FILE: recipe.to_toml(), SEARCH_FILE: as_json({**plan, **environment})},
        numbered=out is None,
    )


def resume(folder: Path, trials: int | None = None, *, console: Console | None = None) -> Search:
    """Continue the search in `folder`, to another count of `trials` if that is given.

    The trial that was broken off is trained anew, with the same values. Raises UsageError when
    `folder` is no search, InvalidData when its data are not what they were.
    """
    require_search(folder)
    if read_json(folder / SEARCH_FILE).get(CLUSTER):
        raise UsageError(
            f"the search in {str(folder)!r} was begun on a cluster.", "Continue it with --cluster."
        )
    remove_torn(folder)
    if trials is not None:
        plan = read_json(folder / SEARCH_FILE) | {"trials": trials}
        write_text(folder / SEARCH_FILE, as_json(plan))
    return carry_out(folder, console or Console(quiet=True))


def carry_out(folder: Path, console: Console) -> Search:
    """Run the trials that are left, and write what came of all; an interrupt tells what to do."""
    plan, recipe = read_json(folder / SEARCH_FILE), load_recipe(str(folder / RECIPE_FILE))
    try:
        with opened(folder, pruning=plan["pruning"]) as study:
            bench = make_bench(recipe, plan["data"]["sha256"])
            queue_again(study, recipe.axes())
            run_trials(study, recipe, bench, plan["trials"], console)
            return conclude(folder, study, recipe, len(bench.compiled))
    except KeyboardInterrupt:
        console.print(f"Continue with: inkdigits tune --resume {folder}", soft_wrap=True)
        raise


def conclude(folder: Path, study: optuna.Study, recipe: Recipe, compilations: int) -> Search:
    """Write what came of all trials: the best recipe, the table, the plots."""
    rows = rows_of(study, recipe.axes())
    best = best_recipe(recipe, rows)
    write_text(folder / BEST_FILE, best.to_toml())
    write_table(folder / TABLE_FILE, rows)
    draw(folder, study, recipe, rows)
    return Search(folder, rows, best, compilations)


def make_bench(recipe: Recipe, expected: str) -> Bench:
    """Return what the trials train on and are judged by; raises InvalidData for other data."""
    set_up_keras()
    dataset = load_dataset(recipe.data.source)
    if dataset.sha256 != expected:
        raise InvalidData(
            f"the data is not what this search was started with: {dataset.sha256[:12]}…, "
            f"then {expected[:12]}….",
            "Start a new search.",
        )
    train_part, val_part = split_val(dataset.train, recipe.data.val_fraction)
    if not len(train_part) or not len(val_part):
        raise InvalidData(f"{len(dataset.train)} training images are too few to split off val.")
    return Bench(gather_material(recipe, train_part), val_part)


def run_trials(
    study: optuna.Study, recipe: Recipe, bench: Bench, planned: int, console: Console
) -> None:
    """Run trials until the `planned` number of them counts."""
    while (done := len(counted(study))) < planned:
        trial, values = next_trial(study, recipe.axes(), recipe.training.seed)
        outcome = bench.run(recipe.at(values), reporter(trial))
        trial.set_user_attr(OUTCOME, outcome.as_dict())
        finish(study, trial, outcome)
        console.print(f"trial {done + 1}/{planned}  {described(outcome)}", soft_wrap=True)


def reporter(trial: optuna.Trial) -> Callable[[int, float], bool]:
    """Return the function that reports an epoch's val loss and says whether the trial is poor."""

    def is_poor(epoch: int, val_loss: float) -> bool:
        trial.report(val_loss, epoch)
        return bool(trial.should_prune())

    return is_poor


def finish(study: optuna.Study, trial: optuna.Trial, outcome: Outcome) -> None:
    """Tell the study what came of a trial; one that diverged counts as pruned, a poor choice."""
    if outcome.ended == FINISHED:
        study.tell(trial, outcome.val_loss)
    else:
        study.tell(trial, state=TrialState.PRUNED)


def described(outcome: Outcome) -> str:
    """Return a trial's outcome as one line."""
    if outcome.val_loss is None or outcome.val_accuracy is None or outcome.ended == DIVERGED:
        return f"{outcome.ended} after {outcome.epochs} epochs"
    return (
        f"val loss {outcome.val_loss:.4f}  val accuracy {outcome.val_accuracy:.2%}  "
        f"{outcome.ended} after {outcome.epochs} epochs, {outcome.seconds:.1f} s"
    )


def draw(folder: Path, study: optuna.Study, recipe: Recipe, rows: list[TrialRow]) -> None:
    """Draw the plots of the search into `plots/`."""
    from inkdigits.evaluation.plots import save_png
    from inkdigits.search.plots import plot_search

    figures: dict[str, Any] = plot_search(study, recipe.axes(), rows)
    for name, figure in figures.items():
        save_png(figure, folder / "plots" / f"{name}.png")
