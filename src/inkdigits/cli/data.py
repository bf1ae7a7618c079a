"""`inkdigits data fetch | verify | explore`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from inkdigits.data import mnist
from inkdigits.data.explore import choose, describe
from inkdigits.data.source import load_dataset
from inkdigits.errors import UsageError


def fetch(out: Path | None) -> None:
    """Fetch what is missing and say where everything lies."""
    folder = mnist.fetch(out)
    typer.echo(f"MNIST is complete and verified in {folder}")


def verify(folder: Path | None) -> None:
    """Check the SHA-256 of each of the four files and print a line for each."""
    place = folder or mnist.given_folder() or mnist.cache_folder()
    for file in mnist.FILES:
        content = mnist.read_verified(place, file)
        typer.echo(f"{file.name}  {len(content):>10,} bytes  SHA-256 {file.sha256[:12]}…  right")
    dataset = mnist.load_folder(place)
    typer.echo(
        f"{place}: MNIST, {len(dataset.train):,} train and {len(dataset.test):,} test images"
    )


def explore(source: str, out: Path, indices: str | None, seed: int, as_json: bool) -> None:
    """Print the figures of both splits and save the grid."""
    from inkdigits.evaluation.plots import plot_grid, save_png

    wanted = parse_indices(indices)
    dataset = load_dataset(source)
    chosen = choose(dataset.train, 9, seed=seed, indices=wanted)
    save_png(plot_grid(dataset.train.images[chosen], dataset.train.labels[chosen]), out)
    found = describe(dataset) | {"grid": str(out), "indices": chosen.tolist()}
    typer.echo(json.dumps(found) if as_json else as_text(found))


def parse_indices(text: str | None) -> list[int] | None:
    """Return `0,1,2` as a list of nine at most; raises UsageError for anything else."""
    if text is None:
        return None
    try:
        indices = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--indices takes whole numbers, got {text!r}.") from error
    if len(indices) > 9:
        raise UsageError(f"--indices takes up to nine numbers, got {len(indices)}.")
    return indices


def as_text(found: dict[str, Any]) -> str:
    """Return the figures as a person reads them."""
    lines = [f"{found['name']}  (SHA-256 {found['sha256'][:12]}…)"]
    for split in ("train", "test"):
        part = found[split]
        low, high = part["value_range"]
        lines += [
            f"{split}: {part['n']:,} images, shape {tuple(part['image_shape'])}, "
            f"{part['image_dtype']}, values {low}–{high}, mean {part['value_mean']}, "
            f"{part['blank_images']} blank",
            f"  labels {part['label_dtype']}, {part['label_range'][0]}–{part['label_range'][1]}",
            *balance_lines(part["per_digit"], part["n"]),
        ]
    lines.append(f"grid of training images {found['indices']}: {found['grid']}")
    return "\n".join(lines)


def balance_lines(per_digit: list[int], n: int) -> list[str]:
    """Return a line with a bar for each digit."""
    widest = max(per_digit) or 1
    return [
        f"  {digit}  {count:>6,}  {count / n:6.2%}  {'█' * round(30 * count / widest)}"
        for digit, count in enumerate(per_digit)
    ]
