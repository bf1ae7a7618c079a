"""SIGKILL in the middle of a search, then --resume: each planned trial once, the same table."""

from __future__ import annotations

import csv
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TRIALS = 4
Rows = list[dict[str, str]]


def arguments(data: Path, out: Path) -> list[str | Path]:
    return [
        "tune", "early-stopping", "--trials", str(TRIALS), "--data", data, "--out", out, "--set",
        "training.epochs=3", "--set", "search.model.hidden.depth.high=2", "--set",
        "search.training.batch_size.choices=[128]",
    ]  # fmt: skip


def trials(folder: Path) -> Rows:
    with (folder / "trials.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_a_killed_search_goes_on(
    small_folder: Path,
    tmp_path: Path,
    start: Callable[..., Any],
    run: Callable[..., tuple[int, str, str]],
) -> None:
    killed, unbroken = tmp_path / "killed", tmp_path / "unbroken"
    with start(*arguments(small_folder, killed)) as process:
        # Optuna notes an epoch by a line of its own: some are there, so that a trial is in flight.
        journal = killed / "journal.log"
        while not journal.exists() or journal.read_text().count("intermediate_value") < 4:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (killed / "trials.csv").exists()
    code, output, complaint = run("tune", "--resume", killed)
    assert code == 0, complaint
    assert f"inkdigits train {killed / 'best.toml'}" in output
    assert f"trial {TRIALS}/{TRIALS}" in complaint
    code, _, complaint = run(*arguments(small_folder, unbroken))
    assert code == 0, complaint
    assert trials(killed) == trials(unbroken)
    assert [row["trial"] for row in trials(killed)] == ["1", "2", "3", "4"]
