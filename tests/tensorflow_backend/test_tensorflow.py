"""With TensorFlow below Keras: the same recipes, and files from JAX that open there.

Run by `make test-tensorflow`, in an environment of its own.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from breaking import StopAfter

from inkdigits.data.dataset import Dataset, split_val
from inkdigits.models.ann import build_ann
from inkdigits.training.checkpoint import StateKeeper, all_variables, load_state, restore
from inkdigits.training.loop import compile_model, fit
from inkdigits.training.recipe import TrainingRecipe

RECIPE = TrainingRecipe(batch_size=64, epochs=5)


def inkdigits(*arguments: str | Path, backend: str) -> str:
    command = [sys.executable, "-m", "inkdigits", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": backend}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_this_is_the_tensorflow_backend() -> None:
    assert keras.backend.backend() == "tensorflow"


@pytest.mark.mnist
def test_model_trained_on_jax_scores_the_same_in_plain_keras(
    mnist: Dataset, mnist_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    inkdigits(
        "train", "ten-epochs", "--data", mnist_folder, "--out", out,
        "--set", "training.epochs=2", backend="jax",
    )  # fmt: skip
    expected = json.loads((out / "evaluation.json").read_text())
    images, labels = mnist.test.images.astype(np.float32), np.eye(10)[mnist.test.labels]
    for name in ("model.keras", "model.h5"):
        model = keras.saving.load_model(out / name)
        loss, accuracy = model.evaluate(images, labels, verbose=0, batch_size=1000)
        assert accuracy == pytest.approx(expected["test_accuracy"], abs=1e-7)
        assert loss == pytest.approx(expected["test_loss"], abs=1e-5)


@pytest.mark.mnist
def test_recipe_trains_through_fit(mnist_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    printed = inkdigits(
        "train", "early-stopping", "--data", mnist_folder, "--out", out,
        "--set", "training.epochs=2", backend="tensorflow",
    )  # fmt: skip
    assert printed.count("reloaded in a new process") == 3
    found = json.loads((out / "evaluation.json").read_text())
    assert found["test_accuracy"] > 0.95
    assert json.loads((out / "environment.json").read_text())["backend"] == "tensorflow"
    with (out / "history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


def new_model() -> keras.Model:
    model = build_ann((16,), 0.3, 1)
    compile_model(model, RECIPE)
    return model


@pytest.mark.parametrize("broken_after", [1, 3])
def test_resume_is_bit_identical(small: Dataset, tmp_path: Path, broken_after: int) -> None:
    splits = split_val(small.train, 0.1)

    def stopping() -> list[keras.callbacks.Callback]:
        return [keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)]

    unbroken = new_model()
    fit(unbroken, *splits, RECIPE, stopping())
    path = tmp_path / "state.npz"
    first, callbacks = new_model(), stopping()
    keeper = StateKeeper(path, callbacks, None)
    with pytest.raises(KeyboardInterrupt):
        fit(first, *splits, RECIPE, [*callbacks, keeper, StopAfter(broken_after)])
    state = load_state(path)
    second, callbacks = new_model(), stopping()
    restore(state, second)
    keeper = StateKeeper(path, callbacks, state)
    fit(second, *splits, RECIPE, [*callbacks, keeper], first_epoch=state.epoch)
    for mine, other in zip(all_variables(second), all_variables(unbroken), strict=True):
        np.testing.assert_array_equal(np.asarray(mine.value), np.asarray(other.value))
