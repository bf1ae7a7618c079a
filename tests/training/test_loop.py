"""The compiled epoch against Keras's own arithmetic, and what callbacks see of it."""

import keras
import numpy as np
import pytest

from inkdigits.data.dataset import Dataset, split_val
from inkdigits.errors import TrainingFailed
from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.models.predict import make_predictor
from inkdigits.training.adjustable import numbers_of
from inkdigits.training.loop import compile_epoch, compile_model, fit, labels_for, shuffled
from inkdigits.training.recipe import LOSSES, TrainingRecipe

set_up_keras()
jax = pytest.importorskip("jax", reason="the compiled loop is JAX's")


def model_for(recipe: TrainingRecipe, dropout: float = 0.0, n: int = 900) -> keras.Model:
    model = build_ann((32, 16), dropout, recipe.seed)
    compile_model(model, recipe, n)
    return model


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n", [256, 300], ids=["whole batches", "partial last batch"])
def test_one_epoch_equals_keras_step_by_step(small: Dataset, loss: str, n: int) -> None:
    """The same batches through Keras's own train_on_batch end in the same weights."""
    recipe = TrainingRecipe(loss=loss, batch_size=64, seed=3)
    ours, theirs = model_for(recipe), model_for(recipe)
    images, labels = small.train.images[:n], labels_for(loss, small.train.labels[:n])
    key = jax.random.key(11)
    order = np.asarray(shuffled(key, n))
    values = [
        [v.value for v in group]
        for group in (
            ours.trainable_variables,
            ours.non_trainable_variables,
            ours.optimizer.variables,
        )
    ]
    (trained, _, optimizer), mean_loss, accuracy = compile_epoch(ours, recipe, n)(
        values, numbers_of(ours), images, labels, key
    )
    seen = []
    for start in range(0, n, 64):
        chosen = order[start : start + 64]
        logs = theirs.train_on_batch(
            images[chosen].astype(np.float32), labels[chosen], return_dict=True
        )
        seen.append((len(chosen), float(logs["loss"]), float(logs["accuracy"])))
    expected_loss, expected_accuracy = np.average(
        [row[1:] for row in seen], axis=0, weights=[row[0] for row in seen]
    )
    for mine, other in zip(trained, theirs.trainable_variables, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), atol=2e-5)
    assert float(mean_loss) == pytest.approx(expected_loss, abs=1e-4)
    assert float(accuracy) == pytest.approx(expected_accuracy, abs=1e-4)
    assert int(optimizer[0]) == -(-n // 64)


@pytest.mark.parametrize("n", [1, 2, 1000])
def test_shuffled_is_a_permutation_that_the_key_decides(n: int) -> None:
    first = np.asarray(shuffled(jax.random.key(0), n))
    assert sorted(first.tolist()) == list(range(n))
    assert np.array_equal(first, shuffled(jax.random.key(0), n))
    if n > 2:
        assert not np.array_equal(first, shuffled(jax.random.key(1), n))


def test_dropout_differs_between_steps_and_seeds(small: Dataset) -> None:
    recipe = TrainingRecipe(batch_size=64, epochs=1)
    train, val = split_val(small.train, 0.1)
    weights = []
    for dropout in (0.0, 0.5):
        model = model_for(recipe, dropout)
        before = [v.numpy().copy() for v in model.non_trainable_variables]
        fit(model, train, val, recipe, [])
        weights.append(model.get_weights()[0])
        after = [v.numpy() for v in model.non_trainable_variables]
        # The seed generators' counters move on inside the compiled epoch.
        assert all((a != b).any() for a, b in zip(before, after, strict=True))
    assert not np.allclose(weights[0], weights[1])


def test_learns_and_logs_what_keras_names(small: Dataset) -> None:
    recipe = TrainingRecipe(batch_size=32, epochs=8)
    train, val = split_val(small.train, 0.1)
    model = model_for(recipe)
    seen: list[dict[str, float]] = []
    log = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    fit(model, train, val, recipe, [log])
    assert len(seen) == 8
    assert set(seen[0]) == {
        "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds",
    }  # fmt: skip
    assert seen[-1]["val_accuracy"] > 0.9
    assert seen[-1]["loss"] < seen[0]["loss"]
    predicted = make_predictor(model)(val.images)
    keras_loss, keras_accuracy = model.evaluate(
        val.images.astype(np.float32), val.labels.astype(np.int32), verbose=0
    )
    assert seen[-1]["val_loss"] == pytest.approx(keras_loss, abs=1e-5)
    assert seen[-1]["val_accuracy"] == pytest.approx(keras_accuracy)
    assert (predicted.argmax(1) == val.labels).mean() == pytest.approx(keras_accuracy)


def test_keras_own_callbacks_work_unchanged(small: Dataset) -> None:
    recipe = TrainingRecipe(batch_size=64, epochs=12, learning_rate=0.003)
    train, val = split_val(small.train, 0.1)
    model = model_for(recipe)
    rates: list[float] = []
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch else rate),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: rates.append(logs["learning_rate"])
        ),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, min_delta=10.0),
    ]
    fit(model, train, val, recipe, callbacks)
    # min_delta=10 is never met after the first epoch, so patience 2 ends it after the third.
    np.testing.assert_allclose(rates, [0.003, 0.0015, 0.00075], rtol=1e-6)


def test_best_weights_are_restored(small: Dataset) -> None:
    recipe = TrainingRecipe(batch_size=64, epochs=6)
    train, val = split_val(small.train, 0.1)
    model = model_for(recipe)
    kept: list[list[np.ndarray]] = []
    callbacks = [
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: kept.append(model.get_weights())
        ),
        # With mode="max" the loss is "best" in the first epoch, so its weights come back.
        keras.callbacks.EarlyStopping(
            "val_loss", mode="max", patience=3, restore_best_weights=True
        ),
    ]
    fit(model, train, val, recipe, callbacks)
    assert len(kept) == 4
    for found, best in zip(model.get_weights(), kept[0], strict=True):
        np.testing.assert_array_equal(found, best)


def test_a_loss_that_is_no_number_ends_the_training(small: Dataset) -> None:
    recipe = TrainingRecipe(batch_size=64, epochs=5, learning_rate=1e30)
    train, val = split_val(small.train, 0.1)
    with pytest.raises(TrainingFailed, match=r"loss became nan .* epoch") as caught:
        fit(model_for(recipe), train, val, recipe, [])
    assert "Lower training.learning_rate (now 1e+30)" in caught.value.hint


def test_batch_larger_than_the_data(small: Dataset) -> None:
    recipe = TrainingRecipe(batch_size=5000, epochs=1)
    train, val = split_val(small.train, 0.1)
    fit(model_for(recipe), train, val, recipe, [])
