"""`inkdigits adapt`: fine-tune a model on labelled images of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console

from inkdigits.cli.train import prepare_one


def adapt(folder: Path, out: Path, model: Path | None, seed: int, as_json: bool) -> None:
    """Adapt and print what was found; an interrupt tells how to continue."""
    prepare_one()
    console = Console(stderr=True)
    from inkdigits.training import adapt as adaptation

    try:
        report = adaptation.adapt(folder, out, model, seed=seed, console=console)
    except KeyboardInterrupt:
        console.print("The same command continues from here.")
        raise
    if as_json:
        typer.echo(json.dumps(report.to_dict()))
        return
    for line in report.lines():
        typer.echo(line)
