"""`inkdigits read`: images in, readings out, one line each, in input order."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from inkdigits.artefact.selective import Selection
from inkdigits.errors import ExitCode, UsageError
from inkdigits.imaging.decode import DEFAULT_LIMITS, Source
from inkdigits.reading.reader import Reader
from inkdigits.reading.result import Reading

STANDARD_INPUT = "-"
LAYOUTS = ("digit",)


def read(
    images: list[str],
    model: Path | None,
    layout: str,
    as_json: bool,
    target_error: float | None = None,
) -> int:
    """Read each of `images` and write its reading to stdout; return the exit code.

    `-` is standard input. An unusable image gets its own row with status `error` and a line on
    stderr, never stops the rest, and makes the exit code 3. What `target_error` (0–1) costs on val
    is told on stderr. Raises UsageError, ModelRefused.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"unknown layout {layout!r}.", f"Choose one of: {', '.join(LAYOUTS)}.")
    if not images:
        raise UsageError("no images to read.", "Name at least one, or - for standard input.")
    reader = Reader(model, target_error=target_error)
    if reader.selection is not None:
        sys.stderr.write(f"inkdigits: {explain(reader.selection)}\n")
    code = ExitCode.DONE
    for name in images:
        reading = reader.read_or_error(source_of(name), name)
        report(reading, as_json)
        if reading.status == "error":
            code = ExitCode.INPUT
    return code


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
    if not name:
        raise UsageError("the name of an image is empty.", "Is a variable unset in your shell?")
    if name != STANDARD_INPUT:
        return Path(name)
    return sys.stdin.buffer.read(DEFAULT_LIMITS.max_bytes + 1)


def report(reading: Reading, as_json: bool) -> None:
    """Write one reading to stdout, and its error, if any, to stderr."""
    if reading.error is not None:
        sys.stderr.write(f"inkdigits: error: {reading.image}: {reading.error}\n")
    if as_json:
        sys.stdout.write(json.dumps(reading.to_dict()) + "\n")
    elif reading.error is None:
        sys.stdout.write(f"{reading.image}: {in_words(reading)}\n")


def in_words(reading: Reading) -> str:
    """Return a reading as a person wants it: `7 (99.8 %)` or `rejected (blank)`."""
    if reading.status == "rejected":
        return f"rejected ({reading.reason})"
    return f"{' '.join(reading.text.split())} ({reading.confidence:.1%})".replace("%", " %")
