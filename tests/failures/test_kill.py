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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inkdigits.files import sha256

KILLS = 20
# A run that was killed and resumed is killed again: what a resume leaves must be resumable.
KILLS_EACH = 10
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


@dataclass(frozen=True)
class Kill:
    """One kill of a training: so many seconds after its history has so many epochs."""

    epochs: int
    seconds: float


def planned(rng: random.Random, seconds: Sequence[float]) -> list[Kill]:
    """The kills of one run whose epochs take `seconds`: at its start, in epochs, while it saves."""
    inside = sorted(rng.sample(range(1, len(seconds)), KILLS_EACH - 2))
    return [
        Kill(0, rng.uniform(0, 6)),
        *[Kill(done, rng.uniform(0, seconds[done])) for done in inside],
        Kill(len(seconds), rng.uniform(0, 4)),
    ]


def begin_or_resume(data: Path, out: Path) -> list[str | Path]:
    started = (out / "environment.json").exists()
    assert started == out.exists(), "a run folder is whole from its first moment on"
    return ["--resume", out] if started else start_arguments(data, out)


def epochs_in(out: Path) -> int:
    history = out / "history.csv"
    return len(history.read_text().splitlines()) - 1 if history.exists() else 0


def killed(data: Path, out: Path, kill: Kill) -> int:
    """Start or resume a training and kill it; return how many epochs were done then."""
    process = subprocess.Popen(
        command(*begin_or_resume(data, out)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while epochs_in(out) < kill.epochs and process.poll() is None:
        time.sleep(0.005)
    time.sleep(kill.seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return epochs_in(out)


def test_twenty_kills_change_nothing(small_folder: Path, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    reference = tmp_path / "reference"
    finish(start_arguments(small_folder, reference))
    expected = content(reference)
    with (reference / "history.csv").open() as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    plans = [planned(rng, seconds) for _ in range(KILLS // KILLS_EACH)]

    def attempt(number: int) -> tuple[list[int], bool]:
        out = tmp_path / f"run-{number}"
        done = [killed(small_folder, out, kill) for kill in plans[number]]
        finish(begin_or_resume(small_folder, out))
        return done, content(out) == expected

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(attempt, range(len(plans))))
    assert all(equal for _, equal in results), f"seed {seed}: {plans}, {results}"
    # The kills must really have hit trainings in progress, or this test proves nothing.
    hits = sum(0 < epochs < len(seconds) for done, _ in results for epochs in done)
    assert hits >= KILLS // 3, results
