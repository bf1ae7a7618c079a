"""The one training loop.

On JAX an epoch, with its shuffling, is one compiled program over Keras's stateless API: a scan
over the steps. On other backends the same recipe runs through
`model.fit`. Keras's callbacks see the same calls at epoch level either way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Examples
from inkdigits.errors import TrainingFailed
from inkdigits.models.predict import Forward, compile_forward, make_predictor
from inkdigits.training.adjustable import exchanged, numbers_of
from inkdigits.training.augment import augment
from inkdigits.training.devices import ONE_DEVICE, Devices
from inkdigits.training.draws import JaxDraws
from inkdigits.training.material import Material
from inkdigits.training.optimizer import make_optimizer
from inkdigits.training.recipe import TrainingRecipe

Logs = dict[str, float]
# (variables, numbers, images, labels, key) → (variables, mean loss, accuracy)
EpochProgram = Callable[..., Any]


@dataclass(frozen=True)
class Compiled:
    """The programs of a training: one epoch, and the model's answers; and where they run.

    They serve every model of the same layers, optimizer and batch size on as many examples; the
    weights, the seed, the rates and the schedule's numbers are inputs (`training/adjustable.py`).
    """

    epoch: EpochProgram
    forward: Forward
    devices: Devices


def compile_model(model: keras.Model, recipe: TrainingRecipe, n: int) -> None:
    """Give `model` the recipe's loss and optimizer, as Keras's own `compile` does.

    `n` is the number of training examples, which a schedule needs to know its last step.
    """
    model.compile(
        optimizer=make_optimizer(recipe, n),
        loss=recipe.loss,
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)


def fit(
    model: keras.Model,
    train: Examples | Material,
    val: Examples,
    recipe: TrainingRecipe,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    first_epoch: int = 0,
    stopped: bool = False,
    compiled: Compiled | None = None,
) -> None:
    """Train a compiled `model` from `first_epoch` to the recipe's last epoch.

    With `stopped`, an earlier part of the training has ended it: callbacks get to finish only.
    `compiled`, on JAX, are programs that `compile_training` has made: for several devices, or for
    an earlier training of the same shape.

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
        compiled = compiled or compile_training(model, recipe, len(train))
        fit_compiled(model, train, val, recipe, callbacks, first_epoch, compiled)
        return
    from inkdigits.training.keras_fit import fit_with_keras

    fit_with_keras(model, train, val, recipe, callbacks, first_epoch)


def fit_compiled(
    model: keras.Model,
    train: Examples | Material,
    val: Examples,
    recipe: TrainingRecipe,
    callbacks: Sequence[keras.callbacks.Callback],
    first_epoch: int,
    compiled: Compiled,
) -> None:
    """Run the epochs on JAX, one compiled program each, with Keras's callbacks around them."""
    steps = math.ceil(len(train) / recipe.batch_size)
    calls = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=recipe.epochs, steps=steps, verbose=0
    )
    run_epoch = epoch_runner(model, train, recipe, compiled)
    measure_val = val_measurer(model, val, compiled)
    model.stop_training = False
    calls.on_train_begin()
    logs: Logs = {}
    for epoch in range(first_epoch, recipe.epochs):
        if model.stop_training:
            break
        calls.on_epoch_begin(epoch)
        started = time.perf_counter()
        logs = compiled.devices.agree(run_epoch(epoch) | measure_val())
        logs["learning_rate"] = float(model.optimizer.learning_rate)
        logs["seconds"] = time.perf_counter() - started
        require_finite(logs, epoch, recipe)
        calls.on_epoch_end(epoch, logs)
    calls.on_train_end(logs)


def compile_training(
    model: keras.Model, recipe: TrainingRecipe, n: int, devices: Devices = ONE_DEVICE
) -> Compiled:
    """Return the programs that train a compiled `model` on `n` examples, and ask it."""
    return Compiled(compile_epoch(model, recipe, n, devices), compile_forward(model), devices)


def epoch_runner(
    model: keras.Model,
    train: Examples | Material,
    recipe: TrainingRecipe,
    compiled: Compiled,
) -> Callable[[int], Logs]:
    """Return a function that runs one epoch and leaves the new values in the model's variables."""
    import jax

    devices = compiled.devices
    images = devices.everywhere(train.images)
    labels = devices.everywhere(labels_for(recipe.loss, train.labels, model.output_shape[-1]))
    root = jax.random.key(recipe.seed)
    numbers = numbers_of(model)

    def run_epoch(epoch: int) -> Logs:
        variables = trained_variables(model)
        values = devices.everywhere([[v.value for v in group] for group in variables])
        key = devices.everywhere(jax.random.fold_in(root, epoch))
        found = compiled.epoch(values, numbers, images, labels, key)
        values, loss, accuracy = devices.here(found)
        for group, new_values in zip(variables, values, strict=True):
            for variable, value in zip(group, new_values, strict=True):
                variable.assign(value)
        return {"loss": float(loss), "accuracy": float(accuracy)}

    return run_epoch


def trained_variables(model: keras.Model) -> list[list[Any]]:
    """Return what an epoch changes: weights, layer state such as seeds, optimizer state."""
    return [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]


