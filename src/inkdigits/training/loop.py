"""The one training loop.

On JAX an epoch, with its shuffling, is one compiled program over Keras's stateless API: a scan
over the steps. On other backends the same recipe runs through
`model.fit`. Keras's callbacks see the same calls at epoch level either way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Examples
from inkdigits.errors import TrainingFailed
from inkdigits.models.predict import make_predictor
from inkdigits.training.recipe import TrainingRecipe

Logs = dict[str, float]
# (variables, images, labels, key) → (variables, mean loss, accuracy)
EpochProgram = Callable[..., Any]


def compile_model(model: keras.Model, recipe: TrainingRecipe) -> None:
    """Give `model` the recipe's loss and optimizer, as Keras's own `compile` does."""
    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        loss=recipe.loss,
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)


def fit(
    model: keras.Model,
    train: Examples,
    val: Examples,
    recipe: TrainingRecipe,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    first_epoch: int = 0,
    stopped: bool = False,
) -> None:
    """Train a compiled `model` from `first_epoch` to the recipe's last epoch.

    With `stopped`, an earlier part of the training has ended it: callbacks get to finish only.

    The order of the examples in an epoch depends on the seed and the epoch number alone, so a
    resumed training sees what an unbroken one would have seen. Each epoch's logs hold loss,
    accuracy, val_loss, val_accuracy, learning_rate and seconds. Raises TrainingFailed when the
    loss is no longer a number.
    """
    if stopped or first_epoch >= recipe.epochs:
        calls = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=recipe.epochs)
        calls.on_train_begin()
        calls.on_train_end()
        return
    if keras.backend.backend() == "jax":
        fit_compiled(model, train, val, recipe, callbacks, first_epoch)
        return
    from inkdigits.training.keras_fit import fit_with_keras

    fit_with_keras(model, train, val, recipe, callbacks, first_epoch)


def fit_compiled(
    model: keras.Model,
    train: Examples,
    val: Examples,
    recipe: TrainingRecipe,
    callbacks: Sequence[keras.callbacks.Callback],
    first_epoch: int,
) -> None:
    """Run the epochs on JAX, one compiled program each, with Keras's callbacks around them."""
    steps = math.ceil(len(train) / recipe.batch_size)
    calls = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=recipe.epochs, steps=steps, verbose=0
    )
    run_epoch = epoch_runner(model, train, recipe)
    measure_val = val_measurer(model, val)
    model.stop_training = False
    calls.on_train_begin()
    logs: Logs = {}
    for epoch in range(first_epoch, recipe.epochs):
        if model.stop_training:
            break
        calls.on_epoch_begin(epoch)
        started = time.perf_counter()
        logs = run_epoch(epoch) | measure_val()
        logs["learning_rate"] = float(model.optimizer.learning_rate)
        logs["seconds"] = time.perf_counter() - started
        require_finite(logs, epoch, recipe)
        calls.on_epoch_end(epoch, logs)
    calls.on_train_end(logs)


def epoch_runner(
    model: keras.Model, train: Examples, recipe: TrainingRecipe
) -> Callable[[int], Logs]:
    """Return a function that runs one epoch and leaves the new values in the model's variables."""
    import jax

    program = compile_epoch(model, recipe, len(train))
    images = jax.numpy.asarray(train.images)
    labels = jax.numpy.asarray(labels_for(recipe.loss, train.labels))
    root = jax.random.key(recipe.seed)

    def run_epoch(epoch: int) -> Logs:
        variables = trained_variables(model)
        values = [[v.value for v in group] for group in variables]
        values, loss, accuracy = program(values, images, labels, jax.random.fold_in(root, epoch))
        for group, new_values in zip(variables, values, strict=True):
            for variable, value in zip(group, new_values, strict=True):
                variable.assign(value)
        return {"loss": float(loss), "accuracy": float(accuracy)}

    return run_epoch


def trained_variables(model: keras.Model) -> list[list[Any]]:
    """Return what an epoch changes: weights, layer state such as seeds, optimizer state."""
    return [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]


