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
from inkdigits.models.cnn import build_cnn
from inkdigits.training.augment import augment
from inkdigits.training.augment_recipe import AugmentRecipe
from inkdigits.training.checkpoint import StateKeeper, all_variables, load_state, restore
from inkdigits.training.draws import TensorFlowDraws
from inkdigits.training.loop import compile_model, fit
from inkdigits.training.material import Material
from inkdigits.training.recipe import TrainingRecipe

RECIPE = TrainingRecipe(batch_size=64, epochs=5)
EVERYTHING = AugmentRecipe(15.0, 0.2, 0.2, 2.0, 1.0, 0.5, 0.5, 0.3, 0.1)


def inkdigits(*arguments: str | Path, backend: str) -> str:
    command = [sys.executable, "-m", "inkdigits", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": backend}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_this_is_the_tensorflow_backend() -> None:
    assert keras.backend.backend() == "tensorflow"


def test_model_trained_on_jax_scores_the_same_in_plain_keras(
    small: Dataset, small_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    inkdigits(
        "train", "ten-epochs", "--data", small_folder, "--out", out,
        "--set", "training.epochs=2", backend="jax",
    )  # fmt: skip
    expected = json.loads((out / "evaluation.json").read_text())
    images, labels = small.test.images.astype(np.float32), np.eye(10)[small.test.labels]
    assert expected["test_loss"] > 0.01
    for name in ("model.keras", "model.h5"):
        model = keras.saving.load_model(out / name)
        loss, accuracy = model.evaluate(images, labels, verbose=0, batch_size=1000)
        assert accuracy == pytest.approx(expected["test_accuracy"], abs=1e-7)
        assert loss == pytest.approx(expected["test_loss"], abs=1e-5)


def test_recipe_trains_through_fit(small_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    printed = inkdigits(
        "train", "early-stopping", "--data", small_folder, "--out", out,
        "--set", "training.epochs=12", "--set", "training.batch_size=32", backend="tensorflow",
    )  # fmt: skip
    assert printed.count("reloaded in a new process") == 3
    found = json.loads((out / "evaluation.json").read_text())
    assert found["test_accuracy"] > 0.95
    assert json.loads((out / "environment.json").read_text())["backend"] == "tensorflow"
    with (out / "history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12


def new_model() -> keras.Model:
    model = build_ann((16,), 0.3, 1)
    compile_model(model, RECIPE, 900)
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


def test_distortion_is_the_same_for_the_same_seed(small: Dataset) -> None:
    images = small.train.images[:5]
    first, same, other = (
        np.asarray(augment(TensorFlowDraws(np.array([0, step], np.int32)), images, EVERYTHING))
        for step in (1, 1, 2)
    )
    assert (first.shape, first.dtype) == ((5, 28, 28), np.float32)
    assert 0 <= first.min() <= first.max() <= 255
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)
    draws = TensorFlowDraws(np.array([0, 1], np.int32))
    assert not np.allclose(draws.uniform((9,)), draws.uniform((9,)))
    np.testing.assert_array_equal(augment(draws, images, AugmentRecipe()), images)


def test_whole_pixels_are_exact_here_too(small: Dataset) -> None:
    """255 in the highest byte of a word is the sign of an int32."""
    images = np.full((2, 28, 28), 255, np.uint8)
    draws = TensorFlowDraws(np.array([0, 1], np.int32))
    found = np.asarray(augment(draws, images, AugmentRecipe(shift=0.001)))
    np.testing.assert_allclose(found[:, 1:-1, 1:-1], 255, atol=1e-3)


def test_a_distorted_run_learns_and_repeats(small: Dataset) -> None:
    light = AugmentRecipe(rotation=3.0, shift=0.3, elastic=0.2, noise=0.05)
    recipe = TrainingRecipe(
        batch_size=64, epochs=6, schedule="cosine", learning_rate=0.01, warmup=0.1, augment=light
    )
    train, val = split_val(small.train, 0.1)
    runs = []
    for _ in range(2):
        model = build_ann((16,), 0.0, 1)
        compile_model(model, recipe, len(train))
        history = keras.callbacks.History()
        fit(model, train, val, recipe, [history])
        runs.append((model.get_weights(), history.history))
    for mine, other in zip(runs[0][0], runs[1][0], strict=True):
        np.testing.assert_array_equal(mine, other)
    logs = runs[0][1]
    assert logs["val_accuracy"][-1] > 0.9
    assert logs["learning_rate"][-1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("soft", [False, True], ids=["labels", "probabilities"])
def test_an_eleventh_class_is_learnt_here_too(small: Dataset, soft: bool) -> None:
    """Val holds digits alone; its labels must fit the network's eleven outputs all the same."""
    labels = small.train.labels[:64].copy()
    labels[:8] = 10
    loss = "categorical_crossentropy" if soft else "sparse_categorical_crossentropy"
    train = Material(
        small.train.images[:64], np.eye(11, dtype=np.float32)[labels] if soft else labels
    )
    recipe = TrainingRecipe(loss=loss, batch_size=48, epochs=1, augment=EVERYTHING)
    model = build_cnn((2,), (1,), classes=11)
    compile_model(model, recipe, 64)
    history = keras.callbacks.History()
    fit(model, train, small.train[64:128], recipe, [history])
    assert np.isfinite(history.history["val_loss"][0])
