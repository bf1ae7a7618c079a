"""PDF: its pages, rendered by a process of their own (see `pdf_worker`)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np

from inkdigits.errors import UnreadableImage
from inkdigits.imaging.limits import Account, check_size, out_of_time
from inkdigits.imaging.page import Page

WORKER = Path(__file__).with_name("pdf_worker.py")
LIBRARY = "pypdfium2"
# Twice what a page scanned in colour at 600 dots per inch was seen to take.
MEMORY = 1 << 30
AGAIN = "Save or print it to PDF again."


def pdf_pages(content: bytes, account: Account, dpi: int, *, every: bool) -> Iterator[Page]:
    """Yield the pages of a PDF, or only the first, rendered at `dpi` or at fewer that fit.

    Raises UnreadableImage when it is broken, encrypted, beyond the limits, or when the extra that
    reads PDF is not installed.
    """
    request = json.dumps(request_of(account, dpi, every=every)).encode()
    with worker() as process:
        with account.decoding(), stopped_in_time(process, account):
            send(process, request + b"\n" + content)
        number = 0
        while True:
            with account.decoding(), stopped_in_time(process, account):
                page = read_page(process, number + 1, account)
            if page is None:
                return
            number += 1
            yield page


def request_of(account: Account, dpi: int, *, every: bool) -> dict[str, Any]:
    """Return what the worker has to know; raises UnreadableImage without its library."""
    found = find_spec(LIBRARY)
    if found is None or found.origin is None:
        raise UnreadableImage(
            f"reading PDF needs the package {LIBRARY}, which is not installed.",
            'Install it with: pip install "inkdigits[pdf]"',
        )
    limits = account.limits
    return {
        "folders": [str(Path(found.origin).parents[1])],
        "every": every,
        "dpi": dpi,
        "max_pixels": limits.max_pixels,
        "max_side": limits.max_side,
        "max_pages": limits.max_pages,
        "memory": MEMORY,
        "seconds": limits.max_seconds,
    }


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """Run the worker and end it, whatever happens."""
    process = subprocess.Popen(
        # -I -S: nothing of this installation or of the user's runs in it, and it starts sooner.
        [sys.executable, "-I", "-S", str(WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def stopped_in_time(process: subprocess.Popen[bytes], account: Account) -> Iterator[None]:
    """End `process` when the time is up; raises UnreadableImage then."""
    account.check_time()
    timer = threading.Timer(account.seconds_left(), process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def send(process: subprocess.Popen[bytes], content: bytes) -> None:
    """Write `content` to the worker; that it died is found when its answer is read."""
    pipe = pipe_of(process.stdin)
    with suppress(OSError):
        pipe.write(content)
    with suppress(OSError):
        pipe.close()


def read_page(process: subprocess.Popen[bytes], number: int, account: Account) -> Page | None:
    """Return the next page that the worker sends, None after the last; raises UnreadableImage."""
    pipe = pipe_of(process.stdout)
    line = pipe.readline()
    if not line:
        if process.wait() == 0:
            return None
        raise broken_off(number, account)
    answer = json.loads(line)
    if "error" in answer:
        raise UnreadableImage(answer["error"], answer["hint"])
    width, height = int(answer["width"]), int(answer["height"])
    check_size(width, height, account.limits)
    account.add_page(width, height, number)
    pixels = pipe.read(width * height)
    if len(pixels) < width * height:
        raise broken_off(number, account)
    grey = np.frombuffer(bytearray(pixels), np.uint8).reshape(height, width)
    return Page(grey, number, float(answer["dpi"]))


def broken_off(number: int, account: Account) -> UnreadableImage:
    """Return the UnreadableImage of a PDF whose worker died."""
    if account.seconds_left() <= 0:
        return out_of_time(account.limits)
    return UnreadableImage(
        f"page {number} of the PDF cannot be rendered: it is damaged, or takes more than "
        f"{MEMORY >> 20} MB of memory, the limit.",
        AGAIN,
    )


def pipe_of(pipe: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe of a process that was started with one."""
    if pipe is None:
        raise RuntimeError("the worker was started without pipes")
    return pipe
