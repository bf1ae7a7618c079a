"""The command line itself: its name and help, options of every verb, what verbs do at first."""

from __future__ import annotations

import os
from copy import copy
from typing import Annotated

import typer

from inkdigits import __version__
from inkdigits.errors import MissingExtra

app = typer.Typer(
    name="inkdigits",
    help="Read handwritten digits, and train, measure and ship the model that does.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
data_app = typer.Typer(
    help="Fetch, verify and look at the data.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(data_app, name="data")


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"inkdigits {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Options of every verb; `debug` is read by `main`, which catches the error."""


def with_only(verb: str) -> typer.Typer:
    """Return the command line without the other verbs, or whole where there is none of this name.

    Building all of them takes 30 ms, a twentieth of `inkdigits read IMAGE`.
    """
    commands = [command for command in app.registered_commands if command.name == verb]
    if not commands:
        return app
    alone = copy(app)
    alone.registered_commands, alone.registered_groups = commands, []
    return alone


def one_thread_each() -> None:
    """Keep OpenBLAS and OpenCV from starting threads, unless the user has set how many.

    Their jobs are too small to share, and on a busy machine threads wait for each other. Both look
    at this once, when they are imported.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ.setdefault(name, "1")


def missing(extra: str, error: ModuleNotFoundError) -> MissingExtra:
    """Return the error for a verb whose `extra` is not installed."""
    return MissingExtra(
        f"the package {error.name!r} is not installed.",
        f'Install what this verb needs with: pip install "inkdigits[{extra}]"',
    )
