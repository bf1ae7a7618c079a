"""A service of ours, run as its own process on a free port."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx


@contextmanager
def running_service(
    verb: str, *arguments: str, cwd: Path | None = None, seconds: int = 30
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the `verb` with `arguments` on a free port; yield process and address once it is ready.

    It has so many `seconds` for that.
    """
    # Before what is given: a test may name a port of its own.
    command = [sys.executable, "-m", "inkdigits", verb, "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=cwd) as process:
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            found = re.search(r"http://\S+?:\d+", told)
            assert found is not None, told
            wait_until_ready(found.group(), seconds)
            yield process, found.group()
        finally:
            process.kill()


def wait_until_ready(address: str, seconds: int) -> None:
    for _ in range(10 * seconds):
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the service did not become ready")
