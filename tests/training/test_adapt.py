"""Adapting from a folder to an artefact: taken where it is better, the old one kept where not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from adapting import digit_parent, digits_folder, line_parent, numbers_folder

from inkdigits.cli.main import main
from inkdigits.data.dataset import Dataset
from inkdigits.data.digits import load_offline_digits
from inkdigits.errors import CannotWrite, InvalidData, ModelRefused, UsageError
from inkdigits.files import sha256
from inkdigits.models.backend import set_up_keras

set_up_keras()
from inkdigits.reading.engine import Engine
from inkdigits.reading.reader import Reader
from inkdigits.training import adapt as adaptation
from inkdigits.training import adapt_digit
from inkdigits.training.adapt import adapt
from inkdigits.training.adapt_lessons import Work
from inkdigits.training.adapt_recipe import recipe_for
from inkdigits.training.lesson import Watch
from inkdigits.training.recipe import load_recipe


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_offline_digits()


@pytest.fixture(autouse=True)
def offline(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digits that need no network, and few of them."""
    few = Dataset("digits", digits.train, digits.test[300:], comparable=False)
    monkeypatch.setattr(adaptation, "load_dataset", lambda _source: few)
    for name, count in (("MADE", 40), ("REAL", 300), ("OWN", 428), ("PROVEN", 300)):
        monkeypatch.setattr(adapt_digit, name, count)
    monkeypatch.setitem(adapt_digit.SETTINGS, "learning_rate", 0.003)


def test_a_better_model_is_taken_and_names_its_parent_and_its_data(
    digits: Dataset, tmp_path: Path
) -> None:
    folder = digits_folder(tmp_path / "mine", digits, 60)
    parent = digit_parent(tmp_path / "parent.onnx")
    report = adapt(folder, tmp_path / "new.onnx", parent, seed=1)
    found = report.findings
    assert found.better, found.why
    assert found.held_out.n == 60
    assert found.held_out.after > found.held_out.before
    assert found.losses[1] < found.losses[0]
    assert [point.learnt for point in found.curve] == [0, 20, 40]
    metadata = Engine(tmp_path / "new.onnx").metadata
    assert metadata.parent_sha256 == sha256(parent.read_bytes()) == report.parent_sha256
    assert metadata.data_sha256 == report.data_sha256
    assert metadata.data_name == "mine"
    assert metadata.scores["held_out_accuracy"] == found.held_out.after / 60
    assert metadata.val_n == metadata.val_curve[-1][1] <= 60
    assert metadata.temperature == pytest.approx(found.temperature)
    reader = Reader(tmp_path / "new.onnx")
    right = sum(
        reader.read(path).text == str(label)
        for path, label in zip(sorted(folder.glob("*.png")), digits.test.labels, strict=False)
    )
    assert right > found.held_out.before
    assert not (tmp_path / "new.onnx.adapting").exists()

    again = adapt(folder, tmp_path / "again.onnx", parent, seed=1)
    assert again.findings == found
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "new.onnx").read_bytes()


