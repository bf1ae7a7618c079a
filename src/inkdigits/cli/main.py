"""The parser, and the one place where exceptions become exit codes.

Results go to stdout; progress, warnings and errors go to stderr. An error is one line: what was
wrong, the value received, what to do next. `--debug` shows the traceback.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from inkdigits import __version__
from inkdigits.errors import ExitCode, InkdigitsError, MissingExtra, one_line

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

DataOption = Annotated[
    str | None,
    typer.Option("--data", help="auto, mnist, digits, or a folder (IDX files or labelled images)."),
]
OverridesOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe; repeatable."),
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")]
HostOption = Annotated[str, typer.Option("--host", help="The address to listen at.")]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")]
ModelOption = Annotated[
    Path | None, typer.Option("--model", help="An ONNX artefact (default: the bundled model).")
]
LayoutOption = Annotated[
    str, typer.Option("--layout", help="What an image holds: auto, digit, line or page.")
]
LengthOption = Annotated[
    int | None, typer.Option("--length", metavar="N", help="A number has so many digits.")
]
PatternOption = Annotated[
    str | None, typer.Option("--pattern", metavar="REGEX", help="A number matches this, whole.")
]
ChecksumOption = Annotated[
    str | None, typer.Option("--checksum", metavar="NAME", help="A number passes this: luhn, ean …")
]
MaxOption = Annotated[
    int | None, typer.Option("--max", metavar="N", help="A number is at most this.")
]
TopOption = Annotated[
    int, typer.Option("--top", metavar="K", help="Tell so many texts of each number (--json).")
]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="On this Ray cluster; local starts one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


# What writing to a closed or full stdout raises; every other file has an error of its own.
STDOUT_ERRORS = {errno.EPIPE, errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO}


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


@app.command("read")
def read(  # noqa: PLR0913, PLR0917 (each is an option of the command)
    images: Annotated[
        list[str], typer.Argument(help="Image files and folders; - is standard input.")
    ],
    layout: LayoutOption = "auto",
    model: ModelOption = None,
    as_json: JsonOption = False,
    target_error: Annotated[
        float | None,
        typer.Option(
            "--target-error", metavar="P", help="Reject so much that at most this share is wrong."
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with a header.")] = False,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write a .csv, .jsonl or .parquet on all cores; continues after a kill.",
        ),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option("--annotate", metavar="DIR", help="Draw each reading on its image, here."),
    ] = None,
    length: LengthOption = None,
    pattern: PatternOption = None,
    checksum: ChecksumOption = None,
    largest: MaxOption = None,
    top: TopOption = 1,
    cluster: ClusterOption = None,
    column: Annotated[
        str | None,
        typer.Option(
            "--column", metavar="NAME", help="Of the images in Parquet sources (--cluster)."
        ),
    ] = None,
) -> int:
    """Read the digits and numbers in each image.

    With --cluster, sources may also be URLs and Parquet files, and --out is a folder.
    """
    one_thread_each()
    from inkdigits.cli import read as verb
    from inkdigits.reading.constraints import Constraints
    from inkdigits.reading.settings import ReaderSettings

    constraints = Constraints(length, pattern, checksum, largest)
    settings = ReaderSettings(model, target_error, layout, constraints, top)
    if cluster is None:
        place = None if out is None else Path(out)
        verb.check_column(column)
        return verb.read(images, settings, verb.Output(as_json, as_csv, place, annotate))
    verb.check_cluster(out, as_json, as_csv)
    try:
        from inkdigits.cli import read_cluster
    except ModuleNotFoundError as error:
        raise missing("cluster", error) from error

    return read_cluster.read(images, str(out), settings, cluster, column, annotate)


@app.command("serve")
def serve(  # noqa: PLR0913, PLR0917 (each is an option of the command)
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    model: ModelOption = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key", envvar="INKDIGITS_API_KEY", help="Ask each request for this key."
        ),
    ] = None,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="N", help="Bytes of a request, at most.")
    ] = 16 * 1024 * 1024,
    max_files: Annotated[
        int, typer.Option("--max-files", metavar="N", help="Images of a request, at most.")
    ] = 32,
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", metavar="N", help="Pixels of an image, at most.")
    ] = 50_000_000,
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", help="A request must have arrived by then.")
    ] = 10.0,
    workers: Annotated[
        int, typer.Option("--workers", help="Images read at once (default: all cores).")
    ] = 0,
    queue: Annotated[
        int, typer.Option("--queue", help="Requests that may wait; more are refused.")
    ] = 64,
) -> int:
    """Serve the reader over HTTP, with a page to draw on."""
    one_thread_each()
    from inkdigits.serving.crew import Crew
    from inkdigits.serving.settings import ServiceSettings

    settings = ServiceSettings(
        model, api_key, max_bytes, max_files, max_pixels, max_seconds, workers, queue
    )
    with Crew(settings) as crew:  # gets ready while the rest is imported
        try:
            from inkdigits.cli import serve as verb
        except ModuleNotFoundError as error:
            raise missing("serve", error) from error

        return verb.serve(host, port, settings, crew)


@app.command("page")
def page(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder to write; new, or empty.")
    ],
    model: ModelOption = None,
) -> None:
    """Write the page as files for any static host: it reads single digits in the browser alone."""
    from inkdigits.cli import page as verb

    verb.page(out, model)


@app.command("review")
def review(  # noqa: PLR0913, PLR0917 (each is an option of the command)
    results: Annotated[Path, typer.Argument(help="What `read FOLDER --out` wrote.")],
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Write corrected results: .csv, .jsonl or .parquet."),
    ] = None,
    export_labels: Annotated[
        Path | None,
        typer.Option("--export-labels", metavar="DIR", help="Write a folder of labelled images."),
    ] = None,
    target_error: Annotated[
        float,
        typer.Option("--target-error", metavar="P", help="The share of wrong readings to reach."),
    ] = 0.01,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    model: ModelOption = None,
    layout: LayoutOption = "auto",
    length: LengthOption = None,
    pattern: PatternOption = None,
    checksum: ChecksumOption = None,
    largest: MaxOption = None,
) -> int:
    """Look over a folder job's readings by keyboard, doubtful ones first, and correct them.

    Model, layout and constraints are those that the results were read with.
    """
    one_thread_each()
    from inkdigits.cli import review as verb

    wanted = verb.Exports(export, export_labels)
    if wanted:
        return verb.export(results, wanted)
    from inkdigits.reading.constraints import Constraints
    from inkdigits.review.decisions import Decisions, decisions_path
    from inkdigits.review.desk import Desk
    from inkdigits.serving.crew import Crew
    from inkdigits.serving.reader_process import Options

    verb.check(target_error, layout)
    Constraints(length, pattern, checksum, largest)  # raises what is wrong with them
    options = Options(layout, length, pattern, checksum, largest, top=verb.TEXTS)
    settings = verb.settings_with(model)
    items = verb.items_here(results)
    # The crew gets ready while the rest is imported.
    with Decisions(decisions_path(results)) as decisions, Crew(settings) as crew:
        try:
            from inkdigits.cli import review_serve
        except ModuleNotFoundError as error:
            raise missing("serve", error) from error

        desk = Desk(items, decisions)
        return review_serve.serve(results, desk, host, port, options, target_error, settings, crew)


@app.command("adapt")
def adapt(
    folder: Annotated[
        Path, typer.Argument(help="FOLDER/<digit>/* or images beside a labels.csv: file, label.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The ONNX file to write.")],
    model: ModelOption = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed of all that is random.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Teach a model your own digits or numbers, and keep it only where it reads them better.

    Broken off, the same command continues.
    """
    from inkdigits.cli import adapt as verb

    verb.adapt(folder, out, model, seed, as_json)


