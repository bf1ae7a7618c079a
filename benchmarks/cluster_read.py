"""100,000 made crops read through Ray on this machine's cores, against the local folder job.

Both are whole processes, start to table: `inkdigits read FOLDER --cluster local --out DIR` and
`inkdigits read FOLDER --out results.parquet`, in turn (A B A B …). The crops are numbers that the
project draws, 500 of them under different names. Both must give the same rows.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.dataset
from folder import SEED, make_crops
from processes import arguments, environment, run, say
from record import median_figure, ratio_figure, write_record

IMAGES, REPEATS = 100_000, 1
BAR = 0.8


@dataclass(frozen=True)
class Pair:
    """Seconds through Ray, and of the local folder job."""

    ray: float
    local: float


def command(folder: Path, *options: str | Path) -> list[str | Path]:
    """Return what a user types."""
    return [sys.executable, "-m", "inkdigits", "read", folder, *options]


def table(place: Path) -> Any:
    """Return the rows of a table, or of a folder of tables in the order of their names."""
    return pyarrow.dataset.dataset(place).to_table()


def measure(folder: Path, n: int) -> Pair:
    """Read `folder` of `n` crops both ways; raises RuntimeError where rows differ."""
    with tempfile.TemporaryDirectory() as work:
        there, here = Path(work) / "there", Path(work) / "here.parquet"
        ray = run(command(folder, "--cluster", "local", "--out", there), environment())
        local = run(command(folder, "--out", here), environment())
        if table(there).num_rows != n or not table(there).equals(table(here)):
            raise RuntimeError(f"{n} crops, other rows in {there} than in {here}")
    return Pair(ray.seconds, local.seconds)


def start_seconds(folder: Path) -> float:
    """Return how long a single crop takes through Ray: the time of starting it all."""
    one = sorted(folder.rglob("*.png"))[0]
    with tempfile.TemporaryDirectory() as work:
        started = time.perf_counter()
        run(command(one, "--cluster", "local", "--out", Path(work) / "out"), environment())
        return time.perf_counter() - started


def main() -> None:
    """Measure and write records/cluster-read.json."""
    parser = arguments(__doc__, repeats=REPEATS)
    parser.add_argument("--images", type=int, default=IMAGES, help=f"default: {IMAGES:,}")
    options = parser.parse_args()
    n = options.images
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "crops"
        make_crops(folder, n)
        start = start_seconds(folder)
        pairs = []
        for _ in range(options.repeats):
            pairs.append(measure(folder, n))
            say(f"{n:,} crops: {pairs[-1]}")
    ray, local = [pair.ray for pair in pairs], [pair.local for pair in pairs]
    figures = [
        ratio_figure(
            f"reading {n:,} crops through Ray, its throughput / the local folder job's",
            local,
            ray,
            above=BAR,
        ),
        ratio_figure(
            f"the same for {n:,} crops, without the seconds that Ray takes to start",
            local,
            [seconds - start for seconds in ray],
            in_table=False,
        ),
        median_figure("`inkdigits read --cluster local`, a single crop", "seconds", [start]),
    ]
    write_record(
        "cluster-read",
        figures,
        options.records,
        n=len(pairs),
        seeds=[SEED],
        images=n,
        images_a_second=[round(n / pair.ray, 1) for pair in pairs],
        images_a_second_local=[round(n / pair.local, 1) for pair in pairs],
        pairs=[asdict(pair) for pair in pairs],
    )


if __name__ == "__main__":
    main()
