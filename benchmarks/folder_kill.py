"""A folder job killed at 20 random moments: the same command ends it, each input has one row.

The crops are numbers that the project draws, a few files among them are broken. The whole command
`inkdigits read FOLDER --out results.csv` is killed, mostly while it reads and a few times at any
moment or at the very end, and given again until it ends. The table must be that of an unbroken job,
byte for byte.
"""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from folder import make_crops
from processes import common_arguments, environment, say
from record import Figure, write_record

IMAGES = 300
BROKEN = (b"", b"nothing", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
ANY_TIME, AT_THE_END = 4, 3
"""So many kills come at any moment from the start, and so many when all is read."""
SECONDS, LAST_SECONDS = 2.0, 0.02


@dataclass(frozen=True)
class Killed:
    """One job that was killed: how many rows it had by then, and what came of it after that.

    `whole` says that the table has each input exactly once, `same` that it is the unbroken job's.
    """

    rows: int
    whole: bool
    same: bool


def command(folder: Path, out: Path) -> list[str]:
    """Return what a user types."""
    return [sys.executable, "-m", "inkdigits", "read", str(folder), "--out", str(out)]


def finish(folder: Path, out: Path) -> None:
    """Give the command and let it end; 3 is its code where images are broken."""
    done = subprocess.run(
        command(folder, out), capture_output=True, text=True, check=False, env=environment()
    )
    if done.returncode != 3:
        raise RuntimeError(done.stderr)


def kill_once(folder: Path, out: Path, enough: float, delay: float) -> int:
    """Kill a job `delay` seconds after its journal has `enough` bytes; return its rows by then."""
    journal = out.with_name(out.name + ".part")
    with subprocess.Popen(
        command(folder, out), stderr=subprocess.DEVNULL, env=environment()
    ) as process:
        while enough and process.poll() is None and not has_size(journal, enough):
            time.sleep(0.001)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return max(0, journal.read_bytes().count(b"\n") - 1) if journal.exists() else 0


def has_size(path: Path, size: float) -> bool:
    """Return whether a file is there and so large."""
    return path.exists() and path.stat().st_size >= size


def measure(folder: Path, work: Path, kills: int, rng: random.Random) -> list[Killed]:
    """Return what became of so many killed jobs over `folder`."""
    unbroken = work / "unbroken.csv"
    finish(folder, unbroken)
    finish(folder, unbroken.with_suffix(".jsonl"))
    # The journal is all but the rows of the .jsonl file, in another order.
    size = unbroken.with_suffix(".jsonl").stat().st_size
    plans = [(rng.uniform(1, size), 0.0) for _ in range(kills - ANY_TIME - AT_THE_END)]
    plans += [(0.0, rng.uniform(0, SECONDS)) for _ in range(ANY_TIME)]
    plans += [(float(size), rng.uniform(0, LAST_SECONDS)) for _ in range(AT_THE_END)]
    names = [row["image"] for row in rows_of(unbroken)]
    results = []
    for number, plan in enumerate(plans):
        out = work / f"killed-{number}.csv"
        rows = kill_once(folder, out, *plan)
        if not out.exists():
            finish(folder, out)
        found = [row["image"] for row in rows_of(out)]
        same = out.read_bytes() == unbroken.read_bytes()
        results.append(Killed(rows, sorted(found) == sorted(names), same))
        say(f"kill {number + 1}: {results[-1]}")
    return results


def rows_of(table: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV table."""
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Measure and write records/folder-kill.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("--kills", type=int, default=20, help="default: 20")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"default: {IMAGES}")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "crops"
        make_crops(folder, options.images)
        for file, content in zip(sorted(folder.rglob("*.png"))[7::40], BROKEN, strict=False):
            file.write_bytes(content)
        results = measure(folder, Path(place), options.kills, random.Random(options.seed))
    bad = [float(not (one.whole and one.same)) for one in results]
    figure = Figure(
        f"share of {len(bad)} folder jobs, killed at random moments and continued, that lose, "
        "double or change a row",
        "share",
        sum(bad) / len(bad),
        bad,
        at_most=0.0,
    )
    write_record(
        "folder-kill",
        [figure],
        options.records,
        n=len(bad),
        seeds=[options.seed],
        images=options.images,
        kills=[asdict(one) for one in results],
    )


if __name__ == "__main__":
    main()
