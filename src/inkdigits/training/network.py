"""One network, built and fitted as its recipe says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import keras
from rich.console import Console

from inkdigits.data.dataset import Examples
from inkdigits.evaluation.model_file import find_model
from inkdigits.models.ann import build_ann
from inkdigits.models.cnn import build_cnn
from inkdigits.models.ensemble import merge
from inkdigits.models.half import halved
from inkdigits.models.start import mix_in, start_from
from inkdigits.reading.models import BUNDLED_MODEL
from inkdigits.training.callbacks import Checkpoints, History, ProgressBar, Row, TensorBoard
from inkdigits.training.checkpoint import STATE_FILE, StateKeeper, restore
from inkdigits.training.job import Job
from inkdigits.training.loop import Compiled, compile_model, compile_training, fit
from inkdigits.training.material import Material, class_count, gather_material
from inkdigits.training.precision import (
    in_precision,
    number_format,
    tell_precision,
    trained_precision,
)
from inkdigits.training.recipe import BUNDLED, Recipe

Callback: TypeAlias = keras.callbacks.Callback


def train_network(
    job: Job, train_part: Examples, val_part: Examples
) -> tuple[keras.Model, list[Row]]:
    """Train the network of the recipe and return it, computing in float32, with its history."""
    tell_precision(job.recipe.model.precision, job.console)
    with number_format(job.recipe.model.precision):
        return train_in_format(job, train_part, val_part)


def train_in_format(
    job: Job, train_part: Examples, val_part: Examples
) -> tuple[keras.Model, list[Row]]:
    """Do what `train_network` does, where the engine has the numbers of the recipe's precision."""
    material = gather_material(job.recipe, train_part)
    model = build_model(job.recipe)
    if job.recipe.model.start:
        start_from(model, start_file(job.recipe.model.start, BUNDLED_MODEL))
    start = model.get_weights()
    compile_model(model, job.recipe.training, len(material))
    show_summary(model, job.console)
    history = fit_model(model, job, material, val_part)
    if job.recipe.model.start_share:
        mix_in(model, start, job.recipe.model.start_share)
    return as_saved(model, job.recipe, len(material)), history


def as_saved(model: keras.Model, recipe: Recipe, n: int) -> keras.Model:
    """Return the trained `model` as one that computes in float32 and that any Keras loads.

    Keras alone does not know our Muon: the saved model is compiled with Adam, at the same rate. It
    looks at as many views of an image as the recipe says, and its weights are rounded where it asks
    for that.
    """
    settings, halves = recipe.model, recipe.save.weights == "float16"
    is_plain = settings.precision == "float32" and settings.views == 1 and not halves
    if is_plain and recipe.training.optimizer == "adam":
        return model
    full = build_full(recipe)
    full.set_weights(model.get_weights())
    if halves:
        full = halved(full)
    if settings.views > 1:
        full = merge([full], [1.0], settings.views)
    compile_model(full, replace(recipe.training, optimizer="adam"), n)
    return full


def start_file(start: str, bundled: Path) -> Path:
    """Return the artefact that a recipe's `start` names; raises ModelRefused."""
    return bundled if start == BUNDLED else find_model(Path(start), ["model.onnx"])


def build_full(recipe: Recipe) -> keras.Model:
    """Return the untrained network that the recipe describes, computing in float32."""
    return build_model(replace(recipe, model=replace(recipe.model, precision="float32")))


def build_model(recipe: Recipe) -> keras.Model:
    """Return the untrained network that the recipe describes, in the precision to train in."""
    settings, seed = recipe.model, recipe.training.seed
    classes = class_count(recipe)
    if settings.kind == "cnn":
        shape = settings.filters, settings.depth, settings.dropout
        plain = not settings.start
        precision = trained_precision(settings.precision)
        model = build_cnn(*shape, seed, classes, precision, settings.pooled, plain)
    else:
        model = build_ann(settings.hidden, settings.dropout, seed, classes)
    return in_precision(model, settings.precision)


def fit_model(model: keras.Model, job: Job, train_part: Material, val_part: Examples) -> list[Row]:
    """Run the epochs that are left, with the recipe's callbacks, and return the history."""
    settings, state = job.recipe.training, job.state
    writes = job.devices.primary
    history = History(job.folder / "history.csv" if writes else None)
    remembering: list[Callback] = [history, *early_stopping(job.recipe), *job.callbacks]
    progress = ProgressBar(job.console, settings.epochs)
    others = [*(outputs(job.recipe, job.folder, history) if writes else []), progress]
    keeper = StateKeeper(job.folder / STATE_FILE if writes else None, remembering, state)
    if state is not None:
        restore(state, model)
    with progress:
        fit(
            model,
            train_part,
            val_part,
            settings,
            [*remembering, *others, keeper],
            first_epoch=state.epoch if state else 0,
            stopped=state.stopped if state else False,
            compiled=shared_programs(model, job, len(train_part)),
        )
    return history.rows


def shared_programs(model: keras.Model, job: Job, n: int) -> Compiled | None:
    """Return the programs of a training on several devices, None for the usual single one."""
    if job.devices.mesh is None:
        return None
    return compile_training(model, job.recipe.training, n, job.devices)


def early_stopping(recipe: Recipe) -> list[Callback]:
    """Return Keras's own EarlyStopping as the recipe asks for it, or nothing."""
    settings = recipe.training.early_stopping
    if settings.patience == 0:
        return []
    return [
        keras.callbacks.EarlyStopping(
            monitor="val_loss",
            patience=settings.patience,
            restore_best_weights=settings.restore_best_weights,
        )
    ]


def outputs(recipe: Recipe, folder: Path, history: History) -> list[Callback]:
    """Return the callbacks that write files after each epoch."""
    found: list[Callback] = []
    if recipe.save.checkpoints:
        found.append(Checkpoints(folder / "checkpoints"))
    if recipe.save.tensorboard:
        found.append(TensorBoard(folder / "tensorboard", history))
    return found


def show_summary(model: keras.Model, console: Console) -> None:
    """Print Keras's `model.summary()` to the console."""
    model.summary(print_fn=lambda text: console.out(text, highlight=False))
