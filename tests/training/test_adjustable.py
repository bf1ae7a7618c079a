"""Numbers that are inputs of the compiled epoch: other values, no new compilation, same result."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from inkdigits.data.dataset import Dataset
from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.training.adjustable import exchanged, numbers_of
from inkdigits.training.checkpoint import all_variables
from inkdigits.training.loop import compile_model, compile_training, fit
from inkdigits.training.recipe import TrainingRecipe

set_up_keras()
jax = pytest.importorskip("jax", reason="the compiled loop is JAX's")

FIRST = TrainingRecipe(
    batch_size=32, epochs=2, schedule="cosine", warmup=0.3, weight_decay=0.1, learning_rate=0.01
)
SECOND = TrainingRecipe(
    batch_size=32, epochs=3, schedule="cosine", warmup=0.1, weight_decay=0.3, learning_rate=0.003,
    seed=4,
)  # fmt: skip


def new_model(recipe: TrainingRecipe, dropout: float) -> keras.Model:
    model = build_ann((8, 4), dropout, recipe.seed)
    compile_model(model, recipe, 100)
    return model


def values_of(model: keras.Model) -> list[Any]:
    return [np.asarray(variable.value) for variable in all_variables(model)]


def test_the_programs_of_another_training_give_the_same_result(small: Dataset) -> None:
    train, val = small.train[:100], small.train[100:150]
    other = new_model(FIRST, 0.2)
    programs = compile_training(other, FIRST, 100)
    fit(other, train, val, FIRST, [], compiled=programs)
    reused, own = new_model(SECOND, 0.6), new_model(SECOND, 0.6)
    fit(reused, train, val, SECOND, [], compiled=programs)
    fit(own, train, val, SECOND, [])
    for mine, expected in zip(values_of(reused), values_of(own), strict=True):
        np.testing.assert_array_equal(mine, expected)
    # Both trainings went through one compilation of each program.
    assert programs.epoch._cache_size() == programs.forward._cache_size() == 1


def test_each_number_is_what_keras_computes_with(small: Dataset) -> None:
    """One whole batch, no dropout: the step equals Keras's own with the same decay and schedule."""
    recipe = TrainingRecipe(
        batch_size=64, epochs=1, schedule="cosine", weight_decay=0.2, learning_rate=0.02
    )
    train = small.train[:64]
    ours, theirs = (build_ann((8,), 0.0, 1) for _ in range(2))
    for model in (ours, theirs):
        compile_model(model, recipe, 64)
    start = [array.copy() for array in theirs.get_weights()]
    fit(ours, train, train, recipe, [])
    theirs.train_on_batch(train.images.astype(np.float32), train.labels.astype(np.int32))
    for mine, other, old in zip(ours.get_weights(), theirs.get_weights(), start, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
        assert np.abs(mine - old).max() > 1e-3


def test_the_model_has_its_own_numbers_back() -> None:
    model = new_model(FIRST, 0.25)
    before = numbers_of(model)
    assert before[:2] == [0.25, 0.25]
    assert {0.1, 0.01} <= set(before)
    with pytest.raises(ZeroDivisionError), exchanged(model, [0.5] * len(before)):
        assert model.optimizer.weight_decay == 0.5
        raise ZeroDivisionError
    assert numbers_of(model) == before
    assert model.get_layer("dropout_1").get_config()["rate"] == 0.25
