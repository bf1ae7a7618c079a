"""Whole processes, ours and the peer's, run and timed from outside."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import RECORDS, ROOT

from inkdigits.data import mnist

WORK = ROOT / "runs" / "benchmarks"
# The command that a user types, of the environment this script runs in.
INKDIGITS = str(Path(sys.executable).with_name("inkdigits"))


@dataclass(frozen=True)
class Finished:
    """A process that ended well: its wall time and what it printed."""

    seconds: float
    stdout: str

    def result(self) -> Any:
        """Return the JSON in the last line of the output."""
        return json.loads(self.stdout.splitlines()[-1])


def arguments(description: str | None, *, repeats: int) -> argparse.ArgumentParser:
    """Return a parser with the options that the timing benchmarks share."""
    parser = common_arguments(description)
    parser.add_argument("--repeats", type=int, default=repeats, help=f"default: {repeats}")
    return parser


def common_arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=Path, default=RECORDS, help="folder of the record")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for runs")
    return parser


def data_folder() -> Path:
    """Return the folder of MNIST's files, found (or fetched) as inkdigits finds them."""
    return (mnist.given_folder() or mnist.fetch()).resolve()


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with MNIST's folder and `changes`; modules are cached."""
    given = dict(os.environ)
    # An installed package has its modules compiled; with this set, ours would be at every start.
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    # Named, because a changed cache folder would hide an MNIST that lies in the cache.
    return {**given, mnist.FOLDER_VARIABLE: str(data_folder()), **changes}


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Finished:
    """Run a command to its end; a failure stops the benchmark with what it said."""
    texts = [str(part) for part in command]
    started = time.perf_counter()
    done = subprocess.run(texts, env=env, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(texts)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return Finished(seconds, done.stdout)


def emptied(folder: Path) -> Path:
    """Return `folder`, made anew and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def say(text: str) -> None:
    """Tell of progress on stderr."""
    print(text, file=sys.stderr, flush=True)