@app.command("inspect")
def inspect(
    image: Annotated[str, typer.Argument(help="An image file; - is standard input.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The PNG to write.")],
    model: ModelOption = None,
    layout: LayoutOption = "auto",
    length: LengthOption = None,
    pattern: PatternOption = None,
    checksum: ChecksumOption = None,
    largest: MaxOption = None,
) -> None:
    """Draw every stage from the image to the text."""
    one_thread_each()
    from inkdigits.cli import inspect as verb
    from inkdigits.reading.constraints import Constraints

    verb.inspect(image, out, model, layout, Constraints(length, pattern, checksum, largest))


@app.command("check")
def check(
    as_json: JsonOption = False,
) -> int:
    """Test this installation: packages, bundled model, data."""
    from inkdigits.cli import check as verb

    return verb.check(as_json)


def one_thread_each() -> None:
    """Keep OpenBLAS and OpenCV from starting threads, unless the user has set how many.

    Their jobs are too small to share, and on a busy machine threads wait for each other. Both look
    at this once, when they are imported.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ.setdefault(name, "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; the only place that catches everything."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    warnings.showwarning = show_warning
    keep_odd_names_printable()
    try:
        code = int(run(given) or ExitCode.DONE)
        # Typer catches Ctrl-C itself and returns its code.
        return interrupted() if code == ExitCode.INTERRUPTED else code
    except (KeyboardInterrupt, typer.Abort):
        return interrupted()
    except SystemExit:
        # Typer leaves this way at a closed pipe, and at nothing else.
        return fail(BrokenPipeError(errno.EPIPE, "stdout was closed"))
    except Exception as error:  # the single handler turns every error into a code
        if debug:
            raise
        return fail(error)


def keep_odd_names_printable() -> None:
    """Let stdout escape what it cannot encode: a file's name need not be valid text."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def run(arguments: list[str]) -> Any:
    """Parse and carry out; options that belong to the program may stand anywhere."""
    ordered = ["--debug"] if "--debug" in arguments else []
    ordered += [argument for argument in arguments if argument != "--debug"]
    command = typer.main.get_command(app)
    code = command.main(args=ordered, prog_name="inkdigits", standalone_mode=False)
    sys.stdout.flush()
    return code


