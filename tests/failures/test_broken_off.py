"""Ctrl-C, a full disk, a closed pipe, a loss that is no number: one line, the right code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.evaluation.model_file import predict_file

IMAGES = np.zeros((1, 28, 28), np.uint8)
Run = Callable[..., tuple[int, str, str]]


def last_error(complaint: str) -> str:
    lines = [line for line in complaint.splitlines() if line.startswith("inkdigits: error: ")]
    assert len(lines) == 1, complaint
    assert "Traceback" not in complaint
    return lines[0]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if ".tmp" in path.name]


def wait_for(path: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


def test_ctrl_c_in_mid_epoch_is_130_and_resumable(
    start: Callable[..., object], run: Run, small_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    sets = ["--set", "training.epochs=200", "--set", "training.batch_size=8"]
    with start("train", "quickstart", "--data", small_folder, "--out", out, *sets) as process:
        wait_for(out / "history.csv")
        time.sleep(0.15)
        process.send_signal(signal.SIGINT)
        output, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert output == ""
    assert "inkdigits: interrupted." in complaint
    assert f"--resume {out}" in complaint
    assert "Traceback" not in complaint
    assert leftovers(out) == []
    epochs = len((out / "history.csv").read_text().splitlines()) - 1
    assert 0 < epochs < 200
    recipe = out / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("epochs = 200", f"epochs = {epochs + 1}"))
    code, output, complaint = run("train", "--resume", out)
    assert code == 0, complaint
    assert f"{epochs + 1} epochs" in output


@pytest.mark.parametrize("limit", [1_000, 50_000, 300_000, 420_000])
def test_full_disk_is_6_and_leaves_no_half_file(
    small_folder: Path, tmp_path: Path, limit: int
) -> None:
    """A limit on file size stands in for a full disk: the write fails in the middle just so."""

    out = tmp_path / "run"
    command = [sys.executable, "-m", "inkdigits", "train", "quickstart", "--out", str(out)]
    command += ["--data", str(small_folder), "--set", "training.epochs=1"]
    # Set in the child: a fork of this process, where JAX runs threads, could hang.
    limited = (
        "import os, resource, sys; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, *command],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    code, output, complaint = done.returncode, done.stdout, done.stderr
    assert code == 6, complaint
    assert output == ""
    assert "cannot write" in last_error(complaint)
    assert leftovers(out) == []
    assert not (out / "report.html").exists()
    for path in out.rglob("model.*"):
        assert predict_file(path, IMAGES).shape == (1, 10), f"{path.name} is torn"


def test_full_stdout_is_6(run: Run, small_folder: Path) -> None:
    with open("/dev/full", "w") as full:
        code, _, complaint = run("train", "--list", stdout=full)
    assert code == 6
    assert "No space left" in last_error(complaint)


def test_closed_pipe_is_6_and_quiet(start: Callable[..., object]) -> None:
    reading_end, writing_end = os.pipe()
    os.close(reading_end)
    with os.fdopen(writing_end, "w") as closed, start("train", "--list", stdout=closed) as process:
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 6
    assert "stdout was closed" in last_error(complaint)


def test_loss_that_is_no_number_is_1(run: Run, small_folder: Path, tmp_path: Path) -> None:
    code, output, complaint = run(
        "train", "quickstart", "--data", small_folder, "--out", tmp_path / "run",
        "--set", "training.learning_rate=1e30",
    )  # fmt: skip
    assert code == 1
    assert output == ""
    assert "the loss became nan" in last_error(complaint)
    assert not (tmp_path / "run" / "model.keras").exists()


def test_place_where_nobody_may_write_is_6(run: Run, small_folder: Path) -> None:
    # Not even root makes folders in /proc.
    code, _, complaint = run(
        "train", "quickstart", "--data", small_folder, "--out", "/proc/mine/run"
    )
    assert code == 6
    assert "cannot write" in last_error(complaint)


def test_out_below_a_file_is_6_and_used_folder_is_2(
    run: Run, small_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    code, _, complaint = run(
        "train", "quickstart", "--data", small_folder, "--out", tmp_path / "file" / "run"
    )
    assert (code, "cannot write" in last_error(complaint)) == (6, True)
    code, _, complaint = run("train", "quickstart", "--data", small_folder, "--out", tmp_path)
    assert (code, "not an empty folder" in last_error(complaint)) == (2, True)
    assert (tmp_path / "file").read_text() == "mine"


def test_resume_of_what_is_no_run_and_with_other_data(
    run: Run, small_folder: Path, tmp_path: Path
) -> None:
    code, _, complaint = run("train", "--resume", tmp_path)
    assert (code, "is no run folder" in last_error(complaint)) == (2, True)
    out = tmp_path / "run"
    arguments = ("train", "quickstart", "--data", "digits", "--set", "training.epochs=1")
    assert run(*arguments, "--out", out)[0] == 0
    recipe = out / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('"digits"', f'"{small_folder}"'))
    code, _, complaint = run("train", "--resume", out)
    assert (code, "not what this run was started with" in last_error(complaint)) == (3, True)
