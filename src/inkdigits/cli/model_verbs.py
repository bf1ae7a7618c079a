"""The verbs of the training tower, each with its options: data, train, tune, evaluate, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inkdigits.cli.app import app, data_app, missing
from inkdigits.cli.options import (
    ClusterOption,
    DataOption,
    JsonOption,
    OverridesOption,
    SeedOption,
)


@data_app.command("fetch")
def data_fetch(
    out: Annotated[Path | None, typer.Option("--out", help="Folder (default: the cache).")] = None,
) -> None:
    """Fetch MNIST from a mirror, verified by SHA-256."""
    from inkdigits.cli import data

    data.fetch(out)


@data_app.command("verify")
def data_verify(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder (default: INKDIGITS_DATA or the cache).")
    ] = None,
) -> None:
    """Check that the four MNIST files are byte-exact."""
    from inkdigits.cli import data

    data.verify(folder)


@data_app.command("explore")
def data_explore(
    data: DataOption = None,
    out: Annotated[Path, typer.Option("--out", help="PNG of the grid.")] = Path("digits.png"),
    indices: Annotated[
        str | None, typer.Option("--indices", help="Nine training images, as in 0,1,2,…")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Draws the nine images.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Print shapes, value ranges and class balance, and save a 3×3 grid of labelled digits."""
    from inkdigits.cli import data as verb

    verb.explore(data or "auto", out, indices, seed, as_json)


@app.command("train")
def train(  # noqa: PLR0913, PLR0917 (each is an option of the command)
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name or .toml file (default: early-stopping).")
    ] = None,
    data: DataOption = None,
    overrides: OverridesOption = None,
    seed: SeedOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder (default: runs/NAME).")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Continue this run folder.")
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option("--devices", metavar="N", help="Share each batch among N devices."),
    ] = None,
    coordinator: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Of process 0, for several processes."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(metavar="N", help="So many train together.")
    ] = None,
    process: Annotated[
        int | None, typer.Option(metavar="I", help="This one's number; 0 alone writes.")
    ] = None,
    show_recipes: Annotated[bool, typer.Option("--list", help="List the recipes.")] = False,
) -> None:
    """Train a recipe into a run folder: models, evaluation, plots, report."""
    from inkdigits.cli import train as verb

    if show_recipes:
        verb.list_recipes()
        return
    group = verb.group_of(coordinator, processes, process)
    verb.train(recipe, data, overrides or [], seed, out, resume, devices, group)


@app.command("tune")
def tune(  # noqa: PLR0913, PLR0917 (each is an option of the command)
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe with a [search] table (default: early-stopping).")
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", help="So many trainings (default: 40).")
    ] = None,
    data: DataOption = None,
    overrides: OverridesOption = None,
    seed: SeedOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder (default: runs/tune-NAME).")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Continue the search in this folder.")
    ] = None,
    pruning: Annotated[
        bool, typer.Option("--pruning/--no-pruning", help="End poor trials early.")
    ] = True,
    cluster: ClusterOption = None,
) -> None:
    """Search for better values of a recipe's keys, judged on val."""
    from inkdigits.cli import tune as verb

    try:
        verb.tune(recipe, trials, data, overrides or [], seed, out, resume, pruning, cluster)
    except ModuleNotFoundError as error:
        extras = {"optuna": "tune", "ray": "cluster"}
        if error.name not in extras:
            raise
        raise missing(extras[error.name], error) from error


@app.command("evaluate")
def evaluate(
    target: Annotated[Path, typer.Argument(help="A run folder, or a .onnx, .keras or .h5 file.")],
    data: DataOption = None,
    as_json: JsonOption = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write a self-contained HTML report here.")
    ] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also under 15 MNIST-C-style corruptions.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="MODEL", help="Compare with this run or model, paired."),
    ] = None,
) -> None:
    """Measure a model on the test split."""
    from inkdigits.cli import evaluate as verb

    verb.evaluate(target, data, as_json, report, robustness, against)


@app.command("export")
def export(
    run: Annotated[Path, typer.Argument(help="A run folder, or a .keras or .h5 file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The ONNX file to write.")],
) -> None:
    """Turn a trained Keras model into one self-describing ONNX file, checked against it."""
    from inkdigits.cli import export as verb

    verb.export(run, out)
