"""The desk: where images wait for one of the threads that read them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from inkdigits.errors import NotReady, TooBusy
from inkdigits.imaging.limits import Limits
from inkdigits.reading.constraints import Constraints
from inkdigits.reading.reader import Layout, Reader
from inkdigits.reading.result import Reading
from inkdigits.serving.metrics import Metrics
from inkdigits.serving.requests import Upload
from inkdigits.serving.settings import ServiceSettings

KEPT_READERS = 256
FIRST_IMAGE = b"P5 8 8 255 " + bytes([255] * 64)
"""A blank page: what the service reads before it says that it is ready."""


@dataclass(frozen=True)
class Options:
    """What a request asks of the reader, as on the command line."""

    layout: Layout = "auto"
    length: int | None = None
    pattern: str | None = None
    checksum: str | None = None
    max: int | None = None
    top: int = 1
    target_error: float | None = None

    def constraints(self) -> Constraints:
        """Return the constraints among them; raises UsageError."""
        return Constraints(self.length, self.pattern, self.checksum, self.max)


class Desk:
    """Reads uploads on a few threads; so many requests may wait, more are refused."""

    def __init__(self, settings: ServiceSettings, metrics: Metrics) -> None:
        limits = Limits(
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            max_seconds=settings.max_seconds,
        )
        self._settings, self._metrics = settings, metrics
        self._reader = Reader(settings.model, threads=1, limits=limits)
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="reader")
        self._waiting = 0
        self._ready = self._draining = False
        self._reader_for = lru_cache(KEPT_READERS)(self._make_reader)

    @property
    def reader(self) -> Reader:
        """The reader with its models."""
        return self._reader

    def check_ready(self) -> None:
        """Raise NotReady until one image was read, and once the service is about to stop."""
        if self._draining:
            raise NotReady("the service is about to stop.", "Ask again in a moment.")
        if not self._ready:
            raise NotReady("the service is starting.", "Ask again in a moment.")

    async def start(self) -> None:
        """Read one image, on every thread, so that the first request finds all of it warm."""
        image = Upload("first", FIRST_IMAGE)
        loop = asyncio.get_running_loop()
        reads = [self._reader_for(Options()).read_or_error for _ in range(self._settings.threads)]
        await asyncio.gather(
            *(loop.run_in_executor(self._threads, read, image.content) for read in reads)
        )
        self._ready = True

    def drain(self) -> None:
        """Say from now on that the service is about to stop; what was taken is still read."""
        self._draining = True

    async def stop(self) -> None:
        """Wait for the threads."""
        await asyncio.to_thread(self._threads.shutdown)

    async def read(self, uploads: list[Upload], options: Options) -> list[Reading]:
        """Return the reading of each upload, in order; raises TooBusy, UsageError."""
        reader = self._reader_for(options)
        with self._place():
            loop = asyncio.get_running_loop()
            tasks = [
                loop.run_in_executor(
                    self._threads, reader.read_or_error, upload.content, upload.name
                )
                for upload in uploads
            ]
            readings = await asyncio.gather(*tasks)
        for reading in readings:
            self._metrics.count(reading)
        return list(readings)

    def _make_reader(self, options: Options) -> Reader:
        """Return a reader for `options`; raises UsageError."""
        return self._reader.with_options(
            options.layout, options.constraints(), options.top, options.target_error
        )

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Take a place in the queue for as long as a request is read; raises TooBusy."""
        most = self._settings.queue + self._settings.threads
        if self._waiting >= most:
            raise TooBusy(f"{self._waiting} requests are waiting already.", "Ask again later.")
        self._waiting += 1
        self._metrics.queue.set(self._waiting)
        try:
            yield
        finally:
            self._waiting -= 1
            self._metrics.queue.set(self._waiting)
