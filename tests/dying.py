"""A reader that dies, hangs or fails as the name of an image asks, to test worker processes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from inkdigits.errors import ModelRefused
from inkdigits.reading.result import Reading
from inkdigits.reading.settings import ReaderSettings


class DyingReader:
    """Does what stands in an image's name, and reads `7` in all others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_or_error(self, source: Path, name: str) -> Reading:
        with (self.folder / "asked").open("a") as file:
            file.write(f"{os.getpid()} {name}\n")
        if "kill" in name or ("once" in name and self.first_time(name)):
            os.kill(os.getpid(), signal.SIGKILL)
        if "exit" in name:
            os._exit(3)
        if "hang" in name:
            time.sleep(100)
        if "raise" in name:
            raise ValueError("two\nlines")
        if "refuse" in name:
            raise ModelRefused("the model fails when run.")
        return Reading(name, "ok", "7", 0.9, ())

    def first_time(self, name: str) -> bool:
        """Return whether no process was asked for this before."""
        return [line.split()[1] for line in (self.folder / "asked").open()].count(name) == 1


@dataclass(frozen=True)
class DyingSettings(ReaderSettings):
    """Makes a `DyingReader` that notes in `folder` what it is asked; `start` fails or dies."""

    folder: Path = Path()
    start: str = ""

    def reader(self) -> DyingReader:  # type: ignore[override]
        if self.start == "die":
            os._exit(9)
        if self.start == "refuse":
            raise ModelRefused("no such model file: 'gone'.", "Check the path.")
        return DyingReader(self.folder)
