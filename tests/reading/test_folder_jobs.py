"""Folder jobs by the real reader: one row an input, in order; what keeps a job from starting."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from dying import DyingSettings

from inkdigits.errors import UsageError
from inkdigits.reading import folder as job
from inkdigits.reading.constraints import Constraints
from inkdigits.reading.folder import ReaderSettings, find_inputs, read_folder
from inkdigits.reading.journal import journal_path


def draw_images(folder: Path, n: int = 12) -> None:
    folder.mkdir()
    for index in range(n):
        page = np.full((90, 70), 225, np.uint8)
        if index % 4:
            cv2.line(page, (30 + index, 15), (35, 75), 50, 7)
        cv2.imwrite(str(folder / f"{index:02}.png"), page)
    (folder / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "06.pdf").write_bytes(b"nothing")


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    draw_images(tmp_path / "scans")
    return Path("scans")


def rows_in(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_rows_are_what_one_reader_says_in_order(scans: Path) -> None:
    inputs = find_inputs(["scans"])
    settings = ReaderSettings(layout="digit")
    reader = settings.reader()
    expected = [reader.read_or_error(Path(i.name), i.name).to_dict() for i in inputs]
    seen: list[int] = []
    result = read_folder(inputs, Path("r.jsonl"), settings, workers=2, progress=seen.append)
    assert rows_in(Path("r.jsonl")) == expected
    assert result.counts == Counter(row["status"] for row in expected)
    assert result.counts["error"] == 2
    assert result.counts["ok"] >= 4
    assert (result.before, seen[0], seen[-1], sorted(seen)) == (0, 0, 13, seen)
    assert sorted(os.listdir()) == ["r.jsonl", "scans"]


def test_drawings_stand_beside_each_other(scans: Path) -> None:
    out = Path("r.csv")
    settings = ReaderSettings(layout="digit")
    read_folder(find_inputs(["scans"]), out, settings, annotate=Path("drawn"))
    assert sorted(os.listdir("drawn")) == [f"{n:02}.png" for n in range(12) if n != 5]
    assert cv2.imread("drawn/01.png").shape[1] >= 70


def test_an_output_that_is_there_is_kept(scans: Path) -> None:
    out = Path("r.csv")
    out.write_text("mine")
    with pytest.raises(UsageError, match=r"there already, and nothing is left to continue"):
        read_folder(find_inputs(["scans"]), out, ReaderSettings())
    assert out.read_text() == "mine"
    assert sorted(os.listdir()) == ["r.csv", "scans"]


def dying_job(tmp_path: Path, names: list[str]) -> None:
    """Begin a job that a refused model ends after its first rows."""
    with pytest.raises(Exception, match="fails when run"):
        read_folder(find_inputs(names), Path("r.jsonl"), DyingSettings(folder=tmp_path), workers=1)


def test_a_job_that_broke_off_is_continued_by_the_same_settings_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out, inputs = Path("r.jsonl"), find_inputs(["a", "b", "refuse", "d"])
    for _ in range(2):
        dying_job(tmp_path, ["a", "b", "refuse", "d"])
        assert not out.exists()
    with pytest.raises(UsageError, match=r"target_error \(then None, now 0\.01\)"):
        read_folder(inputs, out, DyingSettings(folder=tmp_path, target_error=0.01))
    with pytest.raises(UsageError, match=r"annotate \(then None, now 'drawn'\)"):
        read_folder(inputs, out, DyingSettings(folder=tmp_path), Path("drawn"))
    with pytest.raises(UsageError, match=r"constraints \(then None, now {.*'length': 5"):
        read_folder(inputs, out, DyingSettings(folder=tmp_path, constraints=Constraints(length=5)))
    monkeypatch.setattr(job, "model_hash", lambda model: "other")
    with pytest.raises(UsageError, match=r"model \(then '[0-9a-f]{64}', now 'other'\)"):
        read_folder(inputs, out, DyingSettings(folder=tmp_path))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    # The image that broke the job off is gone meanwhile, and another has come.
    result = read_folder(find_inputs(["a", "b", "d", "e"]), out, DyingSettings(folder=tmp_path))
    assert [row["image"] for row in rows_in(out)] == ["a", "b", "d", "e"]
    assert (result.before, result.counts) == (2, {"ok": 4})


def finished_job(tmp_path: Path) -> bytes:
    """Leave what a kill leaves between renaming the output and deleting the journal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job.Journal, "remove", lambda journal: None)
        read_folder(find_inputs(["a", "b"]), Path("r.jsonl"), DyingSettings(folder=tmp_path))
    return Path("r.jsonl").read_bytes()


def test_a_kill_after_the_output_was_written_is_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path("r.jsonl")
    content = finished_job(tmp_path)
    assert journal_path(out).exists()
    result = read_folder(find_inputs(["a", "b"]), out, DyingSettings(folder=tmp_path))
    assert (result.before, result.counts) == (2, {"ok": 2})
    assert out.read_bytes() == content
    assert not journal_path(out).exists()


def test_a_kill_before_the_output_was_renamed_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = finished_job(tmp_path)
    Path("r.jsonl").rename(".r.01234567.tmp.jsonl")
    Path(".other.01234567.tmp.jsonl").touch()
    read_folder(find_inputs(["a", "b"]), Path("r.jsonl"), DyingSettings(folder=tmp_path))
    assert Path("r.jsonl").read_bytes() == content
    assert sorted(os.listdir()) == [".other.01234567.tmp.jsonl", "asked", "r.jsonl"]


def test_an_output_in_the_way_of_an_unfinished_job_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dying_job(tmp_path, ["a", "refuse"])
    Path("r.jsonl").write_text("mine")
    with pytest.raises(UsageError, match="is not at its end"):
        read_folder(find_inputs(["a", "b"]), Path("r.jsonl"), DyingSettings(folder=tmp_path))
    assert Path("r.jsonl").read_text() == "mine"
    assert journal_path(Path("r.jsonl")).exists()


@pytest.mark.parametrize(
    ("arguments", "out", "options", "message"),
    [
        (["-"], "r.csv", {}, "standard input cannot be read with --out"),
        (["a"], "r.txt", {}, "cannot tell the format"),
        (["a"], "r.csv", {"workers": 0}, "workers must be at least 1, got 0"),
        (["a.png"], "r.csv", {"annotate": Path()}, "would overwrite the input"),
    ],
)
def test_wrong_calls_leave_nothing(
    arguments: list[str],
    out: str,
    options: dict[str, object],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        read_folder(find_inputs(arguments), Path(out), ReaderSettings(), **options)
    assert os.listdir() == []
