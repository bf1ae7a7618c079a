"""`inkdigits tune`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from inkdigits.cli.train import DEFAULT_RECIPE, prepare_one, resolve
from inkdigits.cluster.connection import require_ray
from inkdigits.errors import UsageError
from inkdigits.search.folder import require_search, require_searchable
from inkdigits.training.folder import require_free

if TYPE_CHECKING:
    from inkdigits.search.results import TrialRow
    from inkdigits.search.tune import Search

TRIALS = 40


def tune(  # noqa: PLR0913, PLR0917 (each is an option of the command)
    name: str | None,
    trials: int | None,
    data: str | None,
    overrides: list[str],
    seed: int | None,
    out: Path | None,
    resume: Path | None,
    pruning: bool,
    cluster: str | None,
) -> None:
    """Search or continue a search, and print its trials and the best recipe."""
    if trials is not None and trials < 1:
        raise UsageError(f"--trials must be 1 or more, got {trials}.")
    changes = [name, data, overrides, seed, out]
    if resume is not None and (any(change not in (None, []) for change in changes) or not pruning):
        raise UsageError(
            "--resume takes no recipe and no other option than --trials: the search's own continue."
        )
    if resume is not None and cluster is not None and trials is not None:
        raise UsageError("a search on a cluster keeps its number of trials: leave out --trials.")
    # Before the heavy imports, so that a wrong key or folder is told at once.
    recipe = resolve(name or DEFAULT_RECIPE, data, overrides, seed)
    if resume is not None:
        require_search(resume)
    else:
        require_searchable(recipe)
    if out is not None:
        require_free(out)
    import optuna  # noqa: F401 (a missing extra is told before anything is loaded)

    if cluster is not None:
        require_ray()
    prepare_one()
    number = TRIALS if trials is None else trials
    if cluster is not None:
        from inkdigits.search import cluster as there

        found = (
            there.tune_on_cluster(recipe, number, cluster, out=out, pruning=pruning)
            if resume is None
            else there.resume_on_cluster(resume, cluster)
        )
    else:
        from inkdigits.search import tune as here

        console = Console(stderr=True)
        found = (
            here.tune(recipe, number, out=out, pruning=pruning, console=console)
            if resume is None
            else here.resume(resume, trials, console=console)
        )
    tell(found)


def tell(search: Search) -> None:
    """Print the table of trials, the best first, and where the recipe is."""
    from inkdigits.search.results import BEST_FILE, best_row

    typer.echo(table(search.rows))
    best, file = best_row(search.rows), search.folder / BEST_FILE
    typer.echo(
        f"best  trial {best.number}: val loss {best.outcome.val_loss:.4f}, "
        f"val accuracy {best.outcome.val_accuracy:.2%}"
    )
    typer.echo(f"train it  inkdigits train {file}")
    typer.echo(f"all of it  {search.folder}")


def table(rows: Sequence[TrialRow]) -> str:
    """Return the trials as a table of text, by val loss; those that were not finished come last."""
    keys = list(rows[0].values)
    heads = ["trial", "val loss", "val accuracy", "epochs", "ended"]
    heads += [key.partition(".")[2] for key in keys]
    lines = [heads, *(cells(row) for row in sorted(rows, key=rank))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def rank(row: TrialRow) -> tuple[bool, float]:
    """Return by what trials are sorted."""
    loss = row.outcome.val_loss
    return row.outcome.ended != "finished", float("inf") if loss is None else loss


def cells(row: TrialRow) -> list[str]:
    """Return the cells of a trial."""
    outcome = row.outcome
    loss = "–" if outcome.val_loss is None else f"{outcome.val_loss:.4f}"
    accuracy = "–" if outcome.val_accuracy is None else f"{outcome.val_accuracy:.2%}"
    values = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values.values()]
    return [str(row.number), loss, accuracy, str(outcome.epochs), outcome.ended, *values]
