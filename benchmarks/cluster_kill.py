"""A worker of Ray killed 10 times while 100,000 crops are read: each has its row, none has two.

One command, `inkdigits read FOLDER --cluster local --out DIR`, goes on to its end while one of its
reading processes gets SIGKILL, at random moments. Its rows must be those of the local folder job.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from cluster_read import command, table
from folder import SEED, children, make_crops
from processes import common_arguments, environment, run, say
from record import Figure, write_record

from inkdigits.cluster.parts import images_of_a_part

IMAGES, KILLS = 100_000, 10
READER = b"MapWorker(Map(PartReader)"
"""What Ray calls a process that reads."""


def readers(pid: int) -> list[int]:
    """Return the processes below `pid` that read."""
    found = []
    for child in children(pid):
        if READER in title(child):
            found.append(child)
        found += readers(child)
    return found


def title(pid: int) -> bytes:
    """Return what a process is called, nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def parts(out: Path) -> int:
    """Return how many parts are written."""
    return len(list(out.glob("part-*")))


def read_and_kill(folder: Path, out: Path, kills: int, total: int, rng: random.Random) -> list[int]:
    """Read `folder` and kill readers meanwhile; return how many parts there were at each kill.

    The kills are spread over the job: one in each stretch of it. `total` is its number of parts.
    """
    at = []
    texts = [str(part) for part in command(folder, "--cluster", "local", "--out", out)]
    with subprocess.Popen(texts, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        for number in range(kills):
            enough = total * (number + rng.random()) / (kills + 1)
            while process.poll() is None and parts(out) < enough:
                time.sleep(0.05)
            while process.poll() is None and not (alive := readers(process.pid)):
                time.sleep(0.05)
            if process.poll() is not None:
                break
            os.kill(rng.choice(alive), signal.SIGKILL)
            at.append(parts(out))
            say(f"kill {number + 1} at {at[-1]} of {total} parts")
        _, complaint = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(complaint)
    return at


def main() -> None:
    """Measure and write records/cluster-kill.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"default: {KILLS}")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"default: {IMAGES:,}")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    n = options.images
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        folder, here, there = work / "crops", work / "here.parquet", work / "there"
        make_crops(folder, n)
        run(command(folder, "--out", here), environment())
        total = -(-n // images_of_a_part(n))
        at = read_and_kill(folder, there, options.kills, total, random.Random(options.seed))
        names = table(there).column("image").to_pylist()
        same = table(there).equals(table(here))
    lost, twice = n - len(set(names)), len(names) - len(set(names))
    figures = [
        Figure(f"kills of a Ray worker while {n:,} crops are read", "count", len(at), [len(at)]),
        Figure("crops without a row after them", "count", lost, [lost], at_most=0),
        Figure("rows that are there twice", "count", twice, [twice], at_most=0),
    ]
    write_record(
        "cluster-kill",
        figures,
        options.records,
        n=1,
        seeds=[options.seed],
        images=n,
        parts_at_each_kill=at,
        rows_as_the_folder_job=same,
    )


if __name__ == "__main__":
    main()
