"""One training from recipe to report, and the run folder that holds all of it.

runs/NAME/  recipe.toml  environment.json  history.csv  checkpoints/  state/  tensorboard/
            model.keras  model.h5  model.onnx  evaluation.json  report.html  plots/*.png
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from inkdigits.artefact.metadata import Metadata
from inkdigits.data.dataset import Dataset, Examples, split_val
from inkdigits.data.source import NAMES, load_dataset
from inkdigits.errors import InvalidData
from inkdigits.evaluation.calibration import with_temperature
from inkdigits.evaluation.gallery import misread_images
from inkdigits.evaluation.measure import Measurement, evaluation_dict, measure, refuse_perfect
from inkdigits.evaluation.reload import ReloadCheck, Reloaded
from inkdigits.files import remove_torn, write_text
from inkdigits.models.backend import set_up_keras
from inkdigits.models.metadata import digit_metadata
from inkdigits.models.predict import make_predictor
from inkdigits.training.calibrate import calibrate
from inkdigits.training.callbacks import Row
from inkdigits.training.checkpoint import STATE_FILE, load_state
from inkdigits.training.devices import ONE_DEVICE, Devices, require_even, settled
from inkdigits.training.ensemble import build_ensemble, require_unseen_val
from inkdigits.training.environment import describe_environment
from inkdigits.training.folder import (
    ENVIRONMENT_FILE,
    RECIPE_FILE,
    RUNS_FOLDER,
    new_folder,
    require_run,
)
from inkdigits.training.formats import save_formats
from inkdigits.training.job import Job
from inkdigits.training.network import train_network
from inkdigits.training.precision import trained_precision
from inkdigits.training.recipe import Recipe, load_recipe

Callback: TypeAlias = keras.callbacks.Callback


@dataclass(frozen=True)
class Run:
    """A finished training: its folder, the trained Keras model, and what was measured.

    `evaluation` is the content of evaluation.json; `history` has a row an epoch; `reloaded` a row
    for each saved file.
    """

    folder: Path
    recipe: Recipe
    model: keras.Model
    evaluation: dict[str, Any]
    history: list[Row]
    reloaded: list[Reloaded]


def train(
    recipe: Recipe | str = "early-stopping",
    *,
    out: Path | None = None,
    data: str | None = None,
    callbacks: Sequence[Callback] = (),
    console: Console | None = None,
    check: ReloadCheck | None = None,
    devices: Devices = ONE_DEVICE,
) -> Run:
    """Train a recipe (or the one of that name) into a new run folder and return the Run.

    `out` is the folder, by default `runs/NAME`; `data` replaces the recipe's source; `callbacks`
    are Keras callbacks that run besides the recipe's own; `console` shows progress (default: none);
    `check` is a reload check that was started early, to be warm at the end; `devices` share the
    batches, and other processes than the primary call `take_part` instead. Raises the errors of
    `load_dataset`, UsageError for a folder in use, TrainingFailed and CannotWrite.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    if data is not None:
        recipe = recipe.with_source(data)
    recipe = settled(recipe, devices)
    dataset = load_dataset(recipe.data.source)
    recipe = recipe.with_source(lasting_source(recipe.data.source, dataset))
    environment = describe_environment(set_up_keras(), dataset, recipe.training.seed)
    environment["precision"] = trained_precision(recipe.model.precision)
    folder = new_folder(
        out or RUNS_FOLDER / recipe.name,
        {RECIPE_FILE: recipe.to_toml(), ENVIRONMENT_FILE: as_json(environment)},
        numbered=out is None,
    )
    console = console or quiet_console()
    if devices.exact:
        console.print("training in float64: the number of devices does not show in the result")
    job = Job(recipe, folder, dataset, None, callbacks, console, devices)
    with check or ReloadCheck() as running:
        return carry_out(job, running)


def resume(
    folder: Path,
    *,
    callbacks: Sequence[Callback] = (),
    console: Console | None = None,
    check: ReloadCheck | None = None,
    devices: Devices = ONE_DEVICE,
) -> Run:
    """Continue the training in `folder` to the result that it would have had without a break.

    A finished training is measured and reported again. Raises UsageError when `folder` is no run,
    InvalidData when its data or its state are not what they were.
    """
    require_run(folder)
    recipe = load_recipe(str(folder / RECIPE_FILE))
    require_even(recipe, devices)
    dataset = load_dataset(recipe.data.source)
    before = read_json(folder / ENVIRONMENT_FILE)["data"]["sha256"]
    if dataset.sha256 != before:
        raise InvalidData(
            f"the data is not what this run was started with: {dataset.sha256[:12]}…, "
            f"then {before[:12]}….",
            "Start a new training.",
        )
    set_up_keras()
    remove_torn(folder)
    path = folder / STATE_FILE
    state = load_state(path) if path.is_file() else None
    job = Job(recipe, folder, dataset, state, callbacks, console or quiet_console(), devices)
    with check or ReloadCheck() as running:
        return carry_out(job, running)


def take_part(recipe: Recipe, devices: Devices, resumed: Path | None = None) -> None:
    """Train with this process's `devices` for the primary, which alone measures and writes.

    `resumed` is the run folder that the primary continues. Raises what `train` does.
    """
    if resumed is None:
        recipe = settled(recipe, devices)
    else:
        require_even(recipe, devices)
    path = Path() if resumed is None else resumed / STATE_FILE
    state = load_state(path) if path.is_file() else None
    dataset = load_dataset(recipe.data.source)
    set_up_keras()
    job = Job(recipe, Path(), dataset, state, (), quiet_console(), devices)
    train_network(job, *split_val(dataset.train, recipe.data.val_fraction))


