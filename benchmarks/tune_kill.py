"""A search killed at 20 random moments: `--resume` ends it, each planned trial counts once.

One search is killed again and again, mostly while it trains and a few times at any moment from its
start, and resumed each time; then it runs to its end. Its table must be that of a search that was
never broken off, value for value, but for the seconds.
"""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from optuna.trial import TrialState
from processes import common_arguments, emptied, environment, say
from record import Figure, write_record

from inkdigits.search.study import counted, cut_torn_line, load

TRIALS = 24
SETTINGS = {
    "training.epochs": 4,
    "search.model.hidden.depth.high": 2,
    "search.training.batch_size.choices": [128],
}
ANY_TIME = 4
"""Every so-manieth kill comes at any moment after the start."""
SECONDS, LINES = 8.0, 12


@dataclass(frozen=True)
class Killed:
    """A kill: trials that counted by then, and whether one was in flight."""

    counted: int
    in_flight: bool


def command(*arguments: str | Path) -> list[str]:
    """Return what a user types."""
    return [sys.executable, "-m", "inkdigits", "tune", *map(str, arguments)]


def new_search(out: Path, trials: int) -> list[str]:
    """Return the command that starts the search."""
    overrides = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    given = ["--data", "digits", "--trials", str(trials), "--out", out]
    return command("early-stopping", *given, *overrides)


def finish(arguments: list[str]) -> None:
    """Give the command and let it end."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment())
    if done.returncode:
        raise RuntimeError(done.stderr)


def kill_once(arguments: list[str], journal: Path, lines: int, delay: float) -> Killed:
    """Kill a search `delay` seconds after its journal has grown by `lines`."""
    before = count_lines(journal)
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    ) as process:
        while process.poll() is None and lines and count_lines(journal) < before + lines:
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return state_of(journal)


def count_lines(path: Path) -> int:
    """Return how many whole lines a file has, 0 without one."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def state_of(journal: Path) -> Killed:
    """Return what the journal says, read from a copy."""
    if not journal.exists():
        return Killed(0, False)
    copy = journal.with_name("journal-copy.log")
    copy.write_bytes(journal.read_bytes())
    cut_torn_line(copy)
    study = load(copy, pruning=True)
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    found = Killed(len(counted(study)), bool(running))
    copy.unlink()
    return found


def rows_of(out: Path) -> list[dict[str, str]]:
    """Return the table of trials without its seconds."""
    with (out / "trials.csv").open(encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def measure(work: Path, trials: int, kills: int, rng: random.Random) -> tuple[list[Killed], int]:
    """Return the kills, and how many planned trials are missing, double or others in the end."""
    unbroken, out = work / "unbroken", work / "killed"
    finish(new_search(unbroken, trials))
    done = []
    for number in range(kills):
        started = (out / "search.json").exists()
        arguments = command("--resume", out) if started else new_search(out, trials)
        any_time = number % ANY_TIME == ANY_TIME - 1
        lines = 0 if any_time else rng.randint(1, LINES)
        delay = rng.uniform(0, SECONDS if any_time else 0.2)
        done.append(kill_once(arguments, out / "journal.log", lines, delay))
        say(f"kill {number + 1}: {done[-1]}")
    finish(command("--resume", out) if (out / "search.json").exists() else new_search(out, trials))
    found, expected = rows_of(out), rows_of(unbroken)
    same = sum(mine == other for mine, other in zip(found, expected, strict=False))
    return done, max(len(found), trials) - same


def main() -> None:
    """Measure and write records/tune-kill.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("--kills", type=int, default=20, help="default: 20")
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"default: {TRIALS}")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    work = emptied(options.work / "tune-kill")
    kills, wrong = measure(work, options.trials, options.kills, random.Random(options.seed))
    figure = Figure(
        f"planned trials of {options.trials} that are missing, double or other ones after "
        f"{len(kills)} SIGKILLs of the search",
        "count",
        wrong,
        [wrong],
        at_most=0,
    )
    in_flight = sum(kill.in_flight for kill in kills)
    flight = Figure("kills with a trial in flight", "count", in_flight, [in_flight], in_table=False)
    write_record(
        "tune-kill",
        [figure, flight],
        options.records,
        n=1,
        seeds=[options.seed],
        kills=[asdict(kill) for kill in kills],
    )


if __name__ == "__main__":
    main()
