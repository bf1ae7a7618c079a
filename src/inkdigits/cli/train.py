"""`inkdigits train`."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from inkdigits.errors import UsageError
from inkdigits.training.devices import ONE_DEVICE, Devices, Group, find_devices, quieten
from inkdigits.training.folder import RECIPE_FILE, require_free, require_run
from inkdigits.training.recipe import Recipe, load_recipe, recipe_names

if TYPE_CHECKING:
    from inkdigits.training.run import Run

DEFAULT_RECIPE = "early-stopping"


def list_recipes() -> None:
    """Print each recipe's name and title."""
    for name in recipe_names():
        typer.echo(f"{name:<16} {load_recipe(name).title}")


def train(
    name: str | None,
    data: str | None,
    overrides: list[str],
    seed: int | None,
    out: Path | None,
    resume: Path | None,
    count: int | None = None,
    group: Group | None = None,
) -> None:
    """Train or resume, on `count` devices of each process of `group`; print what came of it."""
    changes = [name, data, overrides, seed, out]
    if resume is not None and any(change not in (None, []) for change in changes):
        raise UsageError(
            "--resume takes no recipe and no other option: the run's own recipe continues."
        )
    # Before the heavy imports, so that a wrong key or folder is told at once.
    recipe = resolve(name or DEFAULT_RECIPE, data, overrides, seed)
    if resume is not None:
        require_run(resume)
    if out is not None:
        require_free(out)
    shared = count is not None or group is not None
    if shared:
        quieten()
    if group is not None and group.process > 0:
        devices = prepare(count, group)
        from inkdigits.training.run import take_part

        take_part(load_recipe(str(resume / RECIPE_FILE)) if resume else recipe, devices, resume)
        typer.echo(f"process {group.process} of {group.processes}: done")
        return
    console = Console(stderr=True)
    from inkdigits.evaluation.reload import ReloadCheck

    # It imports Keras on the second core while this process does the same and then trains.
    with ReloadCheck() as check:
        devices = prepare(count, group) if shared else prepare_one()
        # Matplotlib is imported while the epoch is being compiled.
        Thread(target=import_plots, daemon=True).start()
        from inkdigits.training import run as runs

        if resume is not None:
            tell(runs.resume(resume, console=console, check=check, devices=devices))
        else:
            tell(runs.train(recipe, out=out, console=console, check=check, devices=devices))


def prepare_one() -> Devices:
    """Set up Keras for its default device."""
    from inkdigits.models.backend import set_up_keras, without_extras

    with without_extras():
        set_up_keras()
    return ONE_DEVICE


def prepare(count: int | None, group: Group | None) -> Devices:
    """Set up Keras for `count` devices of each process, 1 if it is not given."""
    prepare_one()
    return find_devices(1 if count is None else count, group)


def group_of(coordinator: str | None, processes: int | None, process: int | None) -> Group | None:
    """Return the group that three options describe, which go together; None without them."""
    given = coordinator, processes, process
    if given == (None, None, None):
        return None
    if coordinator is None or processes is None or process is None:
        raise UsageError(
            "--coordinator, --processes and --process go together, got "
            f"{', '.join(map(str, given))}."
        )
    return Group(coordinator, processes, process)


def import_plots() -> None:
    """Import what draws the report; a package that is missing is told of there."""
    with suppress(ImportError):
        import_module("inkdigits.evaluation.plots")


def resolve(name: str, data: str | None, overrides: list[str], seed: int | None) -> Recipe:
    """Return the recipe with all overrides applied."""
    recipe = load_recipe(name).override(overrides).with_seed(seed)
    return recipe if data is None else recipe.with_source(data)


def tell(run: Run) -> None:
    """Print the results of a finished run."""
    found = run.evaluation
    low, high = found["test_accuracy_interval"]
    last = run.history[-1] if run.history else {"epoch": 0, "seconds": 0.0}
    seconds = sum(row["seconds"] for row in run.history)
    typer.echo(f"{run.recipe.name}, seed {run.recipe.training.seed}: ", nl=False)
    typer.echo(f"{last['epoch']:.0f} epochs in {seconds:.1f} s")
    typer.echo(
        f"accuracy  train {found['train_accuracy']:.2%}  val {found['val_accuracy']:.2%}  "
        f"test {found['test_accuracy']:.2%} (95 % interval {low:.2%}–{high:.2%}, "
        f"gap to train {found['gap'] * 100:.2f} points)"
    )
    for row in run.reloaded:
        verdict = "exactly the same" if row.max_difference == 0 else "the same labels"
        typer.echo(
            f"{row.file:<12} {row.size_bytes:>9,} bytes  reloaded in a new process: "
            f"{row.accuracy:.2%}, {verdict}, largest difference {row.max_difference:.1e}"
        )
    typer.echo(f"report  {run.folder / 'report.html'}")
    typer.echo(f"all of it  {run.folder}")
