"""The service: its speed beside Flask with Keras and LitServe, its latency, and its manners.

Each server is a process on loopback, the client one asyncio process on the same cores. The parts:
`throughput` (requests a second, sides in turn), `latency` (at a rate that is kept up), `overload`
(ten times the capacity), `memory` (over 100,000 requests), `start`, `drain` (SIGTERM under load),
and `answers` (as the command line's, on the real images that INKDIGITS_PAPER names). All of them
write records/serving.json; with `--only`, records/serving-PART.json.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import arguments, say
from record import Figure, write_record
from serving_life import answers, drain, memory, start
from serving_load import SEED, Part, latency, overload, throughput
from serving_servers import NotServed

from inkdigits.errors import InkdigitsError

PARTS: dict[str, Callable[[argparse.Namespace], Part]] = {
    "throughput": throughput,
    "latency": latency,
    "overload": overload,
    "memory": memory,
    "start": start,
    "drain": drain,
    "answers": answers,
}

FAILURES = (NotServed, InkdigitsError, OSError, ValueError, subprocess.SubprocessError)


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--only", type=parts_of, default=list(PARTS), metavar="PART,…")
    numbers: dict[str, tuple[float, str]] = {
        "connections": (64, "of throughput, latency, capacity and memory"),
        "seconds": (10.0, "of one pass of throughput, and of the capacity"),
        "trial-seconds": (3.0, "of trying each setting of the other services"),
        "warm-up": (3.0, "seconds of load before it counts"),
        "rate": (200.0, "requests a second of latency"),
        "latency-seconds": (20.0, "of one run"),
        "overload-seconds": (60.0, ""),
        "overload-connections": (512, "at most"),
        "requests": (100_000, "of memory"),
        "memory-rate": (0.0, "requests a second of memory; 0: as fast as it goes"),
        "starts": (10, ""),
        "stops": (50, ""),
        "drain-connections": (32, ""),
        "answers-limit": (0, "about so many of the real images; 0: all"),
    }
    for name, (default, told) in numbers.items():
        kind = type(default)
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{told} ({default:g})")
    parser.add_argument("--arrivals", choices=("random", "even"), default="random")
    parser.add_argument("--paper", type=Path, default=os.environ.get("INKDIGITS_PAPER"))
    asked = parser.parse_args()
    asked.work = (asked.work / "serving").resolve()
    asked.logs = asked.work / "logs"
    return asked


def parts_of(text: str) -> list[str]:
    """Return the parts that `text` names, in the usual order."""
    wanted = text.split(",")
    unknown = sorted(set(wanted) - set(PARTS))
    if unknown:
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(unknown)}")
    return [name for name in PARTS if name in wanted]


def main() -> int:
    """Measure the parts that are asked for and write the record; 1 when a part failed."""
    asked = options()
    asked.work.mkdir(parents=True, exist_ok=True)
    # Asked to stop, this ends the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # The client keeps every outcome: collecting garbage among them would delay its answers.
    gc.disable()
    figures: list[Figure] = []
    facts: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name in asked.only:
        say(f"{name} …")
        try:
            found, facts[name] = PARTS[name](asked)
            figures += found
        except FAILURES as error:
            say(f"{name} failed: {error!r}")
            failed[name] = repr(error)
    if figures:
        whole = asked.only == list(PARTS)
        name = "serving" if whole else f"serving-{'-'.join(asked.only)}"
        write_record(
            name, figures, asked.records, n=asked.repeats, seeds=[SEED], failed=failed, **facts
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
