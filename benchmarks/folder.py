"""A folder of 10,000 made crops on all cores: images a second, and memory that stays flat.

The crops are numbers that the project draws (500 of them, under different names), read by the whole
process `inkdigits read FOLDER --out results.csv`, start to table. The peak is that of the command
and its workers together; folders of 2,000 and of 10,000 are read in turn (A B A B …).
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from processes import arguments, environment, say
from record import median_figure, ratio_figure, write_record

from inkdigits.data.source import load_mnist
from inkdigits.synthesis.numbers import write_numbers

DISTINCT = 500
SEED = 0
SECONDS_BETWEEN_LOOKS = 0.05
FEWER = 5
"""The smaller folder has a fifth of the images."""


@dataclass(frozen=True)
class Pass:
    """One run of the command: seconds from start to end, and the peak of its memory in MiB."""

    seconds: float
    peak: float


def make_crops(folder: Path, n: int) -> None:
    """Write `n` crops into `folder`, in subfolders of 1,000."""
    pages = write_numbers(min(n, DISTINCT), load_mnist().train, np.random.default_rng(SEED))
    files = [cv2.imencode(".png", grey)[1].tobytes() for grey, _ in pages]
    for index in range(n):
        path = folder / f"{index // 1000:03}" / f"{index:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[index % len(files)])


def read_once(folder: Path, n: int, options: list[str]) -> Pass:
    """Read `folder` of `n` crops as a user would; every one must have its row."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "results.csv"
        command = [sys.executable, "-m", "inkdigits", "read", str(folder), "--out", str(out)]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, *options], stderr=subprocess.PIPE, text=True, env=environment()
        )
        peaks: dict[int, float] = {}
        watcher = threading.Thread(target=watch, args=(process, peaks))
        watcher.start()
        _, complaint = process.communicate()
        seconds = time.perf_counter() - started
        watcher.join()
        if process.returncode != 0:
            raise RuntimeError(complaint)
        with out.open(newline="", encoding="utf-8") as file:
            names = [row["image"] for row in csv.DictReader(file)]
    if len(names) != n or len(set(names)) != n:
        raise RuntimeError(f"{n} images, {len(names)} rows")
    return Pass(seconds, sum(peaks.values()))


def watch(process: subprocess.Popen[str], peaks: dict[int, float]) -> None:
    """Note the peak memory in MiB of `process` and of its children until it ends (Linux only)."""
    while process.poll() is None:
        for pid in (process.pid, *children(process.pid)):
            peaks[pid] = peak_of(pid) or peaks.get(pid, 0.0)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def children(pid: int) -> list[int]:
    """Return the processes that `pid` started; none where it has ended."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def peak_of(pid: int) -> float | None:
    """Return the most memory that a process had so far, in MiB; None where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = [line for line in lines if line.startswith("VmHWM:")]
    return int(found[0].split()[1]) / 1024 if found else None


def measure(n: int, repeats: int, passed_on: list[str]) -> tuple[list[Pass], list[Pass]]:
    """Return the passes over a folder of `n` / `FEWER` crops, and those over one of `n`."""
    small, large = [], []
    with tempfile.TemporaryDirectory() as place:
        few, many = Path(place) / "few", Path(place) / "many"
        make_crops(few, n // FEWER)
        make_crops(many, n)
        read_once(few, n // FEWER, passed_on)  # warms the disk's cache
        for _ in range(repeats):
            small.append(read_once(few, n // FEWER, passed_on))
            large.append(read_once(many, n, passed_on))
            last = large[-1]
            say(f"{n:,} in {last.seconds:.2f} s ({n / last.seconds:.0f}/s), {last.peak:.0f} MiB")
    return small, large


def main() -> None:
    """Measure and write records/folder.json."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--images", type=int, default=10_000, help="default: 10,000")
    parser.add_argument("--layout", help="passed on to the command")
    options = parser.parse_args()
    n, fewer = options.images, options.images // FEWER
    small, large = measure(
        n, options.repeats, ["--layout", options.layout] if options.layout else []
    )
    figures = [
        median_figure(
            f"`inkdigits read FOLDER --out results.csv`, {n:,} crops, start to table",
            "seconds",
            [one.seconds for one in large],
        ),
        ratio_figure(
            f"peak memory at {n:,} crops / at {fewer:,}",
            [one.peak for one in large],
            [one.peak for one in small],
            at_most=1.1,
        ),
    ]
    write_record(
        "folder",
        figures,
        options.records,
        n=options.repeats,
        seeds=[SEED],
        images_a_second=[round(n / one.seconds, 1) for one in large],
        peak_mib={
            str(size): [round(one.peak, 1) for one in passes]
            for size, passes in ((fewer, small), (n, large))
        },
    )


if __name__ == "__main__":
    main()
