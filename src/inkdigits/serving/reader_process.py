"""A process that reads images for the service: jobs come by standard input, answers go out.

It knows nothing of HTTP. That it is a process of its own lets images be read on all cores, and an
image that kills its reader takes no other request with it.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, BinaryIO, Literal, TypeAlias

from inkdigits.errors import InkdigitsError, InputError, ModelRefused, one_line
from inkdigits.reading.result import Spot
from inkdigits.serving.settings import ServiceSettings

BLANK_PAGE = b"P5 8 8 255 " + bytes([255] * 64)
"""What a process reads before it says that it is ready."""
KEPT_READERS = 32
BEHIND_THE_FRONT = 5
"""So much nicer than the front, which must take, refuse and answer while all cores read."""
UNREADABLE = 422
FAULT = 500
Wanted: TypeAlias = Literal["reading", "picture", "view", "view and texts"]
"""The reading; every stage as a PNG; a place as a person looks at it, and what it may say."""


@dataclass(frozen=True)
class Options:
    """What a request asks of the reader, as on the command line."""

    layout: str = "auto"
    length: int | None = None
    pattern: str | None = None
    checksum: str | None = None
    max: int | None = None
    top: int = 1
    target_error: float | None = None


@dataclass(frozen=True)
class Job:
    """One image, what it is called, and what is wanted of it; of a view, at which spot."""

    name: str
    content: bytes
    options: Options = Options()
    wanted: Wanted = "reading"
    spot: Spot | None = None


@dataclass(frozen=True)
class Answer:
    """What became of a job: an HTTP status and a body: JSON, PNG, or of a view a line of JSON, PNG.

    `result` is ok, why it was rejected, or error; `confidence`, 0–1, is that of a reading. A `hint`
    stands beside the message of an error that is not about the image; the body is that message.
    """

    status: int
    body: bytes
    result: str
    confidence: float = 0.0
    hint: str | None = None


Message = dict[str, Any] | InkdigitsError | list[Answer]
"""What a process says: the model's metadata when it is ready, or why it never is, or answers."""


def run(settings: ServiceSettings, jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer lists of jobs until there are no more: the life of a process."""
    # Whoever stops the service stops its front, which lets this process finish.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        os.nice(BEHIND_THE_FRONT)
    import cv2

    cv2.setNumThreads(1)
    try:
        readers = Readers(settings)
        say(answers, readers.metadata)
    except InkdigitsError as error:
        say(answers, error)
        return
    while True:
        try:
            batch: Sequence[Job] = pickle.load(jobs)
        except EOFError:
            return
        say(answers, readers.answers(batch))


def say(answers: BinaryIO, message: Message) -> None:
    """Send one message."""
    pickle.dump(message, answers, pickle.HIGHEST_PROTOCOL)
    answers.flush()


class Readers:
    """Readers with the same models, one for each set of options that was asked for."""

    def __init__(self, settings: ServiceSettings) -> None:
        import numpy as np

        from inkdigits.imaging.limits import Limits
        from inkdigits.reading.reader import Reader

        limits = Limits(
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            max_seconds=settings.max_seconds,
        )
        self._limits = limits
        self._first = Reader(settings.model, threads=1, limits=limits)
        self._first.read_or_error(BLANK_PAGE)
        # A blank page asks no network: nobody shall wait for one to be loaded.
        self._first.predict_proba(np.zeros((1, 28, 28), np.uint8))
        self._by_options = lru_cache(KEPT_READERS)(self._make)
        self.metadata = asdict(self._first.metadata)

    def answers(self, jobs: Sequence[Job]) -> list[Answer]:
        """Return the answer to each job: readings of equal options share the network's runs."""
        kinds = {(job.options, job.wanted) for job in jobs}
        if len(kinds) == 1 and jobs[0].wanted == "reading":
            return guarded(lambda: self._read(jobs), len(jobs)) or [self._alone(j) for j in jobs]
        return [self._alone(job) for job in jobs]

    def _alone(self, job: Job) -> Answer:
        """Return the answer to one job, whatever happens."""
        if job.wanted == "picture":
            return told(lambda: self._draw(job))
        if job.wanted != "reading":
            return told(lambda: self._view(job))
        return told(lambda: self._read([job])[0])

    def _read(self, jobs: Sequence[Job]) -> list[Answer]:
        reader = self._by_options(jobs[0].options)
        readings = reader.read_together([(job.content, job.name) for job in jobs])
        return [
            Answer(
                UNREADABLE if reading.error is not None else 200,
                json.dumps(reading.to_dict()).encode(),
                reading.reason or reading.status,
                reading.confidence,
            )
            for reading in readings
        ]

    def _draw(self, job: Job) -> Answer:
        from inkdigits.reading.inspect import draw_stages

        stages = self._by_options(job.options).stages(job.content, job.name)
        encoded = io.BytesIO()
        draw_stages(stages).save(encoded, "PNG")
        return Answer(200, encoded.getvalue(), "picture")

    def _view(self, job: Job) -> Answer:
        from inkdigits.reading.view import view

        reader = self._by_options(job.options)
        texts = job.wanted == "view and texts"
        head, png = view(reader, job.content, self._limits, job.spot, texts)
        return Answer(200, json.dumps(head).encode() + b"\n" + png, "view")

    def _make(self, options: Options) -> Any:
        """Return a reader for `options`; raises UsageError."""
        from inkdigits.reading.constraints import Constraints

        asked = Constraints(options.length, options.pattern, options.checksum, options.max)
        layout: Any = options.layout
        return self._first.with_options(layout, asked, options.top, options.target_error)


def guarded(read: Callable[[], list[Answer]], n: int) -> list[Answer] | None:
    """Return what `read` does, None where it fails and there is more than one image to blame."""
    try:
        return read()
    except Exception as error:  # noqa: BLE001 (each image is asked alone then)
        return None if n > 1 else [failure(error)]


def told(answer: Callable[[], Answer]) -> Answer:
    """Return an answer, or the one that tells why there is none."""
    try:
        return answer()
    except Exception as error:  # noqa: BLE001 (a fault in one image must not end the process)
        return failure(error)


def failure(error: Exception) -> Answer:
    """Return the answer that tells of an error."""
    if isinstance(error, InkdigitsError):
        status = FAULT if isinstance(error, ModelRefused) else int(error.http_status)
        result = "error" if isinstance(error, InputError) else "refused"
        return Answer(status, error.message.encode(), result, hint=error.hint)
    message = f"unexpected {type(error).__name__}: {one_line(str(error)) or 'no more is known'}."
    return Answer(FAULT, message.encode(), "error", hint="Please report it.")


def main() -> None:
    """Read settings and jobs from standard input; the service starts this as a process."""
    settings = pickle.load(sys.stdin.buffer)
    answers = sys.stdout.buffer
    # Whatever prints must not get between the answers.
    sys.stdout = sys.stderr
    run(settings, sys.stdin.buffer, answers)
