"""A real search on small data: what it leaves, what it goes by, and how it goes on."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from samples import write_idx_folder

from inkdigits.cli.tune import table
from inkdigits.data.dataset import Dataset, Examples
from inkdigits.errors import InvalidData, TrainingFailed, UsageError
from inkdigits.search.results import TrialRow, best_row
from inkdigits.search.study import counted, opened
from inkdigits.search.trial import Bench, Outcome
from inkdigits.search.tune import Search, resume, tune
from inkdigits.training import load_recipe, train
from inkdigits.training.recipe import Recipe

SEARCH = """
name = "mine"
[model]
dropout = 0.1
[training]
batch_size = 100
epochs = 3
[search.model]
hidden = { choices = [[16], [24]] }
dropout = { low = 0.05, high = 0.4 }
[search.training]
learning_rate = { low = 0.001, high = 0.01, log = true }
"""


def mine(folder: Path, *changes: str) -> Recipe:
    return Recipe.from_toml(SEARCH).with_source(str(folder)).override(changes)


def told(rows: list[TrialRow]) -> list[Any]:
    """All but the seconds."""
    return [(row.number, row.values, replace(row.outcome, seconds=0.0)) for row in rows]


@pytest.fixture(scope="module")
def unbroken(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Search:
    return tune(mine(small_folder), 5, out=tmp_path_factory.mktemp("tune") / "unbroken")


def test_a_search_leaves_its_trials_plots_and_the_best_recipe(unbroken: Search) -> None:
    assert [row.number for row in unbroken.rows] == [1, 2, 3, 4, 5]
    assert len({row.values["model.dropout"] for row in unbroken.rows}) == 5
    # Five trials, two shapes.
    assert unbroken.compilations == len({str(row.values["model.hidden"]) for row in unbroken.rows})
    assert unbroken.compilations <= 2
    with (unbroken.folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [row.outcome.val_loss for row in unbroken.rows]
    assert [float(row["val_loss"]) for row in rows] == losses
    for name in ("importance", "parallel"):
        png = (unbroken.folder / "plots" / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
    lines = table(unbroken.rows).splitlines()
    assert len(lines) == 6
    assert f"{min(loss for loss in losses if loss is not None):.4f}" in lines[1]


def test_optuna_itself_opens_the_journal(unbroken: Search) -> None:
    """As optuna-dashboard does."""
    backend = optuna.storages.journal.JournalFileBackend(str(unbroken.folder / "journal.log"))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    assert study.best_value == best_row(unbroken.rows).outcome.val_loss
    assert len(study.trials[0].intermediate_values) == 3


def test_the_best_recipe_trains_to_the_val_figures_of_its_trial(
    unbroken: Search, tmp_path: Path
) -> None:
    best = load_recipe(str(unbroken.folder / "best.toml"))
    assert best.search == {}
    assert "trial" in best.title
    outcome = best_row(unbroken.rows).outcome
    evaluation = train(best, out=tmp_path / "run").evaluation
    assert evaluation["val_loss"] == pytest.approx(outcome.val_loss, abs=1e-6)
    assert evaluation["val_accuracy"] == pytest.approx(outcome.val_accuracy)


def test_the_test_split_plays_no_part(unbroken: Search, small: Dataset, tmp_path: Path) -> None:
    """Noise with wrong labels for a test split: the same trials to the last bit."""
    rng = np.random.default_rng(0)
    noise = Examples(
        rng.integers(0, 256, small.test.images.shape, np.uint8), rng.permutation(small.test.labels)
    )
    other = tmp_path / "other"
    other.mkdir()
    write_idx_folder(other, Dataset("other", small.train, noise))
    found = tune(mine(other), 3, out=tmp_path / "search")
    assert told(found.rows) == told(unbroken.rows)[:3]


def test_a_search_broken_off_goes_on_as_it_would_have(
    unbroken: Search, small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Recipe] = []
    run = Bench.run

    def run_and_break(self: Bench, recipe: Recipe, is_poor: Any) -> Outcome:
        started.append(recipe)
        outcome = run(self, recipe, is_poor)
        if len(started) == 3:
            raise KeyboardInterrupt
        return outcome

    out = tmp_path / "search"
    monkeypatch.setattr(Bench, "run", run_and_break)
    with pytest.raises(KeyboardInterrupt):
        tune(mine(small_folder), 5, out=out)
    # What a kill in the middle of writing leaves, besides.
    with (out / "journal.log").open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    (out / "journal.log.lock").symlink_to("journal.log")
    found = resume(out)
    assert told(found.rows) == told(unbroken.rows)
    # The third is trained twice, with the same values, and counts once.
    assert len(started) == 6
    assert started[2] == started[3]
    with opened(out, pruning=True) as study:
        broken = [trial for trial in study.trials if trial not in counted(study)]
        assert [trial.state.name for trial in broken] == ["FAIL"]
        assert sorted(t.user_attrs.get("again", -1) for t in study.trials)[-1] == broken[0].number
        with pytest.raises(UsageError, match="another process"):
            resume(out)


def test_more_trials_can_be_added(unbroken: Search, small_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    tune(mine(small_folder), 2, out=out)
    found = resume(out, 3)
    assert told(found.rows) == told(unbroken.rows)[:3]
    assert json.loads((out / "search.json").read_text())["trials"] == 3


def test_a_trial_that_diverges_counts_and_is_not_the_best(
    small_folder: Path, tmp_path: Path
) -> None:
    recipe = mine(small_folder, "training.epochs=1")
    recipe = replace(recipe, search={"training": {"learning_rate": {"choices": [1e30, 0.003]}}})
    found = tune(recipe, 4, out=tmp_path / "search")
    ended = {row.values["training.learning_rate"]: row.outcome.ended for row in found.rows}
    assert ended == {1e30: "diverged", 0.003: "finished"}
    assert found.best.training.learning_rate == 0.003
    assert "diverged" in table(found.rows).splitlines()[-1]


def test_poor_trials_are_ended_early(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkdigits.search.study.UNPRUNED_TRIALS", 1)
    monkeypatch.setattr("inkdigits.search.study.UNPRUNED_EPOCHS", 0)
    recipe = mine(small_folder, "training.epochs=4")
    recipe = replace(recipe, search={"training": {"learning_rate": {"choices": [1e-7, 0.003]}}})
    pruned = tune(recipe, 6, out=tmp_path / "pruned").rows
    ended = {row.outcome.ended for row in pruned if row.values["training.learning_rate"] < 1e-6}
    assert "pruned" in ended
    assert all(row.outcome.epochs < 4 for row in pruned if row.outcome.ended == "pruned")
    whole = tune(recipe, 3, out=tmp_path / "whole", pruning=False).rows
    assert {row.outcome.epochs for row in whole} == {4}


def test_what_cannot_be_searched(small_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'quickstart' has no \[search\] table"):
        tune(load_recipe("quickstart"), 2)
    with pytest.raises(UsageError, match="tune is for an ann or a cnn, got a recipe of 'ensemble'"):
        tune(load_recipe("ensemble"), 2)
    with pytest.raises(UsageError, match="is no folder of a search"):
        resume(tmp_path)
    nothing = [TrialRow(1, {}, Outcome("diverged", 0, 1.0, None, None))]
    with pytest.raises(TrainingFailed, match="none of 1 trials"):
        best_row(nothing)


def test_other_data_and_a_damaged_journal_are_refused(unbroken: Search, tmp_path: Path) -> None:
    plan = json.loads((unbroken.folder / "search.json").read_text())
    for name in ("recipe.toml", "journal.log"):
        (tmp_path / name).write_bytes((unbroken.folder / name).read_bytes())
    plan["data"]["sha256"] = "0" * 64
    (tmp_path / "search.json").write_text(json.dumps(plan))
    with pytest.raises(InvalidData, match="the data is not what this search was started with"):
        resume(tmp_path)
    (tmp_path / "journal.log").write_text("nonsense\n{}\n")
    with pytest.raises(InvalidData, match="is damaged"):
        resume(tmp_path)