def carry_out(job: Job, check: ReloadCheck) -> Run:
    """Fit, save, measure and report; an interrupt tells how to continue."""
    try:
        return fit_and_report(job, check)
    except KeyboardInterrupt:
        job.console.print(f"Continue with: inkdigits train --resume {job.folder}", soft_wrap=True)
        raise


def fit_and_report(job: Job, check: ReloadCheck) -> Run:
    """Fit, save, measure and report."""
    recipe, folder, test = job.recipe, job.folder, job.dataset.test
    train_part, val_part = split_val(job.dataset.train, recipe.data.val_fraction)
    if not len(train_part) or not len(val_part):
        raise InvalidData(f"{len(job.dataset.train)} training images are too few to split off val.")
    if recipe.model.kind == "line":
        from inkdigits.training.line_run import carry_out_line

        model, history, evaluation = carry_out_line(job, train_part, val_part)
        write_text(folder / "evaluation.json", as_json(evaluation))
        return Run(folder, recipe, model, evaluation, history, [])
    history = []
    if recipe.model.kind == "ensemble":
        model = assemble(job, val_part)
    else:
        model, history = train_network(job, train_part, val_part)
    splits = {"train": train_part, "val": val_part, "test": test}
    metadata = describe(job)
    if recipe.save.calibrate:
        metadata = calibrate(metadata, model, val_part)
    predict = make_predictor(model)
    raw = {name: predict(examples.images) for name, examples in splits.items()}
    said = {name: tempered(raw[name], metadata.temperature) for name in splits}
    measured = {name: measure(said[name], splits[name].labels) for name in splits}
    refuse_perfect(measured["test"])
    evaluation = evaluation_dict(measured)
    scores = {f"{name}_accuracy": result.accuracy for name, result in measured.items()}
    files = save_formats(model, job, replace(metadata, scores=scores))
    write_text(folder / "evaluation.json", as_json(evaluation))
    check.start(files, test, raw["test"], said["test"], folder / "state")
    plots = save_plots(folder, test, said["test"], measured["test"], history)
    reloaded = check.result()
    report(
        job,
        evaluation=evaluation,
        history=history,
        plots=plots,
        saved=[asdict(row) for row in reloaded],
        gallery=misread_images(test, said["test"]),
    )
    return Run(folder, recipe, model, evaluation, history, reloaded)


def assemble(job: Job, val_part: Examples) -> keras.Model:
    """Return the ensemble of the recipe, its members trained where they are not there yet."""
    source = job.recipe.data.source
    require_unseen_val(job.recipe)

    def train_member(folder: Path, name: str, seed: int) -> None:
        if (folder / "report.html").is_file():
            return
        job.console.print(f"{name}, seed {seed}", soft_wrap=True)
        if (folder / RECIPE_FILE).is_file():
            resume(folder, console=job.console)
        else:
            train(load_recipe(name).with_seed(seed), out=folder, data=source, console=job.console)

    def say(text: str) -> None:
        job.console.print(text, soft_wrap=True)

    model, seed = job.recipe.model, job.recipe.training.seed
    return build_ensemble(
        job.recipe.ensemble, job.folder, val_part, train_member, say, model.views, seed, model.sure
    )


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return what the artefact says where the model says `probabilities` (N, 10)."""
    if temperature == 1.0:
        return probabilities
    return with_temperature(probabilities, temperature).astype(np.float32)


def describe(job: Job) -> Metadata:
    """Return what the artefact says of the recipe and the data that made it."""
    return digit_metadata(
        recipe=job.recipe.to_toml(),
        data_name=job.dataset.name,
        data_sha256=job.dataset.sha256,
    )


def save_plots(
    folder: Path,
    test: Examples,
    probabilities: np.ndarray,
    measurement: Measurement,
    history: Sequence[Row],
) -> dict[str, Path]:
    """Draw the report's plots into `plots/` and return their paths by name."""
    from inkdigits.evaluation.plots import plot_report, save_png

    figures = plot_report(test.images, test.labels, probabilities, measurement, history)
    paths = {name: folder / "plots" / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        save_png(figure, paths[name])
    return paths


def report(job: Job, *, history: Sequence[Row], **measured: Any) -> None:
    """Write report.html of what was measured; see `write_report`."""
    from inkdigits.evaluation.report import write_report

    recipe = job.recipe
    seconds = sum(row["seconds"] for row in history)
    environment = read_json(job.folder / ENVIRONMENT_FILE)
    write_report(
        job.folder / "report.html",
        title=f"{recipe.name}: {recipe.title}" if recipe.title else recipe.name,
        recipe_text=recipe.to_toml(),
        environment=environment | {"training_seconds": round(seconds, 2)},
        history=history,
        **measured,
    )


def lasting_source(source: str, dataset: Dataset) -> str:
    """Return a name of the data that a resume elsewhere or later finds the same data by."""
    if source == "auto":
        return dataset.name
    return source if source in NAMES else str(Path(source).resolve())


def quiet_console() -> Console:
    """Return a console that shows nothing."""
    return Console(quiet=True)


def as_json(content: Any) -> str:
    """Return `content` as indented JSON text."""
    return json.dumps(content, indent=2) + "\n"


def read_json(path: Path) -> Any:
    """Return what `path` holds; raises InvalidData when it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidData(f"{str(path)!r} cannot be read: {error}.") from error
