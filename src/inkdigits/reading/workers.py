"""Workers: processes that read images side by side, and are replaced when they die.

Each has a reader of its own and answers image by image, so that the parent knows in which image a
worker died. That one is tried again, alone, in a fresh worker; what dies twice is an error.
"""

from __future__ import annotations

import json
import signal
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import connection, get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from inkdigits.errors import CannotWrite, InkdigitsError, ModelRefused, one_line
from inkdigits.reading.reader import Reader
from inkdigits.reading.result import Reading
from inkdigits.reading.settings import ReaderSettings

CHUNK = 16
"""Images that a worker gets at a time, at most: few enough to be even, enough to keep it busy."""
TICK_SECONDS = 0.05
IMAGE_SECONDS = 600.0
"""A worker that takes longer over one image hangs. Decoding alone ends after 30 s."""
FAILED_STARTS = 3
GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """One image to read: which input it is, its path, and where its drawing goes, if anywhere.

    With `content`, its bytes, the path is only its name.
    """

    index: int
    name: str
    drawing: Path | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A reading as one line of JSON."""

    index: int
    status: str
    line: bytes


def work(pipe: connection.Connection, settings: ReaderSettings) -> None:
    """Read what comes by `pipe` until it closes: the life of a worker.

    Sends None when ready, then an `Answer` an image, or an InkdigitsError that ends the job.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    import cv2

    cv2.setNumThreads(1)
    with suppress(OSError, EOFError):  # the parent is gone, or wants no more
        try:
            reader = settings.reader()
            pipe.send(None)
            while True:
                for task in pipe.recv():
                    pipe.send(answered(reader, task))
        except InkdigitsError as error:
            pipe.send(error)


def answered(reader: Reader, task: Task) -> Answer:
    """Return the answer to one task, whatever happens.

    Raises what would happen to all others too: ModelRefused, and CannotWrite for its drawing.
    """
    source = Path(task.name) if task.content is None else task.content
    try:
        reading = reader.read_or_error(source, task.name)
        if task.drawing is not None and reading.status != "error":
            from inkdigits.reading.annotate import draw_reading

            draw_reading(source, reading, task.drawing)
    except (ModelRefused, CannotWrite):
        raise
    except InkdigitsError as error:  # a PDF, say, without the package that reads it
        reading = error_reading(task, str(error))
    except Exception as error:  # noqa: BLE001 - a fault in one image must not stop the rest
        text = one_line(str(error)) or "no more is known"
        reading = error_reading(task, f"unexpected {type(error).__name__}: {text}.")
    return answer_of(task, reading)


def answer_of(task: Task, reading: Reading) -> Answer:
    """Return a reading as the line that the journal keeps."""
    return Answer(task.index, reading.status, json.dumps(reading.to_dict()).encode() + b"\n")


def error_reading(task: Task, error: str) -> Reading:
    """Return the reading of an image that could not be read."""
    return Reading(task.name, "error", "", 0.0, (), error=error)


@dataclass(eq=False)
class Worker:
    """One process as its parent sees it."""

    process: SpawnProcess
    pipe: connection.Connection
    # What it gets before anything else: an image in which another worker died.
    first: list[Task] = field(default_factory=list)
    ready: bool = False
    waiting: deque[Task] = field(default_factory=deque)
    refill_at: int = 0
    since: float = 0.0
    hangs: bool = False

    def takes_more(self) -> bool:
        """Return whether it should get more now. What it got before, it has taken by then."""
        return self.ready and len(self.waiting) <= self.refill_at

    def give(self, tasks: list[Task]) -> None:
        """Send it `tasks`; that it is dead already shows when it is listened to."""
        if not self.waiting:
            self.since = time.monotonic()
        self.waiting.extend(tasks)
        self.refill_at = len(tasks) // 2
        with suppress(OSError):
            self.pipe.send(tasks)


