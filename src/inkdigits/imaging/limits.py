"""Limits: how much of bytes, pixels, pages and time an untrusted source may ask for."""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inkdigits.errors import UnreadableImage

# Decoders read a file about once. One that reads it many times over was built to be read so.
READS_OF_CONTENT = 3
SPARE_READS = 1 << 20
# How many parts a header may be read in. While one is read, no other can be.
HEADER_CALLS = 50_000


@dataclass(frozen=True)
class Limits:
    """How much a source may ask for.

    `max_bytes` are encoded; `max_pixels` and `max_side` are of one page, `max_pages` and
    `max_total_pixels` of all pages together, `max_seconds` of decoding them, without the time
    between pages. Time is looked at whenever a decoder asks for more bytes, so an image may
    overrun it by a fraction; a PDF is stopped on time.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side: int = 20_000
    max_pages: int = 100
    max_total_pixels: int = 1_000_000_000
    max_seconds: float = 30.0


DEFAULT_LIMITS = Limits()


class Account:
    """What one source has used of its limits so far."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._pixels = 0
        self._seconds = 0.0
        self._started: float | None = None

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Count the time inside as time of decoding; raises UnreadableImage when it is up."""
        self._started = time.monotonic()
        try:
            yield
            self.check_time()
        finally:
            self._seconds += time.monotonic() - self._started
            self._started = None

    def seconds_left(self) -> float:
        """Return the seconds that are left; below 0 when the time is up."""
        running = 0.0 if self._started is None else time.monotonic() - self._started
        return self.limits.max_seconds - self._seconds - running

    def check_time(self) -> None:
        """Raise UnreadableImage when the time is up."""
        if self.seconds_left() < 0:
            raise out_of_time(self.limits)

    def add_page(self, width: int, height: int, number: int) -> None:
        """Count page `number`; raises UnreadableImage when it exceeds what is left."""
        self._pixels += width * height
        if self._pixels > self.limits.max_total_pixels:
            raise UnreadableImage(
                f"the pages up to page {number} have {self._pixels} pixels together, "
                f"the limit is {self.limits.max_total_pixels} pixels.",
                "Split the document.",
            )


class Metered(io.BytesIO):
    """The bytes of an image, which watch how long and how often a decoder reads them."""

    def __init__(self, content: bytes, account: Account) -> None:
        super().__init__(content)
        self._account = account
        self._budget = READS_OF_CONTENT * len(content) + SPARE_READS
        self.expect_header()

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as BytesIO does; raises UnreadableImage when time or reads are used up."""
        self._account.check_time()
        content = super().read(size)
        self._unread -= len(content)
        self._calls_left -= 1
        if self._unread < 0:
            raise damaged("its parts lie on top of each other")
        if self._calls_left < 0:
            raise damaged("its header has thousands of parts")
        return content

    def expect_header(self) -> None:
        """Let the header of the next page be read."""
        self._unread = self._budget
        self._calls_left: float = HEADER_CALLS

    def expect_pixels(self) -> None:
        """Let the pixels be read, in any number of parts."""
        self._calls_left = math.inf


def out_of_time(limits: Limits) -> UnreadableImage:
    """Return the UnreadableImage of a source whose time is up."""
    return UnreadableImage(
        f"decoding takes more than {limits.max_seconds:g} seconds, the limit.",
        "Save it smaller or simpler, or split its pages.",
    )


def check_bytes(content: bytes, limits: Limits) -> None:
    """Raise UnreadableImage when `content` is too long."""
    if len(content) > limits.max_bytes:
        raise too_many_bytes(limits)


def too_many_bytes(limits: Limits = DEFAULT_LIMITS) -> UnreadableImage:
    """Return the error of an image file that is longer than `limits` allow."""
    return UnreadableImage(
        f"the image has more than {limits.max_bytes} bytes, the limit.",
        "Save it smaller or compressed.",
    )


def check_size(width: int, height: int, limits: Limits) -> None:
    """Raise UnreadableImage when a page of `width` × `height` pixels is empty or too large."""
    if width < 1 or height < 1:
        raise UnreadableImage(
            f"the image has no pixels: {width} × {height}.", "Save or send it again."
        )
    if max(width, height) > limits.max_side:
        raise UnreadableImage(
            f"the image is {width} × {height}, the limit is {limits.max_side} pixels a side.",
            "Scale it down.",
        )
    if width * height > limits.max_pixels:
        raise UnreadableImage(
            f"the image is {width} × {height}, the limit is {limits.max_pixels} pixels.",
            "Scale it down.",
        )


def check_pages(n: int, limits: Limits) -> None:
    """Raise UnreadableImage when a document of at least `n` pages has more than allowed."""
    if n > limits.max_pages:
        raise UnreadableImage(
            f"the document has {n} pages or more, the limit is {limits.max_pages} pages.",
            "Split it.",
        )


def damaged(error: Exception | str) -> UnreadableImage:
    """Return the UnreadableImage for whatever a decoder raised."""
    # Pillow names the object that it read from, which is of no use to anyone.
    told = re.sub(r" <[^<>]* object at 0x[0-9a-f]+>", "", str(error))
    reason = (told or type(error).__name__)[:120].rstrip(".")
    return UnreadableImage(
        f"the image is damaged or truncated: {reason}.", "Save or send it again."
    )