def compile_epoch(model: keras.Model, recipe: TrainingRecipe, n: int) -> EpochProgram:
    """Return the compiled program of one epoch over `n` examples."""
    import jax
    import jax.numpy as jnp

    loss_of = keras.losses.get(recipe.loss)

    def batch_loss(trainable: Any, non_trainable: Any, batch: Any) -> Any:
        images, labels, counts = batch
        pixels = images.astype("float32")
        probabilities, non_trainable = model.stateless_call(
            trainable, non_trainable, pixels, training=True
        )
        loss = jnp.sum(loss_of(labels, probabilities) * counts) / jnp.sum(counts)
        hits = jnp.sum((jnp.argmax(probabilities, -1) == class_of(labels)) * counts)
        return loss, (non_trainable, hits)

    gradient_of = jax.value_and_grad(batch_loss, has_aux=True)

    def epoch(values: Any, images: Any, labels: Any, key: Any) -> Any:
        def step(carry: Any, chosen_and_counts: Any) -> Any:
            (trainable, non_trainable, optimizer), loss_sum, hit_sum = carry
            chosen, counts = chosen_and_counts
            batch = images[chosen], labels[chosen], counts
            (loss, (non_trainable, hits)), gradients = gradient_of(trainable, non_trainable, batch)
            trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
            values = [trainable, non_trainable, optimizer]
            return (values, loss_sum + loss * jnp.sum(counts), hit_sum + hits), None

        carry = (values, jnp.float32(0), jnp.float32(0))
        batches = in_batches(shuffled(key, n), min(recipe.batch_size, n))
        (values, loss_sum, hit_sum), _ = jax.lax.scan(step, carry, batches)
        return values, loss_sum / n, hit_sum / n

    program: EpochProgram = jax.jit(epoch)
    return program


def in_batches(order: Any, batch_size: int) -> tuple[Any, Any]:
    """Return `order` (n,) as rows of `batch_size`, and which entries count: float32 1 or 0.

    The last row is filled up with entries that do not count, so that one step body serves them
    all: a second one for the shorter last batch would double the time of compiling.
    """
    import jax.numpy as jnp

    filling = -len(order) % batch_size
    counts = jnp.ones(len(order), jnp.float32)
    rows = [jnp.pad(array, (0, filling)).reshape(-1, batch_size) for array in (order, counts)]
    return rows[0], rows[1]


def shuffled(key: Any, n: int) -> Any:
    """Return 0 … n-1 in random order.

    One sort by 32 random bits: half the time of `jax.random.permutation`, which sorts twice to
    break ties. A tie (probability n²/2³³, about a third at 54,000) only leaves its two examples in
    their old order.
    """
    import jax

    return jax.numpy.argsort(jax.random.bits(key, (n,)))


def labels_for(loss: str, labels: NDArray[np.uint8]) -> NDArray[Any]:
    """Return the labels as `loss` needs them: int32 (N,), or one-hot float32 (N, 10)."""
    if loss == "categorical_crossentropy":
        return np.eye(10, dtype=np.float32)[labels]
    return labels.astype(np.int32)


def class_of(labels: Any) -> Any:
    """Return the class of sparse or one-hot labels."""
    return labels if labels.ndim == 1 else labels.argmax(-1)


def val_measurer(model: keras.Model, val: Examples) -> Callable[[], Logs]:
    """Return a function that measures val_loss and val_accuracy with the current weights."""
    predict = make_predictor(model)
    labels = val.labels.astype(np.intp)

    def measure_val() -> Logs:
        probabilities = predict(val.images)
        chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
        # Keras clips at its epsilon before the logarithm; val_loss should compare with it.
        loss = -np.log(np.clip(chosen, keras.config.epsilon(), 1.0)).mean()
        accuracy = (probabilities.argmax(-1) == labels).mean()
        return {"val_loss": float(loss), "val_accuracy": float(accuracy)}

    return measure_val


def require_finite(logs: Logs, epoch: int, recipe: TrainingRecipe) -> None:
    """Raise TrainingFailed when a loss is no longer a number."""
    if math.isfinite(logs["loss"]) and math.isfinite(logs["val_loss"]):
        return
    raise TrainingFailed(
        f"the loss became {logs['loss']} (val {logs['val_loss']}) in epoch {epoch + 1}.",
        f"Lower training.learning_rate (now {recipe.learning_rate}).",
    )