class Crew:
    """`size` workers that carry out `n` tasks; `answers` runs them.

    Memory does not grow with `n`: a task is asked for when a worker has room for it.
    """

    def __init__(self, tasks: Iterable[Task], n: int, settings: ReaderSettings, size: int) -> None:
        self._tasks = iter(tasks)
        self._left = n
        self._again: deque[Task] = deque()
        self._settings = settings
        self._size = size
        self._workers: list[Worker] = []
        self._suspects: set[int] = set()
        self._failed_starts = 0

    def answers(self) -> Generator[Answer | None, None, None]:
        """Yield every answer as it comes, and None whenever nothing came for a moment.

        Raises what ends the whole job: ModelRefused, UsageError, CannotWrite, and InkdigitsError
        when workers cannot be started at all. The workers end with this generator.
        """
        try:
            for _ in range(self._size):
                self._start([])
            while self._workers:
                pipes = {worker.pipe: worker for worker in self._workers}
                heard = connection.wait(list(pipes), TICK_SECONDS)
                for pipe in heard:
                    yield from self._listen(pipes[pipe])  # type: ignore[index]
                if not heard:
                    yield None
                self._end_hanging()
        finally:
            self._stop()

    def _listen(self, worker: Worker) -> Iterator[Answer]:
        """Take in one message of a worker, and give it more to do."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._replace(worker)
            return
        if isinstance(message, InkdigitsError):
            raise message
        if message is None:
            worker.ready, self._failed_starts = True, 0
        else:
            worker.waiting.popleft()
            worker.since = time.monotonic()
            yield message
        self._feed(worker)

    def _feed(self, worker: Worker) -> None:
        """Give a worker what there is to do, or dismiss it."""
        if not worker.takes_more():
            return
        tasks = worker.first or self._next_tasks()
        worker.first = []
        if tasks:
            worker.give(tasks)
        elif not worker.waiting:
            self._workers.remove(worker)
            worker.pipe.close()
            worker.process.join(GRACE_SECONDS)

    def _next_tasks(self) -> list[Task]:
        """Return the next tasks for one worker: ever fewer, so that all end together."""
        n = min(CHUNK, max(1, self._left // (4 * self._size)))
        tasks = [self._again.popleft() for _ in range(min(n, len(self._again)))]
        tasks += islice(self._tasks, n - len(tasks))
        self._left -= len(tasks)
        return tasks

    def _replace(self, worker: Worker) -> Iterator[Answer]:
        """Put another in the place of a worker that died, and save what it had to do."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        first = worker.first
        if not worker.ready:
            self._count_failed_start(worker)
        elif worker.waiting:
            task = worker.waiting.popleft()
            self._again.extendleft(reversed(worker.waiting))
            self._left += len(worker.waiting)
            if task.index in self._suspects:
                yield answer_of(task, error_reading(task, why_no_reading(worker)))
            else:
                self._suspects.add(task.index)
                first = [task]
        if first or self._left:
            self._start(first)

    def _count_failed_start(self, worker: Worker) -> None:
        """Count a worker that died before it could read; raises InkdigitsError after a few."""
        self._failed_starts += 1
        if self._failed_starts >= FAILED_STARTS:
            raise InkdigitsError(
                f"the worker processes end as soon as they start: {how_it_ended(worker)}.",
                "Is there enough memory? A script that starts this needs "
                "`if __name__ == '__main__':`.",
            )

    def _start(self, first: list[Task]) -> None:
        """Start a worker."""
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self._settings), daemon=True)
        with interrupts_held():
            process.start()
        theirs.close()
        self._workers.append(Worker(process, ours, first))

    def _end_hanging(self) -> None:
        """Kill workers that take too long over one image; the rest is as with any that died."""
        for worker in self._workers:
            if worker.waiting and time.monotonic() - worker.since > IMAGE_SECONDS:
                worker.hangs = True
                worker.process.kill()

    def _stop(self) -> None:
        """End all workers: at once those that wait, others after their image or a moment."""
        for worker in self._workers:
            worker.pipe.close()
        until = time.monotonic() + GRACE_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
            worker.process.join()
        self._workers.clear()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back: a process started meanwhile never hears it, this one hears it after."""
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    before = mask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)


def why_no_reading(worker: Worker) -> str:
    """Return the error of an image in which two workers died."""
    if worker.hangs:
        return f"reading it takes more than {IMAGE_SECONDS:g} s, the limit."
    return f"reading it ends the process, twice: {how_it_ended(worker)}. Is there enough memory?"


def how_it_ended(worker: Worker) -> str:
    """Return how a process ended: `SIGKILL` or `exit code 1`."""
    code: Any = worker.process.exitcode
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
