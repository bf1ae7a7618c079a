"""One epoch on 1, 2 and 4 virtual devices and on 2 processes: the same val loss.

`inkdigits train --devices` of `early-stopping` on one machine, each in processes of its own. The
baseline is the training without the option.
"""

from __future__ import annotations

import csv
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from processes import INKDIGITS, common_arguments, emptied, environment, say
from record import Figure, write_record

BAR = 1e-4
SIDES = {
    "one device": (1, []),
    "--devices 1": (1, ["--devices", "1"]),
    "--devices 2": (2, ["--devices", "2"]),
    "--devices 4": (4, ["--devices", "4"]),
}


def train(data: str, epochs: int, out: Path, virtual: int, options: Sequence[str]) -> float:
    """Train and return the last epoch's val loss."""
    wait([start(data, epochs, virtual, [*options, "--out", str(out)])])
    return last_val_loss(out)


def train_in_two(data: str, epochs: int, out: Path) -> float:
    """Train in two processes and return the last epoch's val loss."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    group = ["--coordinator", address, "--processes", "2", "--process"]
    own = [["0", "--out", str(out)], ["1"]]
    wait([start(data, epochs, 1, [*group, *options]) for options in own])
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


def main() -> None:
    """Measure and write records/devices.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("--epochs", type=int, default=1, help="default: 1")
    parser.add_argument("--data", default="mnist", help="default: mnist")
    options = parser.parse_args()
    work = emptied(options.work / "devices")
    found = {}
    for name, (virtual, given) in SIDES.items():
        out = work / name.replace(" ", "-")
        found[name] = train(options.data, options.epochs, out, virtual, given)
        say(f"{name}: val loss {found[name]:.8f}")
    found["2 processes"] = train_in_two(options.data, options.epochs, work / "two-processes")
    say(f"2 processes: val loss {found['2 processes']:.8f}")
    base = found.pop("one device")
    apart = [abs(loss - base) for loss in found.values()]
    figure = Figure(
        f"val loss after {options.epochs} epoch(s) on {options.data}, largest difference of 1, 2 "
        "and 4 virtual devices and of 2 processes from the usual training",
        "difference",
        max(apart),
        apart,
        at_most=BAR,
    )
    write_record(
        "devices", [figure], options.records, n=len(apart), seeds=[0],
        val_losses=found | {"one device": base},
    )  # fmt: skip


if __name__ == "__main__":
    main()
