"""The crew: the processes that read for the service.

Nothing here needs the service's own libraries, so that the processes get ready while these load.
"""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from inkdigits.serving.settings import ServiceSettings

COMMAND = [
    sys.executable,
    "-c",
    "from inkdigits.serving.reader_process import main; main()",
]
GRACE_SECONDS = 2.0


@dataclass(eq=False)
class ReaderProcess:
    """One process as the desk sees it; `busy` is what it works on."""

    process: subprocess.Popen[bytes]
    ready: bool = False
    busy: list[Any] = field(default_factory=list)
    limit: asyncio.TimerHandle | None = None
    listener: threading.Thread | None = None


class Crew:
    """As many processes as images are read at once; a context that ends them."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self.processes: list[ReaderProcess] = []

    def __enter__(self) -> Crew:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def start(self) -> None:
        """Start the processes, unless they are there already."""
        if not self.processes:
            self.processes = [started(self._settings) for _ in range(self._settings.threads)]

    def end(self) -> None:
        """End the processes: they end by themselves when nothing more can come."""
        for reader in self.processes:
            close(reader)
        for reader in self.processes:
            end(reader)
            if reader.listener is not None:
                reader.listener.join()
        self.processes.clear()


def started(settings: ServiceSettings) -> ReaderProcess:
    """Start a process that reads."""
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    reader = ReaderProcess(process)
    send(reader, pickle.dumps(settings, pickle.HIGHEST_PROTOCOL))
    return reader


def send(reader: ReaderProcess, message: bytes) -> None:
    """Write one message to a process."""
    with suppress(OSError, ValueError):  # it is dead, which shows elsewhere
        pipe = reader.process.stdin
        pipe.write(message)  # type: ignore[union-attr]
        pipe.flush()  # type: ignore[union-attr]


def close(reader: ReaderProcess) -> None:
    """Tell a process that nothing more comes."""
    with suppress(OSError):
        reader.process.stdin.close()  # type: ignore[union-attr]


def end(reader: ReaderProcess) -> None:
    """Wait for a process to end, and end it if it takes long."""
    close(reader)
    try:
        reader.process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        reader.process.kill()
        reader.process.wait()
    if reader.listener is None:
        reader.process.stdout.close()  # type: ignore[union-attr]
