"""Muon on convolutions: its steps are orthogonal, and it learns faster than Adam."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from inkdigits.errors import UsageError
from inkdigits.models.cnn import build_cnn
from inkdigits.training.loop import compile_model
from inkdigits.training.optimizer import ConvolutionMuon, make_optimizer
from inkdigits.training.recipe import Recipe, TrainingRecipe


def kernel_step(optimizer: keras.optimizers.Optimizer, shape: tuple[int, ...]) -> np.ndarray:
    """Return the first step that `optimizer` takes on a kernel along a random gradient."""
    rng = np.random.default_rng(0)
    kernel = keras.Variable(np.zeros(shape, np.float32), name="kernel")
    optimizer.build([kernel])
    gradient = keras.ops.convert_to_tensor(rng.normal(size=shape).astype(np.float32))
    optimizer.apply([gradient], [kernel])
    return np.asarray(keras.ops.convert_to_numpy(kernel))


def test_a_step_is_orthogonal_and_as_large_as_adams() -> None:
    step = kernel_step(ConvolutionMuon(0.01, weight_decay=0.0), (3, 3, 16, 32))
    values = np.linalg.svd(step.reshape(-1, 32), compute_uv=False)
    # The quintic iteration brings all singular values near 1, it does not make them equal.
    assert values.max() / values.min() < 2.0
    adam = kernel_step(keras.optimizers.Adam(0.01), (3, 3, 16, 32))
    size, adams = (float(np.sqrt((s**2).mean())) for s in (step, adam))
    assert 0.1 * adams < size < adams


def test_the_first_layer_and_vectors_take_adams_steps() -> None:
    for shape in [(5, 5, 1, 8), (8,), (8, 10)]:
        ours = kernel_step(ConvolutionMuon(0.01, adam_weight_decay=0.0), shape)
        adams = kernel_step(keras.optimizers.Adam(0.01), shape)
        np.testing.assert_allclose(ours, adams, rtol=1e-4)


def test_a_recipe_chooses_it_and_it_lowers_the_loss() -> None:
    recipe = TrainingRecipe(optimizer="muon", learning_rate=0.02, weight_decay=0.01, epochs=1)
    assert isinstance(make_optimizer(recipe, 256), ConvolutionMuon)
    model = build_cnn((8, 16), (1, 2), seed=0)
    compile_model(model, recipe, 256)
    rng = np.random.default_rng(0)
    labels = np.arange(256) % 10
    images = rng.integers(0, 60, (256, 28, 28)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[4 : 6 + 2 * label, 4:24] = 255
    first = model.train_on_batch(images, labels)[0]
    last = [model.train_on_batch(images, labels)[0] for _ in range(30)][-1]
    assert last < first / 3


def test_an_unknown_optimizer_is_told() -> None:
    with pytest.raises(UsageError, match="adam or muon"):
        Recipe("x").override(["training.optimizer=sgd"])
