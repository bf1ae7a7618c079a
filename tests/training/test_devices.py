"""Batches shared among devices: two virtual ones against one, and what is refused."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_two_devices_train_to_the_same_val_loss_as_one(small_folder: Path, tmp_path: Path) -> None:
    for name, arguments in (("one", []), ("two", ["--devices", "2"])):
        done = train(small_folder, "--out", tmp_path / name, *arguments)
        assert done.returncode == 0, done.stderr
        assert "all of it" in done.stdout
    one, two = history(tmp_path / "one"), history(tmp_path / "two")
    assert len(one) == len(two) == 2
    for mine, other in zip(one, two, strict=True):
        for name in ("loss", "val_loss", "val_accuracy"):
            assert float(mine[name]) == pytest.approx(float(other[name]), abs=1e-4)
    # They add up in another order: the very same bits would mean that nothing was shared.
    assert [row["val_loss"] for row in one] != [row["val_loss"] for row in two]


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