def compile_epoch(
    model: keras.Model, recipe: TrainingRecipe, n: int, devices: Devices = ONE_DEVICE
) -> EpochProgram:
    """Return the program of one epoch over `n` examples: one compiled scan over its steps.

    A network with convolutions on a CPU is the exception: XLA runs a convolution inside a loop
    twenty times slower than outside (`docs/design-notes.md`), so that there each step is a compiled
    program and the loop is Python's, which costs it nothing beside the convolutions.
    """
    import jax
    import jax.numpy as jnp

    step = make_step(model, recipe, devices)

    def plan(key: Any) -> Any:
        # Sorted whole on each device: sorted in parts, ties would come out in another order.
        order, counts = in_batches(devices.on_each(shuffled(key, n)), min(recipe.batch_size, n))
        return order, counts, jax.random.split(jax.random.fold_in(key, n), len(order))

    def scanned(values: Any, numbers: Any, images: Any, labels: Any, key: Any) -> Any:
        carry = (values, jnp.zeros(()), jnp.zeros(()))
        (values, loss_sum, hit_sum), _ = jax.lax.scan(
            lambda carry, inputs: (step(carry, numbers, images, labels, *inputs), None),
            carry,
            plan(key),
        )
        return values, loss_sum / n, hit_sum / n

    if not (has_convolution(model) and jax.default_backend() == "cpu"):
        program: EpochProgram = jax.jit(scanned)
        return program
    plan_epoch, run_step = jax.jit(plan), jax.jit(step, donate_argnums=0)

    def stepped(values: Any, numbers: Any, images: Any, labels: Any, key: Any) -> Any:
        # Donated memory must not be what the model's variables still refer to.
        carry = (jax.tree.map(jnp.copy, values), jnp.zeros(()), jnp.zeros(()))
        order, counts, keys = plan_epoch(key)
        for inputs in zip(order, counts, keys, strict=True):
            carry = run_step(carry, numbers, images, labels, *inputs)
        values, loss_sum, hit_sum = carry
        return values, loss_sum / n, hit_sum / n

    return stepped


def has_convolution(model: keras.Model) -> bool:
    """Return whether the network has a convolution."""
    return any(isinstance(layer, keras.layers.Conv2D) for layer in model.layers)


def make_step(
    model: keras.Model, recipe: TrainingRecipe, devices: Devices = ONE_DEVICE
) -> Callable[..., Any]:
    """Return `step(carry, numbers, images, labels, chosen, counts, key)`: one batch learnt.

    The carry holds the variables and the sums of losses and of hits so far. Each device distorts
    and learns its part of the batch; the sums over the batch are what they exchange.
    """
    import jax
    import jax.numpy as jnp

    loss_of = keras.losses.get(recipe.loss)

    def batch_loss(trainable: Any, non_trainable: Any, batch: Any) -> Any:
        pixels, labels, counts = batch
        probabilities, non_trainable = model.stateless_call(
            trainable, non_trainable, pixels, training=True
        )
        loss = jnp.sum(loss_of(labels, probabilities) * counts) / jnp.sum(counts)
        hits = jnp.sum((jnp.argmax(probabilities, -1) == class_of(labels)) * counts)
        return loss, (non_trainable, hits)

    gradient_of = jax.value_and_grad(batch_loss, has_aux=True)

    def step(
        carry: Any, numbers: Any, images: Any, labels: Any, chosen: Any, counts: Any, key: Any
    ) -> Any:
        (trainable, non_trainable, optimizer), loss_sum, hit_sum = carry
        chosen, counts = devices.shared_out((chosen, counts))
        pixels = augment(JaxDraws(key), images[chosen], recipe.augment)
        batch = pixels, labels[chosen], counts
        with exchanged(model, numbers):
            (loss, (non_trainable, hits)), gradients = gradient_of(trainable, non_trainable, batch)
            trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
        values = devices.on_each([trainable, non_trainable, optimizer])
        return values, loss_sum + loss * jnp.sum(counts), hit_sum + hits

    return step


def in_batches(order: Any, batch_size: int) -> tuple[Any, Any]:
    """Return `order` (n,) as rows of `batch_size`, and which entries count: float32 1 or 0.

    The last row is filled up with entries that do not count, so that one step body serves them
    all: a second one for the shorter last batch would double the time of compiling. They are the
    first of `order`, not one example again and again, because batch normalisation sees them too.
    """
    import jax.numpy as jnp

    n = len(order)
    filling = -n % batch_size
    counts = jnp.pad(jnp.ones(n, jnp.float32), (0, filling))
    filled = jnp.concatenate([order, order[:filling]])
    return filled.reshape(-1, batch_size), counts.reshape(-1, batch_size)


def shuffled(key: Any, n: int) -> Any:
    """Return 0 … n-1 in random order.

    One sort by 32 random bits: half the time of `jax.random.permutation`, which sorts twice to
    break ties. A tie (probability n²/2³³, about a third at 54,000) only leaves its two examples in
    their old order.
    """
    import jax

    return jax.numpy.argsort(jax.random.bits(key, (n,), "uint32"))


def labels_for(loss: str, labels: NDArray[Any], classes: int = 10) -> NDArray[Any]:
    """Return labels as `loss` needs them: int32 (N,), or float32 (N, C), one-hot or as given."""
    wanted: NDArray[Any] = labels.astype(np.float32 if labels.ndim == 2 else np.int32)
    if labels.ndim == 1 and loss == "categorical_crossentropy":
        wanted = np.eye(classes, dtype=np.float32)[labels]
    return wanted


def class_of(labels: Any) -> Any:
    """Return the class of sparse or one-hot labels."""
    return labels if labels.ndim == 1 else labels.argmax(-1)


def val_measurer(model: keras.Model, val: Examples, compiled: Compiled) -> Callable[[], Logs]:
    """Return a function that measures val_loss and val_accuracy with the current weights."""
    predict = make_predictor(model, compiled.forward)
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
