"""What val tells an artefact: temperature, the curve, the threshold of no digit."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.data.dataset import Dataset
from inkdigits.evaluation.calibration import fit_temperature, with_temperature
from inkdigits.models.backend import set_up_keras
from inkdigits.models.metadata import digit_metadata
from inkdigits.models.predict import make_predictor
from inkdigits.reading.engine import Engine
from inkdigits.training import recipe as recipes
from inkdigits.training.calibrate import LOST_DIGITS, calibrate, rejection_threshold
from inkdigits.training.run import train

set_up_keras()


def sure_model(classes: int, bias_of_none: float = 0.0) -> keras.Model:
    """A linear network that knows the bars of `small` from their rows, and is far too sure."""
    kernel = np.zeros((28, 28, classes), np.float32)
    for label in range(10):
        kernel[4 + 2 * label : 6 + 2 * label, 4:24, label] = 1.0
    kernel += np.random.default_rng(0).normal(scale=0.5, size=kernel.shape)
    bias = np.zeros(classes, np.float32)
    bias[10:] = bias_of_none
    model = keras.Sequential(
        [
            keras.Input((28, 28), name="images"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(classes, "softmax"),
        ]
    )
    model.set_weights([kernel.reshape(784, classes), bias])
    return model


def test_temperature_and_curve_are_those_of_val(small: Dataset) -> None:
    model, val = sure_model(10), small.train[:200]
    found = calibrate(digit_metadata(), model, val)
    probabilities = make_predictor(model)(val.images)
    assert found.temperature == pytest.approx(fit_temperature(probabilities, val.labels), rel=1e-3)
    assert found.val_n == 200
    tempered = with_temperature(probabilities, found.temperature)
    wrong = int((tempered.argmax(axis=1) != val.labels).sum())
    _, accepted, errors = found.val_curve[-1]
    assert accepted <= 200
    assert errors <= wrong
    assert found.not_a_digit_threshold == 1.0


def test_the_threshold_loses_at_most_its_share_of_val(small: Dataset) -> None:
    model, val = sure_model(11, 5.0), small.train[:400]
    found = calibrate(digit_metadata(), model, val)
    assert 0.05 <= found.not_a_digit_threshold <= 0.95
    assert found.temperature > 0


def test_a_network_that_is_sure_of_no_digit_can_be_calibrated(small: Dataset) -> None:
    """In float32 nothing is left for the ten digits: no division by it."""
    found = calibrate(digit_metadata(), sure_model(11, 1000.0), small.train[:50])
    assert np.isfinite(found.temperature)
    assert found.not_a_digit_threshold == 0.95


@given(
    n=st.integers(1, 2000),
    seed=st.integers(0, 99),
    power=st.floats(0.2, 8),
)
def test_rejection_threshold(n: int, seed: int, power: float) -> None:
    not_a_digit = np.random.default_rng(seed).uniform(size=n) ** power * 0.9
    threshold = rejection_threshold(not_a_digit)
    assert 0.05 <= threshold <= 0.95
    assert (not_a_digit > threshold).sum() <= LOST_DIGITS * n


@pytest.mark.parametrize("asked", [False, True])
def test_a_run_is_calibrated_where_its_recipe_says(
    small_folder: Path, tmp_path: Path, asked: bool
) -> None:
    settings = recipes.load_recipe("quickstart").override(
        ["training.epochs=1", 'save.formats=["onnx"]', f"save.calibrate={str(asked).lower()}",
         "model.hidden=[8]", "save.tensorboard=false"]
    )  # fmt: skip
    run = train(settings, out=tmp_path / "run", data=str(small_folder))
    metadata = Engine(run.folder / "model.onnx").metadata
    assert (metadata.temperature != 1.0) == asked
    assert metadata.val_n == (100 if asked else 0)