def fail(error: Exception) -> int:
    """Tell of `error` in one line on stderr and return its exit code."""
    if isinstance(error, typer.TyperException) and is_help(error):
        sys.stderr.write(f"{error}\n")
        return int(ExitCode.USAGE)
    code, message = explain(error)
    sys.stderr.write(f"inkdigits: error: {message}\n")
    return int(code)


def missing(extra: str, error: ModuleNotFoundError) -> MissingExtra:
    """Return the error for a verb whose `extra` is not installed."""
    return MissingExtra(
        f"the package {error.name!r} is not installed.",
        f'Install what this verb needs with: pip install "inkdigits[{extra}]"',
    )


def explain(error: Exception) -> tuple[ExitCode, str]:
    """Return the exit code and the one line for an exception of any kind."""
    if isinstance(error, InkdigitsError):
        return error.exit_code, str(error)
    if isinstance(error, typer.TyperException):
        return ExitCode.USAGE, f"{one_line(usage_message(error))} See `inkdigits --help`."
    if isinstance(error, OSError) and error.errno in STDOUT_ERRORS:
        return ExitCode.CANNOT_WRITE, explain_os_error(error)
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("inkdigits"):
        hint = 'Install what this verb needs with: pip install "inkdigits[train]"'
        return ExitCode.USAGE, f"the package {error.name!r} is not installed. {hint}"
    if isinstance(error, MemoryError):
        return ExitCode.FAULT, "out of memory."
    line = f"unexpected {type(error).__name__}: {one_line(str(error))}"
    return ExitCode.FAULT, f"{line}. Run again with --debug, and report it."


def explain_os_error(error: OSError) -> str:
    """Return the line for an error of the operating system, as at a closed or full stdout."""
    discard_stdout()
    if isinstance(error, BrokenPipeError):
        return "stdout was closed before everything was written."
    return f"{one_line(str(error))}. Check the disk and the path."


def is_help(error: typer.TyperException) -> bool:
    """Return whether the parser answers a call without arguments by the help text."""
    return type(error).__name__ == "NoArgsIsHelpError"


def usage_message(error: typer.TyperException) -> str:
    """Return what the parser complains about, without a second full stop."""
    format_message = getattr(error, "format_message", error.__str__)
    return str(format_message()).rstrip(".?") + ("?" if str(error).endswith("?") else ".")


def discard_stdout() -> None:
    """Keep Python from complaining about an unwritable stdout once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def interrupted() -> int:
    """Tell that the user stopped the program."""
    sys.stderr.write("inkdigits: interrupted.\n")
    return int(ExitCode.INTERRUPTED)


def show_warning(message: Warning | str, *_details: Any, **_more: Any) -> None:
    """Show a warning as one line on stderr."""
    sys.stderr.write(f"inkdigits: warning: {one_line(str(message))}\n")


if __name__ == "__main__":
    sys.exit(main())
