"""The desk: where images wait for one of the processes that read them."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from inkdigits.errors import InkdigitsError, NotReady, TooBusy
from inkdigits.serving.crew import Crew, ReaderProcess, end, send, started
from inkdigits.serving.metrics import Metrics
from inkdigits.serving.reader_process import Answer, Job, Message
from inkdigits.serving.settings import ServiceSettings

TOGETHER = 8
"""Images that a process gets at once, at most: more would keep others waiting."""
LARGE = 1 << 16
"""More bytes than a pipe holds: a thread writes them, so that the loop goes on."""
IMAGE_SECONDS = 60.0
"""A process that takes longer over its images hangs; decoding alone ends much sooner."""
DEATHS = 3
"""So many processes die over an image before it is blamed: one or two may have been killed."""


@dataclass(eq=False)
class Wish:
    """A job and its future answer; `deaths` are the processes that died over it."""

    job: Job
    answer: asyncio.Future[Answer]
    deaths: int = 0


class Desk:
    """Gives images to as many processes as there are cores; so many requests may wait."""

    def __init__(
        self, settings: ServiceSettings, metrics: Metrics, crew: Crew | None = None
    ) -> None:
        self._settings, self._metrics = settings, metrics
        self._crew = crew or Crew(settings)
        self._queue: deque[Wish] = deque()
        self._waiting, self._most = 0, settings.queue + settings.threads
        self._draining = self._stopped = False
        self._first = asyncio.Event()
        self.metadata: dict[str, Any] = {}
        self.failure: InkdigitsError | None = None

    def check_ready(self) -> None:
        """Raise NotReady until one image was read, and once the service is about to stop."""
        if self._draining:
            raise NotReady("the service is about to stop.", "Ask again in a moment.")
        if not self._first.is_set():
            raise NotReady("the service is starting.", "Ask again in a moment.")

    @property
    def is_full(self) -> bool:
        """Whether there is no room, in a service that takes requests at all."""
        return self._first.is_set() and not self._draining and not self._has_room

    def too_busy(self) -> TooBusy:
        """Return the error of a request for which there is no room."""
        return TooBusy(f"{self._most} requests are waiting already.", "Ask again later.")

    def check_room(self) -> None:
        """Raise TooBusy while as many requests wait as may: best told before the image is sent."""
        if not self._has_room:
            raise self.too_busy()

    @property
    def _has_room(self) -> bool:
        return self._waiting < self._most

    @property
    def is_ready(self) -> bool:
        """Whether an image was read, so that others can be."""
        return self._first.is_set() and self.failure is None

    @property
    def is_idle(self) -> bool:
        """Whether no request has a place."""
        return self._waiting == 0

    def open(self) -> None:
        """Start the processes, and listen to them from now on."""
        self._loop = asyncio.get_running_loop()
        self._crew.start()
        for process in self._crew.processes:
            self._listen(process)

    async def start(self) -> None:
        """Open, and wait until the first process can read; raises what keeps it from that."""
        self.open()
        await self._first.wait()
        if self.failure is not None:
            raise self.failure

    def drain(self) -> None:
        """Say from now on that the service is about to stop; what was taken is still read."""
        self._draining = True

    async def stop(self) -> None:
        """End the processes, each after what it works on."""
        self._stopped = True
        await asyncio.to_thread(self._crew.end)

    async def answers(self, jobs: Sequence[Job]) -> list[Answer]:
        """Return the answer to each job of a request, in order; raises TooBusy."""
        with self.place():
            return await self.read(jobs)

    async def read(self, jobs: Sequence[Job]) -> list[Answer]:
        """Return the answer to each job of a request that has its place, in order.

        Broken off, it takes back what nobody reads yet.
        """
        wishes = [Wish(job, self._loop.create_future()) for job in jobs]
        self._queue.extend(wishes)
        self._hand_out()
        try:
            answers = [await wish.answer for wish in wishes]
        finally:
            for wish in wishes:
                wish.answer.cancel()
        for answer in answers:
            self._metrics.count(answer)
        return answers

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for as long as a request is received and read; raises TooBusy."""
        self.check_room()
        self._waiting += 1
        self._metrics.queue.set(self._waiting)
        try:
            yield
        finally:
            self._waiting -= 1
            self._metrics.queue.set(self._waiting)

    def _hand_out(self) -> None:
        """Give what waits to the processes that have nothing to do, an equal share each."""
        for reader in self._crew.processes:
            if not self._queue:
                return
            if reader.ready and not reader.busy:
                self._give(reader, self._next(-(-len(self._queue) // len(self._crew.processes))))

    def _next(self, most: int) -> list[Wish]:
        """Take the next wishes that can be fulfilled together; one that saw deaths goes alone.

        Nobody waits any more for those whose request was broken off.
        """
        batch: list[Wish] = []
        while self._queue and len(batch) < min(most, TOGETHER):
            wish = self._queue[0]
            if batch and (wish.deaths or wish.job.options != batch[0].job.options):
                break
            self._queue.popleft()
            if not wish.answer.cancelled():
                batch.append(wish)
            if batch and batch[0].deaths:
                break
        return batch

    def _give(self, reader: ReaderProcess, batch: list[Wish]) -> None:
        """Send a batch to a process; that it is dead shows when it is listened to."""
        if not batch:
            return
        reader.busy[:] = batch
        reader.limit = self._loop.call_later(IMAGE_SECONDS, reader.process.kill)
        message = pickle.dumps([wish.job for wish in batch], pickle.HIGHEST_PROTOCOL)
        if len(message) < LARGE:
            send(reader, message)
        else:
            self._loop.run_in_executor(None, send, reader, message)

    def _listen(self, reader: ReaderProcess) -> None:
        """Let a thread wait for what a process says."""
        reader.listener = threading.Thread(target=self._hear, args=(reader,), daemon=True)
        reader.listener.start()

    def _hear(self, reader: ReaderProcess) -> None:
        """Pass on what a process says until it ends; runs in a thread."""
        pipe: Any = reader.process.stdout
        message: Message | None = {}
        while message is not None:
            try:
                message = pickle.load(pipe)
            except (EOFError, OSError, pickle.UnpicklingError):
                message = None
                pipe.close()
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._take, reader, message)

    def _take(self, reader: ReaderProcess, message: Message | None) -> None:
        """Take in what a process said, None where it ended."""
        if reader.limit is not None:
            reader.limit.cancel()
        if message is None:
            self._replace(reader)
        elif isinstance(message, InkdigitsError):
            self.failure = message
            self._first.set()
        elif isinstance(message, dict):
            self.metadata, reader.ready = message, True
            self._first.set()
        else:
            batch, reader.busy = list(reader.busy), []
            for wish, answer in zip(batch, message, strict=True):
                if not wish.answer.done():
                    wish.answer.set_result(answer)
        if not self._stopped:
            self._hand_out()

    def _replace(self, reader: ReaderProcess) -> None:
        """Put another in the place of a process that died, and find out which image it was."""
        if self._stopped:
            return
        self._crew.processes.remove(reader)
        end(reader)
        for wish in reversed(reader.busy):
            if wish.answer.done():
                continue
            wish.deaths += 1
            if wish.deaths == DEATHS:
                wish.answer.set_result(dead())
            else:
                self._queue.appendleft(wish)
        if self.failure is not None:
            return
        if not reader.ready and not self._first.is_set():
            self.failure = InkdigitsError(
                "the processes that read end as soon as they start.", "Is there enough memory?"
            )
            self._first.set()
            return
        another = started(self._settings)
        self._crew.processes.append(another)
        self._listen(another)


def dead() -> Answer:
    """Return the answer to an image over which so many processes died."""
    message = f"reading this image ended {DEATHS} processes, the last two of them on it alone."
    return Answer(500, message.encode(), "error", hint="Please report it, with the image.")
