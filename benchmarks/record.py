"""What every benchmark shares: figures, and the JSON record that carries their evidence."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inkdigits.data.source import load_mnist
from inkdigits.files import write_text
from inkdigits.training.environment import cpu_name, versions

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "records"
# Read before this process adds to it: a busy machine shows in the record.
LOAD_AT_START = os.getloadavg()[0]

HAIR = 1e-9
"""A bar that must be exceeded lies so much below the one that is promised, which itself holds."""


@dataclass(frozen=True)
class Figure:
    """One figure with all its single values.

    `kind` is share (0–1), ratio, seconds, count, per second, MB (10⁶ bytes), MB/h or difference.

    `value` is the mean where there is a `std` (sample standard deviation), else the median.
    Beside it stands the `published` figure it reproduces, or the bar: `at_most`, or `above`.
    """

    what: str
    kind: str
    value: float
    values: Sequence[float]
    std: float | None = None
    published: float | None = None
    at_most: float | None = None
    above: float | None = None
    # False for what explains the others: it stays in the record, out of the README's table.
    in_table: bool = True
    # True when the bar is met, or when the published figure lies within one std or is surpassed.
    met: bool | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "met", self.judge())

    def judge(self) -> bool | None:
        """Return whether the figure holds what stands beside it; None when nothing does."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.above is not None:
            return self.value > self.above
        if self.published is not None:
            return self.value >= self.published - (self.std or 0.0)
        return None


def mean_figure(what: str, kind: str, values: Sequence[float], **others: Any) -> Figure:
    """Return the mean ± sample standard deviation (0 for a single value) of `values`."""
    std = statistics.stdev(values) if len(values) > 1 else 0.0
    return Figure(what, kind, statistics.fmean(values), values, std, **others)


def median_figure(what: str, kind: str, values: Sequence[float], **others: Any) -> Figure:
    """Return the median of `values`."""
    return Figure(what, kind, statistics.median(values), values, **others)


def ratio_figure(
    what: str, ours: Sequence[float], theirs: Sequence[float], **beside: Any
) -> Figure:
    """Return the median of the pairs' ratios, ours / theirs; each pair ran back to back."""
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    return median_figure(what, "ratio", ratios, **beside)


def write_record(
    name: str, figures: Sequence[Figure], folder: Path = RECORDS, **facts: Any
) -> Path:
    """Write `folder/NAME.json` with the figures, `facts`, and where and with what they came."""
    content = {
        "name": name,
        "figures": [asdict(figure) for figure in figures],
        **facts,
        "command": command_line(),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **versions()},
        "data": {"name": "mnist", "sha256": load_mnist().sha256},
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path = folder / f"{name}.json"
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    tell(figures, path)
    return path


def tell(figures: Sequence[Figure], path: Path) -> None:
    """Print the figures and where the record is."""
    for figure in figures:
        spread = f" ± {figure.std:.4f}" if figure.std is not None else ""
        verdict = {None: "", True: "  holds", False: "  DOES NOT HOLD"}[figure.met]
        n = len(figure.values)
        print(f"{figure.what}: {figure.value:.4f}{spread} {figure.kind}, n={n}{verdict}")
    print(f"record  {path}")


def command_line() -> str:
    """Return the command as typed from the root, without the folders of this machine."""
    script = Path(sys.argv[0]).name
    return " ".join(["python", f"benchmarks/{script}", *(shown(text) for text in sys.argv[1:])])


def shown(argument: str) -> str:
    """Return an argument with an absolute path cut down to the part below the root, or its name."""
    path = Path(argument)
    if not path.is_absolute():
        return argument
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def machine() -> dict[str, Any]:
    """Return processor, usable cores, memory, system, and how busy it was at the start."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.system(),
        "load_at_start": round(LOAD_AT_START, 2),
    }


def commit() -> dict[str, Any] | None:
    """Return the commit that was measured, and whether `src` had changes besides; None: no git."""
    hash_of = git("rev-parse", "HEAD")
    if hash_of is None:
        return None
    return {"hash": hash_of, "changed": bool(git("status", "--porcelain", "--", "src"))}


def git(*arguments: str) -> str | None:
    """Return what a git command prints, or None where it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
