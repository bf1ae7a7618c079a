"""The verbs of the reading tower, each with its options; and adapt, which closes the circle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inkdigits.cli.app import app, missing, one_thread_each
from inkdigits.cli.options import (
    ChecksumOption,
    ClusterOption,
    HostOption,
    JsonOption,
    LayoutOption,
    LengthOption,
    MaxOption,
    ModelOption,
    PatternOption,
    PortOption,
    TopOption,
)


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
