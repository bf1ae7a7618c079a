"""The road from data to reading through the command line, on the real MNIST."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inkdigits.data.dataset import Dataset
from inkdigits.models.backend import set_up_keras

pytestmark = pytest.mark.mnist
EPOCHS = 4


def inkdigits(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "inkdigits", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def road(mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of `checkpointed` and what the command printed."""
    os.environ["INKDIGITS_DATA"] = str(mnist_folder)
    out = tmp_path_factory.mktemp("road") / "run"
    return out, inkdigits(
        "train", "checkpointed", "--out", out, "--set", f"training.epochs={EPOCHS}", "--seed", "1"
    )


def test_run_folder_holds_what_the_design_names(road: tuple[Path, str]) -> None:
    folder, printed = road
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {
        "recipe.toml", "environment.json", "history.csv", "model.keras", "model.h5", "model.onnx",
        "evaluation.json", "report.html", "state/latest.npz", "plots/confusion.png",
    } <= names  # fmt: skip
    assert {f"checkpoints/epoch-{n:03d}.keras" for n in range(1, EPOCHS + 1)} <= names
    assert not [name for name in names if "tmp" in name or name.endswith("reload.npz")]
    assert str(folder / "report.html") in printed
    assert printed.count("reloaded in a new process") == 3


def test_it_learns_as_published(road: tuple[Path, str]) -> None:
    folder, printed = road
    found = json.loads((folder / "evaluation.json").read_text())
    assert found["n"] == 10_000
    assert 0.965 < found["test_accuracy"] < 0.985
    assert found["train_accuracy"] > found["test_accuracy"]
    assert np.sum(found["confusion_matrix"]) == 10_000
    assert f"test {found['test_accuracy']:.2%}" in printed
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "epoch", "seconds", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate",
    ]  # fmt: skip
    assert [int(float(row["epoch"])) for row in rows] == list(range(1, EPOCHS + 1))


def test_tensorboard_shows_every_epoch(road: tuple[Path, str]) -> None:
    folder, _ = road
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    for split, prefix in (("train", ""), ("validation", "val_")):
        events = EventAccumulator(str(folder / "tensorboard" / split))
        events.Reload()
        seen = events.Scalars("epoch_loss")
        assert [event.step for event in seen] == list(range(EPOCHS))
        np.testing.assert_allclose(
            [event.value for event in seen],
            [float(row[f"{prefix}loss"]) for row in rows],
            rtol=1e-6,
        )


def test_every_checkpoint_is_a_model_of_its_epoch(road: tuple[Path, str], mnist: Dataset) -> None:
    folder, _ = road
    set_up_keras()
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    val = mnist.train[54_000:]
    for number in (1, EPOCHS):
        model = keras.saving.load_model(folder / "checkpoints" / f"epoch-{number:03d}.keras")
        _, accuracy = model.evaluate(
            val.images.astype(np.float32), val.labels.astype(np.int32), verbose=0, batch_size=1000
        )
        assert accuracy == pytest.approx(float(rows[number - 1]["val_accuracy"]), abs=1e-6)


@pytest.mark.parametrize("name", ["", "model.keras", "model.h5", "model.onnx"])
def test_evaluate_agrees_with_the_run(road: tuple[Path, str], name: str, tmp_path: Path) -> None:
    folder, _ = road
    report = tmp_path / "report.html"
    found = json.loads(inkdigits("evaluate", folder / name, "--json", "--report", report))
    expected = json.loads((folder / "evaluation.json").read_text())
    assert found["test_accuracy"] == expected["test_accuracy"]
    assert found["confusion_matrix"] == expected["confusion_matrix"]
    assert report.stat().st_size > 50_000


def test_export_equals_the_runs_own_artefact(road: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = road
    out = tmp_path / "exported.onnx"
    assert "parity" in inkdigits("export", folder, "-o", out)
    assert out.read_bytes() == (folder / "model.onnx").read_bytes()
    assert "parity" in inkdigits("export", folder / "model.h5", "-o", tmp_path / "from-h5.onnx")


def test_reads_digits_of_any_size_and_polarity(
    road: tuple[Path, str], mnist: Dataset, tmp_path: Path
) -> None:
    folder, _ = road
    expected = []
    for number, (image, label) in enumerate(
        zip(mnist.test.images[:40], mnist.test.labels[:40], strict=True)
    ):
        size = 28 if number % 4 == 0 else 60 + 17 * number
        page = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)
        page = page if number % 2 else 255 - page
        name = tmp_path / f"{number:02d}.{'jpg' if number % 3 else 'png'}"
        cv2.imwrite(str(name), page)
        expected.append(str(label))
    output = inkdigits(
        "read", "--json", "--model", folder / "model.onnx", *sorted(tmp_path.iterdir())
    )
    texts = [json.loads(line)["text"] for line in output.splitlines()]
    right = sum(text == label for text, label in zip(texts, expected, strict=True))
    assert right >= 38, list(zip(texts, expected, strict=True))


def test_inspect_draws_the_stages(road: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = road
    page = np.full((300, 200), 220, np.uint8)
    cv2.line(page, (100, 60), (95, 240), 40, 14)
    cv2.imwrite(str(tmp_path / "one.png"), page)
    out = tmp_path / "stages.png"
    inkdigits("inspect", tmp_path / "one.png", "-o", out, "--model", folder / "model.onnx")
    picture = cv2.imread(str(out))
    assert picture.shape[1] > 600


def test_untouched_mnist_loses_nothing_by_framing(
    road: tuple[Path, str], mnist: Dataset, tmp_path: Path
) -> None:
    """Reading original 28×28 images as pictures costs less than half a point of accuracy."""
    from inkdigits import Reader

    folder, _ = road
    reader = Reader(folder / "model.onnx")
    images, labels = mnist.test.images[:2000], mnist.test.labels[:2000]
    direct = reader.predict_proba(images).argmax(axis=1)
    read = [reader.read(image).text for image in images]
    framed = np.array([int(text) if text else -1 for text in read])
    assert (framed == labels).mean() > (direct == labels).mean() - 0.005
