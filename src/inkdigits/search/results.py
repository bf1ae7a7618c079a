"""What a search leaves: the table of its trials, and the best recipe."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna

from inkdigits.errors import TrainingFailed
from inkdigits.files import write_text
from inkdigits.search.study import counted, values_of
from inkdigits.search.trial import FINISHED, Outcome
from inkdigits.training.recipe import Recipe
from inkdigits.training.search_table import Axis

BEST_FILE = "best.toml"
TABLE_FILE = "trials.csv"
OUTCOME = "outcome"


@dataclass(frozen=True)
class TrialRow:
    """A trial that counts: its number in the search from 1, its values by key, its outcome."""

    number: int
    values: dict[str, Any]
    outcome: Outcome


def rows_of(study: optuna.Study, axes: Sequence[Axis]) -> list[TrialRow]:
    """Return the trials that count, in their order."""
    return [
        TrialRow(number, values_of(axes, trial.params), Outcome(**trial.user_attrs[OUTCOME]))
        for number, trial in enumerate(counted(study), start=1)
    ]


def best_row(rows: Sequence[TrialRow]) -> TrialRow:
    """Return the finished trial of the smallest val loss; raises TrainingFailed without any."""
    finished = [row for row in rows if row.outcome.ended == FINISHED]
    if not finished:
        raise TrainingFailed(
            f"none of {len(rows)} trials has come to a model.",
            "Narrow the search: look at training.learning_rate.",
        )
    return min(finished, key=lambda row: row.outcome.val_loss or 0.0)


def write_table(path: Path, rows: Sequence[TrialRow]) -> None:
    """Write all trials as CSV."""
    buffer = io.StringIO()
    columns = ["trial", *rows[0].outcome.as_dict(), *rows[0].values]
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({"trial": row.number, **row.outcome.as_dict(), **row.values})
    write_text(path, buffer.getvalue())


def best_recipe(recipe: Recipe, rows: Sequence[TrialRow]) -> Recipe:
    """Return the recipe of the best trial, which trains to the same val figures."""
    best = best_row(rows)
    loss = best.outcome.val_loss
    return replace(
        recipe.at(best.values),
        name=f"{recipe.name}-best",
        title=f"trial {best.number} of {len(rows)} of a search over {recipe.name}: "
        f"val loss {loss:.4f}",
    )
