"""On a real Ray cluster: the folder job's rows, each once, whatever dies; and a small search."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import psutil
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
from dying import DyingSettings

from inkdigits.cluster import parts
from inkdigits.cluster.job import read_on_cluster
from inkdigits.errors import ModelRefused, UsageError
from inkdigits.reading.folder import FolderResult, find_inputs, read_folder
from inkdigits.reading.settings import ReaderSettings
from inkdigits.reading.table_file import valid
from inkdigits.reading.table_rows import read_table
from inkdigits.search.cluster import most_epochs, resume_on_cluster, tune_on_cluster
from inkdigits.search.tune import resume
from inkdigits.training import load_recipe
from inkdigits.training.recipe import Recipe

Bar = Callable[[int], AbstractContextManager[Callable[[int], None]]]
DIGIT = ReaderSettings(layout="digit", top=2)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "FEWEST", 10)


def bar_with(moved: Callable[[int], None]) -> Bar:
    @contextmanager
    def bar(_n: int) -> Iterator[Callable[[int], None]]:
        yield moved

    return bar


def read(
    sources: list[str],
    out: Path | str,
    settings: ReaderSettings = DIGIT,
    moved: Callable[[int], None] = lambda _done: None,
    **options: Any,
) -> FolderResult:
    return read_on_cluster(sources, str(out), settings, "local", bar_with(moved), **options)


def rows_in(out: Path) -> list[dict[str, Any]]:
    """All rows, as anyone reads a folder of Parquet files."""
    return pyarrow.dataset.dataset(out).to_table().to_pylist()


@pytest.mark.usefixtures("cluster")
def test_the_rows_are_those_of_a_folder_job(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scans.parent)
    local = tmp_path / "local.parquet"
    expected = read_folder(find_inputs(["scans"]), local, DIGIT)
    result = read(["scans"], tmp_path / "out", annotate=tmp_path / "drawn")
    assert result.counts == {"ok": 45, "rejected": 6, "error": 3} == dict(expected.counts)
    assert rows_in(tmp_path / "out") == pyarrow.parquet.read_table(local).to_pylist()
    assert len(list((tmp_path / "drawn").rglob("*.png"))) == 51
    names = sorted(os.listdir(tmp_path / "out"))
    assert names[:2] == ["_job.json", "_manifest.json"]
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert [part["file"] for part in manifest["parts"]] == names[2:]
    assert [part["rows"] for part in manifest["parts"]] == [10, 10, 10, 10, 10, 4]
    # A part is a table like any other.
    assert len(list(read_table(tmp_path / "out" / names[2]))) == 10


@pytest.mark.usefixtures("cluster")
def test_urls_and_tables_of_images_are_read(scans: Path, tmp_path: Path) -> None:
    good = (scans / "deep" / "001.png").read_bytes()
    cells = [good, None, b"nothing"] + [good] * 12
    table = tmp_path / "tables" / "many.parquet"
    table.parent.mkdir()
    # As the datasets of Hugging Face have it, in row groups.
    structs = [{"bytes": cell, "path": None} for cell in cells]
    pyarrow.parquet.write_table(
        pyarrow.table({"label": range(15), "scan": structs}), table, row_group_size=7
    )
    url = (scans / "deep").as_uri()
    result = read([str(table.parent), url], f"{tmp_path.as_uri()}/out", column="scan")
    rows = rows_in(tmp_path / "out")
    files = sorted(f"{url}/{name}" for name in os.listdir(scans / "deep"))
    assert [row["image"] for row in rows] == files + [f"{table}#{row}" for row in range(15)]
    assert result.counts["error"] == 2
    errors = {row["image"].rpartition("#")[2]: row["error"] for row in rows if row["error"]}
    assert set(errors) == {"1", "2"}
    assert errors["1"].endswith("#1' holds no image.")
    first = next(row for row in rows if row["image"].endswith("001.png"))
    assert {row["numbers"] for row in rows[-12:]} == {first["numbers"]}


@pytest.mark.usefixtures("cluster")
def test_what_ends_its_process_has_its_row(tmp_path: Path) -> None:
    """Images that do so every time, once, or only fail; the name of this test is in their paths."""
    names = [f"{index:02}.png" for index in range(24)]
    for index, name in {3: "kill.png", 4: "once.png", 13: "raise.png", 17: "exit.png"}.items():
        names[index] = f"{index:02}-{name}"
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / name).write_bytes(b"")
    result = read([str(tmp_path / "in")], tmp_path / "out", DyingSettings(folder=tmp_path))
    rows = rows_in(tmp_path / "out")
    assert [Path(row["image"]).name for row in rows] == names
    assert {index for index, row in enumerate(rows) if row["status"] == "error"} == {3, 13, 17}
    assert "SIGKILL" in rows[3]["error"]
    assert "exit code 3" in rows[17]["error"]
    assert result.counts == {"ok": 21, "error": 3}


def workers() -> list[int]:
    """The processes that read, of this process's cluster, by their titles."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "MapWorker(Map(P" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


@pytest.mark.usefixtures("cluster")
def test_a_job_broken_off_goes_on_and_a_killed_worker_loses_nothing(
    scans: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def break_off(done: int) -> None:
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read([str(scans)], out, moved=break_off)
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert len(kept) >= 2
    assert not (out / "_manifest.json").exists()
    # What a kill in the middle of writing leaves, and a part that the disk has lost.
    (out / ".temporary-1").write_bytes(b"PAR1")
    torn = out / min(kept)
    torn.write_bytes(b"PAR1")
    stop = threading.Event()
    killed: list[int] = []

    def kill_one() -> None:
        while not stop.is_set() and not killed:
            for pid in workers()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        result = read([str(scans)], out)
    finally:
        stop.set()
        killer.join()
    assert killed
    assert result.before >= 10
    rows = rows_in(out)
    assert [row["image"] for row in rows] == [
        valid(image.name) for image in find_inputs([str(scans)])
    ]
    assert not list(out.glob(".temporary*")) + list(out.glob("_at-work*"))
    untouched = set(kept) - {torn.name}
    assert all((out / name).stat().st_mtime_ns == kept[name] for name in untouched)


@pytest.mark.usefixtures("cluster")
def test_what_ends_a_reader_for_good_ends_the_job_in_its_own_words(
    scans: Path, tmp_path: Path
) -> None:
    (tmp_path / "refuse.png").write_bytes(b"")
    with pytest.raises(ModelRefused, match=r"^the model fails when run\.$"):
        read([str(tmp_path)], tmp_path / "out", DyingSettings(folder=tmp_path))


def test_a_trial_may_take_as_many_epochs_as_the_search_says() -> None:
    recipe = load_recipe("early-stopping")
    assert most_epochs(recipe.override(["search.training.epochs.choices=[9, 100]"])) == 100
    assert most_epochs(recipe.override(["training.epochs=7"])) == 7


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
    with pytest.raises(UsageError, match="--cluster"):
        resume(found.folder)
