"""`inkdigits read`: images in, readings out, one line each, in input order."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inkdigits.artefact.selective import Selection
from inkdigits.errors import ExitCode, UsageError
from inkdigits.imaging.decode import DEFAULT_LIMITS, Source
from inkdigits.reading.cores import cores
from inkdigits.reading.inputs import STANDARD_INPUT, Input, drawing_paths, find_inputs
from inkdigits.reading.reader import Reader
from inkdigits.reading.result import Reading
from inkdigits.reading.settings import ReaderSettings


@dataclass(frozen=True)
class Output:
    """Where readings go: to stdout in words, JSON or CSV, or to `out`; and drawings to a folder."""

    as_json: bool = False
    as_csv: bool = False
    out: Path | None = None
    annotate: Path | None = None

    def check(self) -> None:
        """Raise UsageError when the wishes exclude each other."""
        chosen = [
            name
            for name, wanted in (
                ("--json", self.as_json),
                ("--csv", self.as_csv),
                ("--out", self.out is not None),
            )
            if wanted
        ]
        if len(chosen) > 1:
            raise UsageError(
                f"{' and '.join(chosen)} exclude each other.",
                "The suffix of --out chooses its format; without --out readings go to stdout.",
            )


def check_column(column: str | None) -> None:
    """Raise UsageError for a column where no table is read."""
    if column is not None:
        raise UsageError(
            f"--column {column!r} is for Parquet sources, which only --cluster reads.",
            "Add --cluster local to read them on this machine.",
        )


def check_cluster(out: str | None, as_json: bool, as_csv: bool) -> None:
    """Raise UsageError unless the readings of a cluster go to a folder."""
    if not out or as_json or as_csv:
        raise UsageError(
            "--cluster writes Parquet files into a folder, nothing to stdout.",
            "Name the folder with --out, without --json and --csv.",
        )


def read(images: list[str], settings: ReaderSettings, output: Output) -> int:
    """Read each of `images`, and all images in those that are folders; return the exit code.

    `-` is standard input. An unusable image gets its own row with status `error` and a line on
    stderr, never stops the rest, and makes the exit code 3. What a target error costs on val is
    told on stderr. Raises UsageError, ModelRefused, CannotWrite.
    """
    output.check()
    if not images:
        raise UsageError("no images to read.", "Name at least one, or - for standard input.")
    inputs = find_inputs(images, without=output.annotate)
    reader = settings.reader(at_once=cores())
    tell_selection(reader)
    if output.out is None:
        return read_to_stdout(inputs, reader, output)
    from inkdigits.cli.read_folder import read_to_table

    return read_to_table(inputs, output.out, settings, output.annotate)


def read_to_stdout(inputs: list[Input], reader: Reader, output: Output) -> int:
    """Read one by one and write each reading as it comes; return the exit code."""
    drawings = drawing_paths(inputs, output.annotate) if output.annotate is not None else []
    write = reporter(output)
    code = ExitCode.DONE
    for index, image in enumerate(inputs):
        source = source_of(image.name)
        reading = reader.read_or_error(source, image.name)
        if reading.error is not None:
            sys.stderr.write(f"inkdigits: error: {reading.image}: {reading.error}\n")
            code = ExitCode.INPUT
        write(reading)
        if drawings and reading.error is None:
            from inkdigits.reading.annotate import draw_reading

            draw_reading(source, reading, drawings[index])
    return code


def reporter(output: Output) -> Callable[[Reading], None]:
    """Return what writes one reading to stdout, in the form that is wanted."""
    if output.as_csv:
        from inkdigits.reading.table_file import CsvTable

        table = CsvTable(sys.stdout)
        return lambda reading: table.write([reading.to_dict()])
    return write_json if output.as_json else write_words


def write_json(reading: Reading) -> None:
    """Write one reading as a line of JSON."""
    sys.stdout.write(json.dumps(reading.to_dict()) + "\n")


def write_words(reading: Reading) -> None:
    """Write one reading for a person; what could not be read is on stderr already."""
    if reading.error is None:
        sys.stdout.write(f"{reading.image}: {in_words(reading)}\n")


def tell_selection(reader: Reader) -> None:
    """Tell on stderr what a target error costs on val, where there is one."""
    if reader.selection is not None:
        sys.stderr.write(f"inkdigits: {explain(reader.selection)}\n")


def explain(selection: Selection) -> str:
    """Return in one line which threshold was chosen and what it costs and brings on val."""
    return (
        f"confidence below {selection.threshold:.6g} is rejected as unsure: on val that reads "
        f"{selection.coverage:.2%} ({in_percent(selection.coverage_interval)}) of {selection.n}, "
        f"{selection.error:.3%} ({in_percent(selection.error_interval)}) of them wrong, "
        f"for a target of {selection.target_error:.3%}; in brackets 95% intervals."
    ).replace("%", " %")


def in_percent(interval: tuple[float, float]) -> str:
    """Return an interval of shares as a person reads it: `0.016% – 0.094%`."""
    return " – ".join(f"{share:.3%}" for share in interval)


def source_of(name: str) -> Source:
    """Return what `name` stands for: a path, or the bytes that come by standard input."""
    if name != STANDARD_INPUT:
        return Path(name)
    return sys.stdin.buffer.read(DEFAULT_LIMITS.max_bytes + 1)


def in_words(reading: Reading) -> str:
    """Return a reading as a person wants it: `7 (99.8 %)` or `rejected (blank)`.

    The other texts that were asked for stand behind: `2348 (97.1 %), 2343 (1.9 %)`.
    """
    if reading.status == "rejected":
        return f"rejected ({reading.reason})"
    words = f"{' '.join(reading.text.split())} ({reading.confidence:.1%})"
    if len(reading.numbers) == 1:
        others = reading.numbers[0].alternatives
        words += "".join(f", {other.text} ({other.confidence:.1%})" for other in others)
    return words.replace("%", " %")
