"""Steps as programs of their own, the schedule of the rate, and batches that are not whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from breaking import StopAfter

from inkdigits.data.dataset import Dataset, Examples
from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.models.cnn import build_cnn
from inkdigits.training.adjustable import numbers_of
from inkdigits.training.augment_recipe import AugmentRecipe
from inkdigits.training.checkpoint import StateKeeper, all_variables, load_state, restore
from inkdigits.training.loop import (
    compile_epoch,
    compile_model,
    fit,
    has_convolution,
    in_batches,
    shuffled,
    trained_variables,
)
from inkdigits.training.optimizer import make_optimizer
from inkdigits.training.recipe import TrainingRecipe

set_up_keras()
jax = pytest.importorskip("jax", reason="the compiled loop is JAX's")

AUGMENT = AugmentRecipe(rotation=10.0, shift=1.0, elastic=0.5, pen=0.5, noise=0.1)
RESUMED = TrainingRecipe(
    batch_size=32, epochs=4, schedule="cosine", warmup=0.25, weight_decay=0.01, augment=AUGMENT
)


def new_model(kind: str, recipe: TrainingRecipe, n: int) -> keras.Model:
    model = build_ann((8,), 0.2, 1) if kind == "ann" else build_cnn((2, 4), (2, 1), 0.2, 1)
    compile_model(model, recipe, n)
    return model


def weights(model: keras.Model) -> list[np.ndarray]:
    return [np.asarray(v.value) for v in all_variables(model)]


def test_a_convolution_is_seen() -> None:
    assert has_convolution(build_cnn((2,), (1,)))
    assert not has_convolution(build_ann((2,)))


def test_an_epoch_of_the_cnn_equals_keras_step_by_step(small: Dataset) -> None:
    """Weights, and the moving statistics of batch normalisation."""
    recipe, n = TrainingRecipe(batch_size=32, learning_rate=0.01), 96
    ours, theirs = (build_cnn((2, 4), (2, 1)) for _ in range(2))
    for model in (ours, theirs):
        compile_model(model, recipe, n)
    images, labels = small.train.images[:n], small.train.labels[:n].astype(np.int32)
    key = jax.random.key(11)
    values = [[v.value for v in group] for group in trained_variables(ours)]
    values, mean_loss, accuracy = compile_epoch(ours, recipe, n)(
        values, numbers_of(ours), images, labels, key
    )
    losses, hits = [], []
    for chosen in np.asarray(shuffled(key, n)).reshape(-1, 32):
        pixels = images[chosen].astype(np.float32)
        logs = theirs.train_on_batch(pixels, labels[chosen], return_dict=True)
        theirs.reset_metrics()
        losses.append(float(logs["loss"]))
        hits.append(float(logs["accuracy"]))
    for group, others in zip(values, trained_variables(theirs), strict=True):
        for mine, other in zip(group, others, strict=True):
            np.testing.assert_allclose(mine, other.numpy(), atol=2e-4, err_msg=other.path)
    assert float(mean_loss) == pytest.approx(np.mean(losses), abs=1e-4)
    assert float(accuracy) == pytest.approx(np.mean(hits), abs=1e-6)
    # The program works on a copy: what it gave away was not the model's own memory.
    assert all(np.isfinite(array).all() for array in weights(ours))


@pytest.mark.parametrize(("n", "size"), [(12, 4), (10, 4), (5, 4), (9, 8), (3, 3), (1, 1)])
def test_the_last_batch_is_filled_with_examples_that_do_not_count(n: int, size: int) -> None:
    order = np.random.default_rng(n).permutation(n)
    rows, counts = (np.asarray(part) for part in in_batches(jax.numpy.asarray(order), size))
    assert rows.shape == counts.shape == (-(-n // size), size)
    assert counts.sum() == n
    np.testing.assert_array_equal(rows[counts == 1], order)
    # Batch normalisation sees them: each is another example of the same epoch.
    fillers = rows[counts == 0]
    np.testing.assert_array_equal(fillers, order[: len(fillers)])


def test_batch_statistics_of_a_partial_batch_are_those_of_digits(small: Dataset) -> None:
    """One bright example at index 0 must not fill the last batch of every epoch."""
    images = small.train.images[:33].copy()
    images[0] = 255
    labels = small.train.labels[:33].astype(np.int32)
    recipe = TrainingRecipe(batch_size=32, learning_rate=1e-7)
    model = build_cnn((2,), (1,))
    compile_model(model, recipe, 33)
    key = next(k for k in map(jax.random.key, range(20)) if 0 < list(shuffled(k, 33)).index(0) < 31)
    values = [[v.value for v in group] for group in trained_variables(model)]
    (_, (moving_mean, _), _), _, _ = compile_epoch(model, recipe, 33)(
        values, numbers_of(model), images, labels, key
    )
    value: Any = images.astype(np.float32)
    for layer in model.layers[:3]:
        value = layer(value)
    features = np.asarray(value).mean(axis=(1, 2))
    order = np.asarray(shuffled(key, 33))
    first, second = features[order[:32]].mean(0), features[np.r_[order[32:], order[:31]]].mean(0)
    expected = 0.98 * 0.02 * first + 0.02 * second
    np.testing.assert_allclose(moving_mean, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["ann", "cnn"])
def test_resume_with_schedule_and_distortion_is_bit_identical(
    small: Dataset, tmp_path: Path, kind: str
) -> None:
    train, val = small.train[:80], small.train[80:120]
    unbroken = new_model(kind, RESUMED, 80)
    rates: list[float] = []
    log = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(logs["learning_rate"])
    )
    fit(unbroken, train, val, RESUMED, [log])

    path = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        callbacks = [StateKeeper(path, [], None), StopAfter(2)]
        fit(new_model(kind, RESUMED, 80), train, val, RESUMED, callbacks)
    state, second = load_state(path), new_model(kind, RESUMED, 80)
    restore(state, second)
    fit(second, train, val, RESUMED, [], first_epoch=state.epoch)
    for mine, other in zip(weights(second), weights(unbroken), strict=True):
        np.testing.assert_array_equal(mine, other)
    # 12 steps, 3 of them warm-up: a full rate after the first epoch, then half a cosine to 0.
    expected = [0.001 * (1 + np.cos(np.pi * epoch / 3)) / 2 for epoch in range(4)]
    np.testing.assert_allclose(rates, expected, atol=1e-8)


def test_distortion_differs_between_epochs_and_seeds(small: Dataset) -> None:
    train = Examples(small.train.images[:32], small.train.labels[:32])
    found = []
    for seed, augment in ((0, AUGMENT), (0, AUGMENT), (1, AUGMENT), (0, AugmentRecipe())):
        # One whole batch and no dropout: the order does not matter, distortion alone does.
        recipe = TrainingRecipe(batch_size=32, epochs=1, seed=seed, augment=augment)
        model = build_ann((8,), 0.0, 1)
        compile_model(model, recipe, 32)
        fit(model, train, train, recipe, [])
        found.append(np.concatenate([array.ravel() for array in model.get_weights()]))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2], atol=1e-5)
    assert not np.allclose(found[0], found[3], atol=1e-5)


def rate_at(optimizer: keras.optimizers.Optimizer, step: int) -> float:
    optimizer.iterations.assign(step)
    return float(optimizer.learning_rate)


def test_the_schedule_warms_up_and_falls_to_nothing() -> None:
    recipe = TrainingRecipe(
        learning_rate=0.01, schedule="cosine", warmup=0.2, batch_size=10, epochs=5
    )
    optimizer = make_optimizer(recipe, 195)  # 20 steps an epoch, the last of them partial
    assert rate_at(optimizer, 0) == 0
    assert rate_at(optimizer, 10) == pytest.approx(0.005)
    assert rate_at(optimizer, 20) == pytest.approx(0.01)
    assert rate_at(optimizer, 60) == pytest.approx(0.005)
    assert 0 < rate_at(optimizer, 99) < 1e-5
    assert rate_at(optimizer, 100) == pytest.approx(0, abs=1e-9)


def test_the_schedule_without_warm_up_starts_at_the_rate() -> None:
    recipe = TrainingRecipe(learning_rate=0.01, schedule="cosine", batch_size=10, epochs=1)
    optimizer = make_optimizer(recipe, 100)
    assert rate_at(optimizer, 0) == pytest.approx(0.01)
    assert rate_at(optimizer, 10) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("n", [1, 10, 30])
def test_hardly_any_steps_leave_one_to_fall_in(n: int) -> None:
    recipe = TrainingRecipe(schedule="cosine", warmup=0.99, batch_size=10, epochs=1)
    assert 0 <= rate_at(make_optimizer(recipe, n), 0) <= 0.00101


def test_weights_decay_and_biases_do_not() -> None:
    recipe = TrainingRecipe(weight_decay=0.1, learning_rate=0.5)
    model: Any = build_cnn((2,), (1,))
    compile_model(model, recipe, 10)
    before = [np.asarray(v.value) for v in model.trainable_variables]
    model.optimizer.apply([np.zeros(v.shape, np.float32) for v in model.trainable_variables])
    for variable, old in zip(model.trainable_variables, before, strict=True):
        shrunk = 0.95 if variable.name == "kernel" else 1.0
        np.testing.assert_allclose(variable.numpy(), shrunk * old, rtol=1e-5)