def test_broken_off_it_continues_to_the_same_model(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = digits_folder(tmp_path / "mine", digits, 40)
    parent = digit_parent(tmp_path / "parent.onnx")
    adapt(folder, tmp_path / "whole.onnx", parent)
    measured = Watch.on_epoch_end
    calls: list[int] = []

    def breaks(self: Watch, epoch: int, logs: dict[str, float] | None = None) -> None:
        calls.append(epoch)
        # In the second lesson, after its second epoch.
        if calls.count(2) == 2 and epoch == 2:
            raise KeyboardInterrupt
        measured(self, epoch, logs)

    monkeypatch.setattr(Watch, "on_epoch_end", breaks)
    with pytest.raises(KeyboardInterrupt):
        adapt(folder, tmp_path / "broken.onnx", parent)
    assert not (tmp_path / "broken.onnx").exists()
    left = tmp_path / "broken.onnx.adapting" / "lessons"
    names = sorted(path.name for path in left.iterdir())
    assert names == ["lesson-1-of-3.npz", "lesson-2-of-3.state.npz"]
    calls.clear()
    calls.extend([2, 2])
    adapt(folder, tmp_path / "broken.onnx", parent)
    assert calls[2:4] == [2, 3], "the first lesson and two epochs of the second are there"
    assert (tmp_path / "broken.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()


def test_other_parts_begin_anew(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = digits_folder(tmp_path / "mine", digits, 24)
    parent, out = digit_parent(tmp_path / "parent.onnx"), tmp_path / "new.onnx"
    seen = []

    def broken(work: Work, *_others: object) -> None:
        lessons = work.folder / "lessons"
        seen.append(lessons.is_dir())
        lessons.mkdir(exist_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(adaptation, "learn_and_measure", broken)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            adapt(folder, out, parent, seed=1)
    table = folder / "labels.csv"
    first, *rows = table.read_text(encoding="utf-8").splitlines()
    pages = [f"{row},page {at // 4}" for at, row in enumerate(rows)]
    table.write_text("\n".join([f"{first},source", *pages]), encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        adapt(folder, out, parent, seed=1)
    assert seen == [False, True, False]


def test_shuffled_labels_leave_the_old_model(digits: Dataset, tmp_path: Path) -> None:
    right = adapt(
        digits_folder(tmp_path / "right", digits, 60),
        tmp_path / "parent.onnx",
        digit_parent(tmp_path / "first.onnx"),
    )
    assert right.findings.better
    parent, new = tmp_path / "parent.onnx", tmp_path / "new.onnx"
    poisoned = digits_folder(tmp_path / "poisoned", digits, 40, shuffled=True)
    report = adapt(poisoned, new, parent)
    assert not report.findings.better
    assert new.read_bytes() == parent.read_bytes()
    another = (tmp_path / "first.onnx").read_bytes()
    new.write_bytes(another)
    report = adapt(poisoned, new, parent)
    assert new.read_bytes() == another, "what is there already stays"
    assert report.model == parent, "it is not what was measured"


def test_numbers_go_to_the_line_network(
    digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = numbers_folder(tmp_path / "mine", digits, 21)
    parent, new = line_parent(tmp_path / "parent.onnx"), tmp_path / "new.onnx"
    arguments = ["adapt", str(folder), "-o", str(new), "--model", str(parent)]
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["kind"] == "line"
    assert found["findings"]["held_out"]["n"] + found["left_out"] == 21
    assert found["findings"]["better"] is False, "a new network of this size learns little in this"
    assert new.read_bytes() == parent.read_bytes()
    assert "lesson 3 of 3" in captured.err
    with pytest.raises(UsageError, match="reads single digits"):
        adapt(folder, new, digit_parent(tmp_path / "digit.onnx"))


def test_what_was_found_is_printed(
    digits: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = digits_folder(tmp_path / "mine", digits, 30, shuffled=True)
    parent = digit_parent(tmp_path / "parent.onnx")
    assert main(["adapt", str(folder), "-o", str(tmp_path / "n.onnx"), "--model", str(parent)]) == 0
    out = capsys.readouterr().out
    assert "30 images, held out in turn: " in out
    assert "test digits of digits: " in out
    assert "learning curve, 10 images held out: 0 learnt " in out
    assert "the old model is kept: " in out


def test_errors_come_before_the_work(digits: Dataset, tmp_path: Path) -> None:
    folder = digits_folder(tmp_path / "mine", digits, 20)
    with pytest.raises(CannotWrite, match="is a folder"):
        adapt(folder, tmp_path)
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(CannotWrite, match="no model"):
        adapt(folder, notes)
    assert notes.read_text() == "mine"
    notes.unlink()
    with pytest.raises(ModelRefused, match="no such model file"):
        adapt(folder, tmp_path / "new.onnx", tmp_path / "nowhere.onnx")
    blank = np.full((40, 40), 255, np.uint8)
    for number in range(20):
        blank[0, 0] = 200 + number
        cv2.imwrite(str(folder / f"{number:03}.png"), blank)
    with pytest.raises(InvalidData, match=r"0 of 20 images .* show ink"):
        adapt(folder, tmp_path / "new.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_one_process_at_a_time_writes_a_model(tmp_path: Path) -> None:
    plan = {"seed": 1}
    out = tmp_path / "new.onnx"
    with adaptation.work_folder(out, plan) as folder:
        (folder / "lessons").mkdir()
        with pytest.raises(UsageError, match="being written by another process"):
            with adaptation.work_folder(out, plan):
                pass
    with adaptation.work_folder(out, plan) as folder:
        assert (folder / "lessons").is_dir()
    with adaptation.work_folder(out, {"seed": 2}) as folder:
        assert not (folder / "lessons").is_dir(), "what another plan left is removed"


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['keras'] = None; from inkdigits.cli.main import main; "
        "sys.exit(main(['adapt', 'mine', '-o', 'new.onnx']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'pip install "inkdigits[train]"' in done.stderr
    assert done.stderr.count("\n") == 1


def test_of_an_ensemble_its_members_are_taught() -> None:
    told = load_recipe("bundled")
    recipe = recipe_for(told.to_toml(), 3, {"epochs": 2})
    assert recipe.model.kind == "cnn"
    assert recipe.model.filters == load_recipe("robust").model.filters
    assert (recipe.training.epochs, recipe.training.seed) == (2, 3)
    with pytest.raises(ModelRefused, match="cannot be adapted"):
        recipe_for(told.override(["ensemble.recipes=[]"]).to_toml(), 3, {})
