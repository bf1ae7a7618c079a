"""`inkdigits read … --out FILE`: many images on all cores, a progress bar, what to do next."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inkdigits.errors import CannotWrite, ExitCode
from inkdigits.reading.folder import FolderResult, read_folder
from inkdigits.reading.inputs import Input
from inkdigits.reading.journal import journal_path
from inkdigits.reading.settings import ReaderSettings


def read_to_table(
    inputs: list[Input], out: Path, settings: ReaderSettings, annotate: Path | None
) -> int:
    """Read `inputs` into the table `out`, tell the outcome on stderr, return the exit code."""
    try:
        with progress_bar(len(inputs)) as progress:
            result = read_folder(inputs, out, settings, annotate, progress=progress)
    except (KeyboardInterrupt, CannotWrite):
        if journal_path(out).exists():
            tell_kept(journal_path(out))
        raise
    return tell_outcome(result, out)


def tell_kept(place: Path | str) -> None:
    """Tell where the readings of a job are that was broken off."""
    sys.stderr.write(
        f"inkdigits: what was read is kept in {str(place)!r}; the same command continues.\n"
    )


def tell_outcome(result: FolderResult, out: Path | str) -> ExitCode:
    """Tell what became of a job and return the exit code."""
    sys.stderr.write(f"inkdigits: {summary(result, out)}\n")
    return ExitCode.INPUT if result.counts.get("error") else ExitCode.DONE


def summary(result: FolderResult, out: Path | str) -> str:
    """Return in one line what became of a job."""
    counts = {name: result.counts.get(name, 0) for name in ("ok", "rejected", "error")}
    parts = [f"{n:,} {name}" for name, n in counts.items()]
    text = f"{sum(counts.values()):,} images in {str(out)!r}: {', '.join(parts)}"
    if result.before:
        text += f"; {result.before:,} were read before"
    if result.vanished:
        text += f"; {result.vanished:,} readings are left out whose images are gone"
    return f"{text}."


@contextmanager
def progress_bar(n: int) -> Iterator[Callable[[int], None]]:
    """Yield what moves a bar of `n` steps on stderr; nothing is shown where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress("reading", *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", total=n)
        yield lambda done: bar.update(task, completed=done)
