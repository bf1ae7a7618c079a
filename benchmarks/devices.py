"""One epoch on 1, 2 and 4 virtual devices and on 2 processes: the same val loss.

`inkdigits train --devices` of `early-stopping` on one machine, each in processes of its own, and
beside them a training without the option: that one adds up in float32, where the order shows in the
last bit; now and then such a bit decides whether a ReLU is open, and from there on trainings part.
"""

from __future__ import annotations

import csv
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from processes import INKDIGITS, common_arguments, emptied, environment, say
from record import median_figure, write_record

BAR = 1e-4
USUAL = "without the option"
BASE = "--devices 1"
SIDES = {
    USUAL: (1, []),
    BASE: (1, ["--devices", "1"]),
    "--devices 2": (2, ["--devices", "2"]),
    "--devices 4": (4, ["--devices", "4"]),
}


def train(data: str, epochs: int, out: Path, virtual: int, options: Sequence[str]) -> float:
    """Train and return the last epoch's val loss."""
    wait([start(data, epochs, virtual, [*options, "--out", str(out)])])
    return last_val_loss(out)


def train_in_two(data: str, epochs: int, out: Path, seed: int) -> float:
    """Train in two processes and return the last epoch's val loss."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    group = ["--coordinator", address, "--processes", "2", "--process"]
    own = [["0", "--out", str(out)], ["1"]]
    same = ["--seed", str(seed), *group]
    wait([start(data, epochs, 1, [*same, *options]) for options in own])
    return last_val_loss(out)


def start(data: str, epochs: int, virtual: int, options: Sequence[str]) -> subprocess.Popen[str]:
    """Start one process with so many virtual devices."""
    flags = f"--xla_force_host_platform_device_count={virtual}"
    fixed = ["train", "early-stopping", "--data", data, "--set", f"training.epochs={epochs}"]
    command = [INKDIGITS, *fixed, *options]
    return subprocess.Popen(
        command, env=environment(XLA_FLAGS=flags), stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def wait(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Wait for all to end well."""
    for process in processes:
        _, complaint = process.communicate()
        if process.returncode:
            raise RuntimeError(complaint)


def last_val_loss(out: Path) -> float:
    """Return the val loss of the last epoch of a run."""
    with (out / "history.csv").open(encoding="utf-8") as file:
        return float(list(csv.DictReader(file))[-1]["val_loss"])


def measure(data: str, epochs: int, work: Path, seed: int) -> dict[str, float]:
    """Return the val loss of every side with one seed."""
    found = {}
    for name, (virtual, given) in SIDES.items():
        out = emptied(work / name.replace(" ", "-")) / str(seed)
        found[name] = train(data, epochs, out, virtual, [*given, "--seed", str(seed)])
        say(f"seed {seed}, {name}: val loss {found[name]:.8f}")
    out = emptied(work / "two-processes") / str(seed)
    found["2 processes"] = train_in_two(data, epochs, out, seed)
    say(f"seed {seed}, 2 processes: val loss {found['2 processes']:.8f}")
    return found


def main() -> None:
    """Measure and write records/devices.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("--epochs", type=int, default=1, help="default: 1")
    parser.add_argument("--seeds", type=int, default=3, help="so many, from 0 on; default: 3")
    parser.add_argument("--data", default="mnist", help="default: mnist")
    options = parser.parse_args()
    work, seeds = emptied(options.work / "devices"), list(range(options.seeds))
    found = [measure(options.data, options.epochs, work, seed) for seed in seeds]
    what = f"val loss after {options.epochs} epoch of `early-stopping`"
    figures = [
        median_figure(
            f"{what}, largest difference of 2 and 4 virtual devices and of 2 processes from "
            f"`{BASE}`, by seed",
            "difference",
            [largest_gap(side) for side in found],
            at_most=BAR,
        ),
        median_figure(
            f"{what}, `{BASE}` (float64) and a training {USUAL} (float32), by seed",
            "difference",
            [abs(side[BASE] - side[USUAL]) for side in found],
        ),
    ]
    write_record("devices", figures, options.records, n=len(found), seeds=seeds, val_losses=found)


def largest_gap(val_losses: dict[str, float]) -> float:
    """Return how far the val loss of any number of devices is from that of one."""
    shared = [loss for name, loss in val_losses.items() if name != USUAL]
    return max(abs(loss - val_losses[BASE]) for loss in shared)


if __name__ == "__main__":
    main()
