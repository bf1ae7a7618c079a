"""Batches shared among devices: two virtual ones against one, and what is refused."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.cli.train import group_of
from inkdigits.errors import UsageError
from inkdigits.training.devices import Group

VIRTUAL = "--xla_force_host_platform_device_count=2"


def train(data: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "inkdigits", "train", "early-stopping", "--data", str(data)]
    # A batch that does not divide the images: the filling is shared out, too.
    command += ["--set", "training.epochs=2", "--set", "training.batch_size=96"]
    command += ["--set", "training.augment.rotation=10.0", *map(str, arguments)]
    env = os.environ | {"XLA_FLAGS": VIRTUAL}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)


def first_weights(folder: Path) -> NDArray[np.float64]:
    with np.load(folder / "state" / "latest.npz") as state:
        weights: NDArray[np.float64] = state["variable/0"]
    assert weights.dtype == np.float64
    return weights


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def shared(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two devices."""
    folder = tmp_path_factory.mktemp("shared") / "run"
    done = train(small_folder, "--out", folder, "--devices", "2")
    assert done.returncode == 0, done.stderr
    assert "training in float64" in done.stderr
    assert "all of it" in done.stdout
    return folder


def test_two_devices_train_as_one_does_without_the_option(
    small_folder: Path, shared: Path, tmp_path: Path
) -> None:
    """The same order, distortion and dropout; float32 against float64 is all that differs."""
    done = train(small_folder, "--out", tmp_path / "usual")
    assert done.returncode == 0, done.stderr
    assert "all of it" in done.stdout
    usual, exact = history(tmp_path / "usual"), history(shared)
    assert len(usual) == len(exact) == 2
    for mine, other in zip(usual, exact, strict=True):
        for name in ("loss", "val_loss", "val_accuracy"):
            assert float(mine[name]) == pytest.approx(float(other[name]), abs=1e-4)
    model = keras.saving.load_model(shared / "model.keras")
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}


def test_one_device_goes_on_where_two_were_stopped(
    small_folder: Path, shared: Path, tmp_path: Path
) -> None:
    """The run's recipe says float64, so that the number of devices does not show in the result."""
    one_epoch = ["--devices", "2", "--set", "training.epochs=1"]
    done = train(small_folder, "--out", tmp_path / "run", *one_epoch)
    assert done.returncode == 0, done.stderr
    recipe = tmp_path / "run" / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("epochs = 1", "epochs = 2"), encoding="utf-8")
    command = [sys.executable, "-m", "inkdigits", "train", "--resume", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    for mine, other in zip(history(tmp_path / "run"), history(shared), strict=True):
        for name in ("loss", "val_loss", "val_accuracy"):
            assert float(mine[name]) == pytest.approx(float(other[name]), abs=1e-12)
    # They add up in another order: the very same bits would mean that nothing was shared.
    apart = np.abs(first_weights(tmp_path / "run") - first_weights(shared)).max()
    assert 0 < apart < 1e-12


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--devices", "3"], "--devices must be 1–2, which JAX sees here (cpu), got 3."),
        (["--devices", "2", "--set", "training.batch_size=5"], "of the 2 devices, got 5"),
    ],
)  # fmt: skip
def test_what_cannot_be_shared(small_folder: Path, arguments: list[str], complaint: str) -> None:
    done = train(small_folder, *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("127.0.0.1:99", None, None), "go together, got 127.0.0.1:99, None, None"),
        (("127.0.0.1", 2, 0), "--coordinator must be HOST:PORT, got '127.0.0.1'"),
        ((":99", 2, 0), "--coordinator must be HOST:PORT, got ':99'"),
        (("host:99", 0, 0), "--processes must be 1 or more, got 0"),
        (("host:99", 2, 2), "--process must be 0–1, got 2"),
    ],
)
def test_groups_that_are_none(
    options: tuple[str | None, int | None, int | None], complaint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        group_of(*options)
    assert complaint in str(caught.value)


def test_options_make_a_group() -> None:
    assert group_of(None, None, None) is None
    assert group_of("host:99", 2, 1) == Group("host:99", 2, 1)
