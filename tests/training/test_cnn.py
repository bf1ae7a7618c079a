"""The convolutional network, its files and its precision."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from inkdigits.data.dataset import Dataset
from inkdigits.models.backend import set_up_keras
from inkdigits.models.cnn import build_cnn
from inkdigits.models.predict import make_class_predictor, make_predictor
from inkdigits.models.saved import load_model, save_model
from inkdigits.training import precision
from inkdigits.training.loop import compile_model, fit
from inkdigits.training.material import Material
from inkdigits.training.network import as_saved, build_full, build_model
from inkdigits.training.precision import number_format
from inkdigits.training.recipe import load_recipe

set_up_keras()
jax = pytest.importorskip("jax", reason="gradients are taken with JAX")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)


def test_the_network_is_what_its_settings_say() -> None:
    model = build_cnn((3, 5), (2, 1), 0.5, classes=11)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(c.filters, c.kernel_size, c.strides) for c in convolutions] == [
        (3, (5, 5), (2, 2)), (3, (3, 3), (1, 1)), (5, (2, 2), (2, 2)),
    ]  # fmt: skip
    assert model.output_shape == (None, 11)
    first, same, other = (build_cnn((3,), (1,), seed=seed).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_saved_and_loaded_gives_the_same_bits(tmp_path: Path, kind: str) -> None:
    model = build_cnn((2, 4), (2, 1), 0.2, classes=11)
    path = tmp_path / f"model.{kind}"
    save_model(model, path)
    loaded = load_model(path)
    for predictor in (make_predictor, make_class_predictor):
        np.testing.assert_array_equal(predictor(loaded)(IMAGES), predictor(model)(IMAGES))
    # Plain Keras opens it without this package's way to compute it.
    with np.errstate(all="ignore"):
        plain = keras.saving.load_model(path, compile=False)
    np.testing.assert_allclose(
        plain(IMAGES.astype(np.float32)), make_class_predictor(model)(IMAGES), atol=1e-5
    )
    assert [layer.name for layer in plain.layers] == [layer.name for layer in model.layers]


def test_digits_are_told_apart_also_where_none_is_seen() -> None:
    model = build_cnn((2,), (1,), classes=11)
    kernel, bias = model.layers[-1].get_weights()
    bias[10] = 500  # surely no digit: the ten share nothing that float32 could hold
    model.layers[-1].set_weights([kernel, bias])
    assert make_class_predictor(model)(IMAGES)[:, :10].max() == 0
    digits = make_predictor(model)(IMAGES)
    assert digits.shape == (20, 10)
    np.testing.assert_allclose(digits, 0.1, atol=1e-6)


def test_trained_in_bfloat16_it_is_handed_over_in_float32(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "has_accelerator", lambda: True)
    recipe = load_recipe("cnn").override(
        ["model.filters=[4,6]", "model.depth=[3,2]", "model.views=1", "training.epochs=1"]
    )
    assert recipe.model.precision == "bfloat16"
    model = build_model(recipe)
    compile_model(model, recipe.training, len(small.train))
    assert {layer.compute_dtype for layer in model.layers if "stage" in layer.name} == {"bfloat16"}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    val = small.train[:50]
    fit(model, Material(small.train.images, small.train.labels), val, recipe.training, [])
    full = as_saved(model, recipe, len(small.train))
    assert {layer.compute_dtype for layer in full.layers} == {"float32"}
    for mine, other in zip(full.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    rough, exact = make_predictor(model)(val.images), make_predictor(full)(val.images)
    assert 0 < np.abs(rough - exact).max() < 0.05


def test_trained_in_float64_it_is_handed_over_in_float32(small: Dataset) -> None:
    recipe = load_recipe("cnn").override(
        ["model.filters=[4,6]", "model.depth=[3,2]", "model.views=1", "model.precision='float64'"]
    )
    with number_format("float64"):
        model = build_model(recipe)
        compile_model(model, recipe.training, len(small.train))
        assert {layer.compute_dtype for layer in model.layers} == {"float64"}
        for wide, usual in zip(model.get_weights(), build_full(recipe).get_weights(), strict=True):
            np.testing.assert_array_equal(wide, usual)
        full = as_saved(model, recipe, len(small.train))
    assert {weight.dtype for weight in full.weights} == {"float32"}
    assert model.trainable_weights[0].dtype == "float64"
