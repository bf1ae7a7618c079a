"""`inkdigits export`."""

from __future__ import annotations

from pathlib import Path

import typer

from inkdigits.evaluation.parity import export_checked


def export(run: Path, out: Path) -> None:
    """Export, check the parity, and say how close the two are."""
    parity = export_checked(run, out)
    typer.echo(f"{out}  {out.stat().st_size:,} bytes  parity {parity:.1e} with the Keras model")
