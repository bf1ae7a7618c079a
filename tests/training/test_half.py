"""Weights rounded to float16: the artefact has half the size, and all files say the same."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import UsageError
from inkdigits.models.backend import set_up_keras
from inkdigits.models.cnn import build_cnn
from inkdigits.models.ensemble import merge
from inkdigits.models.export import export_onnx
from inkdigits.models.half import folded, halved, is_half, rounded
from inkdigits.models.members import members_in
from inkdigits.models.metadata import digit_metadata
from inkdigits.models.predict import make_predictor
from inkdigits.models.saved import save_model
from inkdigits.reading.engine import Engine
from inkdigits.training.ensemble import networks_of
from inkdigits.training.network import as_saved, build_full
from inkdigits.training.recipe import Recipe, load_recipe

set_up_keras()
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
SHAPE = ["model.filters=[16,24]", "model.depth=[2,2]", "save.weights='float16'"]


def trained(model: keras.Model) -> keras.Model:
    """`model` with statistics and scales such as training leaves."""
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            drawn = [rng.uniform(0.5, 2, shape), *rng.normal(size=(2, *shape))]
            layer.set_weights([*drawn, rng.uniform(0.1, 3, shape)])
    return model


def small(pooled: bool = False) -> keras.Model:
    return trained(build_cnn((16, 24), (2, 2), 0.2, seed=1, pooled=pooled))


@pytest.mark.parametrize("pooled", [True, False])
def test_folded_it_says_the_same(pooled: bool) -> None:
    model = small(pooled)
    bare = folded(model)
    kinds = {type(layer).__name__ for layer in bare.layers}
    assert "BatchNormalization" not in kinds and "Dropout" in kinds
    expected = make_predictor(model)(IMAGES)
    np.testing.assert_allclose(make_predictor(bare)(IMAGES), expected, atol=1e-5)
    np.testing.assert_array_equal(
        make_predictor(folded(bare))(IMAGES), make_predictor(bare)(IMAGES)
    )


def test_halved_it_says_nearly_the_same_with_weights_that_a_float16_holds() -> None:
    model = small()
    half = halved(model)
    assert all(is_half(array) for array in half.get_weights())
    assert not all(is_half(array) for array in folded(model).get_weights())
    expected = make_predictor(model)(IMAGES)
    found = make_predictor(half)(IMAGES)
    assert 0 < np.abs(found - expected).max() < 0.01


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1))
def test_rounding_is_to_the_nearest_and_rounds_nothing_twice(values: list[float]) -> None:
    array = np.array(values, np.float32)
    once = rounded(array)
    assert np.isfinite(once).all()
    np.testing.assert_array_equal(rounded(once), once)
    inside = np.abs(array) <= 65504
    error = np.abs(once[inside].astype(np.float64) - array[inside])
    assert (error <= np.maximum(np.abs(array[inside]) * 2.0**-11, 2.0**-25)).all()


def test_its_artefact_is_half_as_large_and_loses_nothing(tmp_path: Path) -> None:
    half = merge([halved(small())], [1.0], 3)
    full = merge([folded(small())], [1.0], 3)
    path = tmp_path / "half.onnx"
    path.write_bytes(export_onnx(half, digit_metadata()))
    large = export_onnx(full, digit_metadata())
    weights = 4 * folded(small()).count_params()
    assert len(large) - path.stat().st_size == pytest.approx(weights / 2, rel=0.05)
    stored = onnx.load(path).graph.initializer
    assert {one.data_type for one in stored if one.name.endswith(".half")} == {10}
    said = Engine(path).predict_proba(IMAGES)
    np.testing.assert_allclose(said, make_predictor(half)(IMAGES), atol=1e-5)
    (member,) = members_in(path)
    alone = merge([member], [1.0], 3)
    np.testing.assert_array_equal(make_predictor(alone)(IMAGES), make_predictor(half)(IMAGES))


def test_a_recipe_asks_for_it_and_its_run_is_a_candidate(tmp_path: Path) -> None:
    recipe = load_recipe("cnn").override(SHAPE)
    network = trained(build_full(recipe))
    saved = as_saved(network, recipe, 100)
    kernels = [one.get_weights()[0] for one in saved.layers if "Conv2D" in type(one).__name__]
    assert len(kernels) == 4
    assert all(is_half(kernel) for kernel in kernels)
    save_model(saved, tmp_path / "model.keras")
    (tmp_path / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    (found,) = networks_of(str(tmp_path))
    again = merge([found], [1.0], recipe.model.views)
    np.testing.assert_array_equal(make_predictor(again)(IMAGES), make_predictor(saved)(IMAGES))


@pytest.mark.parametrize("change", ["save.weights='int8'", "model.kind='ann'"])
def test_only_a_cnn_and_only_so(change: str) -> None:
    with pytest.raises(UsageError, match=r"save\.weights"):
        Recipe("mine").override(["model.kind='cnn'", "save.weights='float16'", change])
