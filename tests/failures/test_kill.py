"""SIGKILL at random moments, then --resume: bit for bit the result of an unbroken training."""

from __future__ import annotations

import csv
import io
import random
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inkdigits.files import sha256

KILLS = 20
EPOCHS = 25
SPLITS = ("train", "validation")
COMPARED = ("model.onnx", "evaluation.json", "recipe.toml")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "inkdigits", "train", *map(str, arguments)]


def start_arguments(data: Path, out: Path) -> list[str | Path]:
    return [
        "early-stopping", "--data", data, "--out", out, "--seed", "5",
        "--set", f"training.epochs={EPOCHS}", "--set", "training.batch_size=4",
        "--set", "training.early_stopping.patience=4", "--set", "save.checkpoints=true",
    ]  # fmt: skip


def finish(arguments: list[str | Path]) -> None:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def content(folder: Path) -> dict[str, object]:
    """All that must be identical: weights, best model, history but for the seconds, evaluation."""
    found: dict[str, object] = {name: sha256((folder / name).read_bytes()) for name in COMPARED}
    with (folder / "history.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    checkpoints = {path.name: weights_of(path) for path in (folder / "checkpoints").iterdir()}
    return found | {
        "weights": h5_weights(folder / "model.h5"),
        "history": rows,
        "checkpoints": checkpoints,
        "tensorboard": [events_of(folder / "tensorboard" / split) for split in SPLITS],
    }


def h5_weights(file: Path | io.BytesIO) -> dict[str, bytes]:
    weights: dict[str, bytes] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            weights[name] = np.asarray(item).tobytes()

    with h5py.File(file) as opened:
        opened.visititems(visit)
    return weights


def weights_of(checkpoint: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(checkpoint) as archive:
        return h5_weights(io.BytesIO(archive.read("model.weights.h5")))


def events_of(folder: Path) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("epoch_loss")]


def kill_once(data: Path, out: Path, delay: float, *, after_first_epoch: bool) -> int:
    """Start, kill, resume to the end; return how many epochs were done at the kill."""
    process = subprocess.Popen(
        command(*start_arguments(data, out)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    history = out / "history.csv"
    while after_first_epoch and not history.exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(history.read_text().splitlines()) - 1 if history.exists() else 0
    started = (out / "environment.json").exists()
    assert started == out.exists(), "a run folder is whole from its first moment on"
    finish(["--resume", out] if started else start_arguments(data, out))
    return done


def test_twenty_kills_change_nothing(small_folder: Path, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    reference = tmp_path / "reference"
    finish(start_arguments(small_folder, reference))
    expected = content(reference)
    with (reference / "history.csv").open() as file:
        epochs = [float(row["seconds"]) for row in csv.DictReader(file)]
    # Most kills fall into the epochs, some anywhere from the start of the process to its end.
    inside = sum(epochs)
    plans = [(rng.uniform(0, inside), True) for _ in range(KILLS - 5)]
    plans += [(rng.uniform(0, 6), False) for _ in range(5)]

    def attempt(number: int) -> tuple[int, bool]:
        delay, after_first_epoch = plans[number]
        out = tmp_path / f"run-{number}"
        done = kill_once(small_folder, out, delay, after_first_epoch=after_first_epoch)
        return done, content(out) == expected

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(attempt, range(KILLS)))
    same = sum(equal for _, equal in results)
    assert same == KILLS, f"seed {seed}: {same} of {KILLS} identical, {results}"
    # The kills must really have hit trainings in progress, or this test proves nothing.
    assert sum(0 < done < len(epochs) for done, _ in results) >= KILLS // 3, results
