"""Folder jobs: many images, all cores, one table; broken off at any moment, it continues.

    read_folder(find_inputs(["scans"]), Path("results.csv"), ReaderSettings())

Each row goes into a journal beside the output as soon as it is there. The output is written from it
at the end, in input order, under a temporary name that is then renamed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inkdigits import __version__
from inkdigits.errors import ModelRefused, UsageError
from inkdigits.files import remove_temporaries, sha256
from inkdigits.reading.cores import cores
from inkdigits.reading.inputs import STANDARD_INPUT, Input, drawing_paths, find_inputs
from inkdigits.reading.journal import MARK, Journal, journal_path
from inkdigits.reading.settings import ReaderSettings
from inkdigits.reading.table_file import check_format, write_table
from inkdigits.reading.workers import Crew, Task

__all__ = ["FolderResult", "ReaderSettings", "find_inputs", "read_folder"]

BUNDLED = Path(__file__).parent / "assets"
IMAGES_A_WORKER = 8
"""Fewer do not pay for starting one more."""

Progress = Callable[[int], None]
"""Gets the number of images that have their row, time and again."""


@dataclass(frozen=True)
class FolderResult:
    """What became of a job: how many images have each status, and where it began.

    `before` rows were in the journal already; `vanished` rows are dropped, since their images are
    no inputs any more.
    """

    counts: Mapping[str, int]
    before: int
    vanished: int


def read_folder(
    inputs: Sequence[Input],
    out: Path,
    settings: ReaderSettings,
    annotate: Path | None = None,
    workers: int | None = None,
    progress: Progress = lambda _done: None,
) -> FolderResult:
    """Read `inputs` into the table `out` (.csv, .jsonl or .parquet), one row each, in their order.

    An image that cannot be read, or ends the process that reads it, has a row with status `error`.
    `annotate` is a folder for a drawing of each reading; `workers` is the number of processes, as
    many as there are cores by default. Called again after it was broken off, it continues. Raises
    UsageError when `out` is there already, has another suffix, or was begun with other settings;
    ModelRefused; CannotWrite when a disk is full, after which it can be continued as well.
    """
    check_format(out)
    if any(image.name == STANDARD_INPUT for image in inputs):
        raise UsageError("standard input cannot be read with --out.", "Name a file or a folder.")
    if out.exists() and not journal_path(out).exists():
        raise already_there(out)
    if workers is not None and workers < 1:
        raise UsageError(f"workers must be at least 1, got {workers}.")
    drawings = None if annotate is None else drawing_paths(inputs, annotate)
    header = header_of(settings, annotate)
    with Journal(journal_path(out), header, [image.name for image in inputs]) as journal:
        before = journal.counts.total()
        # A kill between renaming the output and deleting the journal: all is done.
        if not (journal.finished and out.exists()):
            if out.exists():
                raise UsageError(
                    f"{str(out)!r} is there already, yet {str(journal.path)!r} is not at its end.",
                    "Move the first to continue the second, or choose another --out.",
                )
            progress(before)
            read_missing(inputs, drawings, journal, settings, workers, progress)
            journal.finish()
            remove_temporaries(out)
            write_table(out, journal.rows())
        journal.remove()
        return FolderResult(dict(journal.counts), before, journal.strangers)


def read_missing(
    inputs: Sequence[Input],
    drawings: Sequence[Path] | None,
    journal: Journal,
    settings: ReaderSettings,
    workers: int | None,
    progress: Progress,
) -> None:
    """Read the inputs that have no row yet into the journal."""
    n = journal.n_missing()
    if n == 0:
        return
    tasks = (
        Task(index, inputs[index].name, drawings[index] if drawings else None)
        for index in journal.missing()
    )
    crew = Crew(tasks, n, settings, workers or min(cores(), -(-n // IMAGES_A_WORKER)))
    # Closed at once when anything goes wrong here: the workers end before the error is told.
    with closing(crew.answers()) as answers:
        for answer in answers:
            if answer is not None:
                journal.add(answer.index, answer.status, answer.line)
            journal.tick()
            progress(journal.counts.total())


def header_of(settings: ReaderSettings, annotate: Path | None) -> dict[str, Any]:
    """Return what must be the same for a job to be continued."""
    header = {
        MARK: __version__,
        **asdict(settings),
        "model": model_hash(settings.model),
        "annotate": annotate,
    }
    # As it comes back from the file: a path is text, a tuple a list.
    return dict(json.loads(json.dumps(header, default=str)))


def model_hash(model: Path | None) -> str:
    """Return the SHA-256 of a model file, if any, and all bundled models; raises ModelRefused."""
    files = [*([] if model is None else [model]), *sorted(BUNDLED.glob("*.onnx"))]
    try:
        return sha256(b"".join(file.read_bytes() for file in files))
    except OSError as error:
        raise ModelRefused(f"cannot open the model file {str(model)!r}: {error}.") from error


def already_there(out: Path | str) -> UsageError:
    """Return the UsageError of an output that an earlier job, or something else, has written."""
    return UsageError(
        f"{str(out)!r} is there already, and nothing is left to continue.",
        "Delete it to read anew, or choose another --out.",
    )
