"""`read --cluster` and `tune --cluster` as commands: what they refuse, and a small search."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import optuna
import pytest

from inkdigits.cli.main import main
from inkdigits.search.cluster import resume_on_cluster, tune_on_cluster
from inkdigits.search.tune import resume
from inkdigits.training import load_recipe
from inkdigits.training.recipe import Recipe


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "one.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.full((64, 48), 225, np.uint8))
    return path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cluster", "local"], "Name the folder with --out"),
        (["--cluster", "local", "--out", "out", "--json"], "without --json and --csv"),
        (["--column", "scan", "--out", "out.csv"], "--cluster local"),
        (["--cluster", "127.0.0.1:1", "--out", "out"], "no Ray cluster answers at '127.0.0.1:1'"),
        (["--cluster", "local", "--out", "in"], "is no folder of a reading"),
        (["--cluster", "local", "--out", "out", "--layout", "odd"], "unknown layout 'odd'"),
    ],
)
def test_wrong_calls_are_one_line_at_once(
    page: Path,
    options: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(page.parents[1])
    assert main(["read", "in", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert captured.err.startswith("inkdigits: error: ")
    assert captured.err.count("\n") == 1


def test_a_job_goes_on_with_the_same_inputs_and_settings_only(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(page.parents[1])
    # Nobody answers, but the job is begun.
    start = ["read", "in", "--cluster", "127.0.0.1:1", "--out", "out"]
    assert main(start) == 2
    assert json.loads(Path("out/_job.json").read_text())["images"] == 1
    capsys.readouterr()
    assert main([*start, "--length", "3"]) == 2
    assert "was begun with other settings: constraints" in capsys.readouterr().err
    (page.parent / "two.png").write_bytes(page.read_bytes())
    assert main(start) == 2
    assert "was begun with other inputs: 1 images then, 2 now" in capsys.readouterr().err
    Path("out/_manifest.json").write_text("{}")
    assert main(start) == 2
    assert "'out' is there already, and nothing is left to continue" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["read", "tune"])
def test_a_missing_ray_is_one_line(page: Path, verb: str) -> None:
    given = {"read": [str(page), "--out", str(page.parents[1] / "out")], "tune": []}[verb]
    code = (
        "import sys\nsys.modules['ray'] = None\nfrom inkdigits.cli.main import main\n"
        f"sys.exit(main([{verb!r}, '--cluster', 'local', *{given!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "'ray' is not installed" in done.stderr
    assert 'pip install "inkdigits[cluster]"' in done.stderr


SEARCH = """
name = "mine"
[training]
batch_size = 100
epochs = 3
[search.model]
hidden = { choices = [[16], [24]] }
[search.training]
learning_rate = { low = 0.001, high = 0.01, log = true }
"""


@pytest.mark.usefixtures("cluster")
def test_a_search_on_a_cluster_leaves_what_a_local_one_does(
    small_folder: Path, tmp_path: Path
) -> None:
    recipe = Recipe.from_toml(SEARCH).with_source(str(small_folder))
    found = tune_on_cluster(recipe, 3, "local", out=tmp_path / "search")
    assert [row.number for row in found.rows] == [1, 2, 3]
    assert {tuple(row.values["model.hidden"]) for row in found.rows} <= {(16,), (24,)}
    assert len({row.values["training.learning_rate"] for row in found.rows}) == 3
    finished = [row for row in found.rows if row.outcome.ended == "finished"]
    best = min(finished, key=lambda row: row.outcome.val_loss or 9)
    assert load_recipe(str(found.folder / "best.toml")).training.learning_rate == pytest.approx(
        best.values["training.learning_rate"]
    )
    with (found.folder / "trials.csv").open() as file:
        assert [row["trial"] for row in csv.DictReader(file)] == ["1", "2", "3"]
    for name in ("importance", "parallel"):
        assert (found.folder / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    backend = optuna.storages.journal.JournalFileBackend(str(found.folder / "journal.log"))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    assert study.best_value == best.outcome.val_loss
    assert len(study.best_trial.intermediate_values) == 3
    # Nothing is left to do: the same again.
    again = resume_on_cluster(found.folder, "local")
    assert again.rows == found.rows
    with pytest.raises(Exception, match="--cluster"):
        resume(found.folder)
