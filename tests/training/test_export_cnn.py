"""Convolutions, an eleventh class and ensembles in ONNX, against Keras."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from inkdigits.artefact.metadata import NOT_A_DIGIT_NAME
from inkdigits.errors import ModelRefused
from inkdigits.evaluation.calibration import with_temperature
from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.models.cnn import build_cnn
from inkdigits.models.ensemble import STEEP, merge
from inkdigits.models.export import TRANSLATIONS, export_onnx
from inkdigits.models.metadata import digit_metadata
from inkdigits.models.predict import make_class_predictor, make_predictor
from inkdigits.models.saved import ALLOWED_LAYERS, LOOKING_LAYERS, load_model, save_model
from inkdigits.reading.engine import Engine

set_up_keras()
METADATA = digit_metadata()
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)


def trained_cnn(classes: int = 10, seed: int = 0, pooled: bool = True) -> keras.Model:
    """A network whose batch statistics are not those it was built with."""
    model = build_cnn((4, 6), (2, 2), 0.3, seed, classes, pooled=pooled)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            spread = [rng.uniform(0.5, 2, n), rng.normal(0, 0.3, n), rng.normal(0, 0.3, n)]
            layer.set_weights([*spread, rng.uniform(0.1, 2, n)])
    return model


def parity(model: keras.Model) -> float:
    found = Engine(export_onnx(model, METADATA)).predict_proba(IMAGES)
    assert found.shape == (len(IMAGES), 10)
    return float(np.abs(found - make_predictor(model)(IMAGES)).max())


@pytest.mark.parametrize("pooled", [True, False])
def test_parity_of_the_cnn(pooled: bool) -> None:
    model = trained_cnn(pooled=pooled)
    # Random weights whose answers are all alike would prove nothing.
    assert np.ptp(make_predictor(model)(IMAGES), axis=0).max() > 0.01
    assert parity(model) <= 1e-5


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_an_eleventh_class_becomes_an_output_of_its_own(temperature: float) -> None:
    model = trained_cnn(11)
    engine = Engine(export_onnx(model, replace(METADATA, temperature=temperature)))
    digits, not_a_digit = engine.predict_with_rejection(IMAGES)
    classes = make_class_predictor(model)(IMAGES)
    tempered = with_temperature(classes, temperature)
    np.testing.assert_allclose(not_a_digit, tempered[:, 10], atol=1e-5)
    among = tempered[:, :10] / tempered[:, :10].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(digits, among, atol=1e-5)
    np.testing.assert_allclose(
        digits, with_temperature(make_predictor(model)(IMAGES), temperature), atol=1e-5
    )
    assert NOT_A_DIGIT_NAME == "not_a_digit"


def test_parity_of_an_ensemble_also_after_a_reload(tmp_path: Any) -> None:
    members = [build_ann((8,), 0.3, 1), build_ann((6, 5), 0.0, 2), trained_cnn(seed=3)]
    model = merge([*members, trained_cnn(seed=4)], [0.25, 0.15, 0.35, 0.25])
    assert parity(model) <= 1e-5
    for kind in ("keras", "h5"):
        save_model(model, tmp_path / f"model.{kind}")
        loaded = load_model(tmp_path / f"model.{kind}")
        np.testing.assert_array_equal(make_predictor(loaded)(IMAGES), make_predictor(model)(IMAGES))
        assert parity(loaded) <= 1e-5


@pytest.mark.parametrize("pooled", [True, False])
def test_parity_of_several_views_that_share_their_weights(tmp_path: Any, pooled: bool) -> None:
    members = [trained_cnn(seed=3, pooled=pooled), trained_cnn(seed=4, pooled=pooled)]
    model = merge(members, [0.4, 0.6], views=5)
    assert parity(model) <= 1e-5
    weights = sum(member.count_params() for member in members)
    assert model.count_params() == weights + 2 * 5 * 10 * 10
    save_model(model, tmp_path / "model.keras")
    assert parity(load_model(tmp_path / "model.keras")) <= 1e-5


def test_an_ensemble_keeps_the_eleventh_class() -> None:
    model = merge([trained_cnn(11, 1), trained_cnn(11, 2)], [0.5, 0.5])
    _, not_a_digit = Engine(export_onnx(model, METADATA)).predict_with_rejection(IMAGES)
    np.testing.assert_allclose(not_a_digit, make_class_predictor(model)(IMAGES)[:, 10], atol=1e-5)


def surest_at_first_sight(member: keras.Model) -> np.ndarray:
    return np.asarray(make_class_predictor(member)(IMAGES).max(axis=1))


@pytest.mark.parametrize("classes", [10, 11])
def test_an_artefact_looks_again_only_where_it_is_in_doubt(tmp_path: Any, classes: int) -> None:
    members = [trained_cnn(classes, seed) for seed in (5, 6)]
    surest = surest_at_first_sight(members[0])
    order = np.sort(surest)
    alone = make_class_predictor(merge(members[:1], [1.0]))(IMAGES)
    together = make_class_predictor(merge(members, [0.5, 0.5], 5))(IMAGES)
    assert np.abs(alone - together).max() > 1e-3
    sure = {0: order[0] / 2, 5: (order[4] + order[5]) / 2, 12: (order[11] + 1) / 2}
    for doubtful, enough in sure.items():
        model = merge(members, [0.5, 0.5], 5, float(enough))
        in_doubt = surest < enough
        assert in_doubt.sum() == doubtful
        doubt = np.clip((enough - surest) * STEEP, 0, 1)[:, None]
        mixed = np.log(alone) + doubt * (np.log(together) - np.log(alone))
        wanted = np.exp(mixed) / np.exp(mixed).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(make_class_predictor(model)(IMAGES), wanted, atol=1e-5)
        assert parity(model) <= 1e-5
    for kind in ("keras", "h5"):
        save_model(model, tmp_path / f"model.{kind}")
        assert parity(load_model(tmp_path / f"model.{kind}")) <= 1e-5
    # Engines differ in the last digits of a probability, also where it is just sure enough.
    assert parity(merge(members, [0.5, 0.5], 5, float(order[6]))) <= 1e-5


def test_the_digits_of_a_first_look_are_those_that_all_members_know() -> None:
    members = [trained_cnn(11, 1), trained_cnn(10, 2)]
    assert merge(members, [0.5, 0.5], 2, 0.5).output_shape == (None, 10)
    assert parity(merge(members, [0.5, 0.5], 2, 0.5)) <= 1e-5


def test_same_network_gives_the_same_bytes() -> None:
    assert export_onnx(trained_cnn(), METADATA) == export_onnx(trained_cnn(), METADATA)


def test_everything_that_our_networks_hold_has_a_translation() -> None:
    # Inputs are no nodes of the graph, and how often to look is written for ONNX by itself.
    assert set(TRANSLATIONS) == ALLOWED_LAYERS - LOOKING_LAYERS - {"Activation", "InputLayer"}


LAYERS = keras.layers
TAIL = [LAYERS.GlobalAveragePooling2D, lambda: LAYERS.Dense(10, "softmax")]


@pytest.mark.parametrize(
    ("layers", "complaint"),
    [
        (lambda: [LAYERS.Conv2D(4, 1), LAYERS.Conv2D(4, 3, groups=2)], "only plain convolutions"),
        (lambda: [LAYERS.BatchNormalization()], "batch normalisation after Reshape"),
        (
            lambda: [
                LAYERS.Conv2D(2, 3, padding="same", activation="relu"),
                LAYERS.BatchNormalization(),
            ],
            "batch normalisation after Relu",
        ),
        (
            lambda: [LAYERS.Conv2D(2, 3, padding="same"), LAYERS.BatchNormalization(scale=False)],
            "needs scale and centre",
        ),
        (lambda: [LAYERS.ReLU(max_value=6)], "ReLU with a bound"),
        (lambda: [LAYERS.ReLU(negative_slope=0.1)], "ReLU with a bound or a slope"),
        (lambda: [LAYERS.Conv2D(2, 3, padding="same", activation="gelu")], "activation 'gelu'"),
        (lambda: [LAYERS.MaxPooling2D()], "MaxPooling2D layer cannot be exported"),
        (lambda: [LAYERS.Reshape((14, 56, 1))], r"reshape to \(14, 56, 1\)"),
        (lambda: [LAYERS.Flatten(), LAYERS.Reshape((28, 28, 1))], "Reshape after flattened"),
    ],
)
def test_what_cannot_be_exported_is_named(layers: Any, complaint: str) -> None:
    head = [keras.Input((28, 28)), LAYERS.Reshape((28, 28, 1))]
    model = keras.Sequential([*head, *layers(), *[make() for make in TAIL]])
    with pytest.raises(ModelRefused, match=complaint):
        export_onnx(model, METADATA)


def test_a_convolution_with_bias_and_odd_strides_is_exported() -> None:
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            LAYERS.Rescaling(1 / 127.5, offset=-1.0),
            LAYERS.Reshape((28, 28, 1)),
            LAYERS.Conv2D(3, 4, strides=3, padding="same", bias_initializer="ones"),
            LAYERS.BatchNormalization(),
            LAYERS.Conv2D(3, 2, padding="same", activation="relu"),
            LAYERS.Conv2D(4, 3, strides=2, padding="valid"),
            LAYERS.GlobalAveragePooling2D(),
            LAYERS.Dense(10, "softmax"),
        ]
    )
    assert parity(model) <= 1e-5
