"""Real processes, really broken off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# A shell that runs the tests in the background lets them, and so their children, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start the command line as a process, in its own working folder."""

    def begin(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "inkdigits", *map(str, arguments)]
        return subprocess.Popen(
            command,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=os.environ | options.pop("env", {}),
            **options,
        )

    return begin


@pytest.fixture
def run(start: Start) -> Callable[..., tuple[int, str, str]]:
    """Run the command line to its end: exit code, stdout, stderr."""

    def to_the_end(*arguments: str | Path, **options: Any) -> tuple[int, str, str]:
        with start(*arguments, **options) as process:
            output, complaint = process.communicate(timeout=300)
        return process.returncode, output or "", complaint

    return to_the_end
