"""What reading a billion images, and a search of 10,000 trials, take: measured costs, simulated.

The costs of one core are measured here, in about two minutes. What cannot be measured on one
machine is assumed, and each assumption is an option: latency, limits and prices of object storage,
the price of a core. A pipeline of fetching, a bounded queue and readers is then simulated image by
image, and the rest is arithmetic. Prints the tables of docs/scaling.md.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from folder import SEED
from processes import common_arguments, say
from record import Figure, write_record
from scaling_costs import (
    IMAGES,
    TRIALS,
    Costs,
    Kind,
    Search,
    kinds,
    measure_costs,
    measure_kind,
    measure_search,
)

BILLION, EPOCHS = 1_000_000_000, 50
SIMULATED = 20_000
FED, WAITING = 0.97, 64
HOUR, TERABYTE = 3600, 1e12
# ASHA at its usual reduction: a quarter goes on from each rung.
RUNGS, REDUCTION = (2, 8, 32), 4


@dataclass(frozen=True)
class Assumed:
    """What is not measured here: object storage and prices, in seconds, bytes a second and $.

    `request` are the seconds of a core for one request, encryption included.
    """

    latency: float = 0.03
    request: float = 0.001
    bandwidth: float = 10e9 / 8
    requests_a_second: float = 5_500
    core_hour: float = 0.045
    thousand_requests: float = 0.0004
    cores_a_machine: int = 16


def fed(kind: Kind, readers: int, requests: int, latency: float) -> float:
    """Return the share of their time in which `readers` read, simulated image by image.

    `requests` fetch at once, each for `latency` seconds spread like an exponential's beyond its
    half; at most WAITING images for each reader wait to be read, far fewer than a part has.
    """
    rng = np.random.default_rng(SEED)
    waits = latency / 2 + rng.exponential(latency / 2, SIMULATED)
    reads = rng.choice(np.asarray(kind.reads), SIMULATED)
    free_at = [0.0] * readers
    slots = [0.0] * requests
    started = [0.0] * SIMULATED
    room = WAITING * readers
    arrived: list[float] = []
    for number in range(SIMULATED):
        # Back-pressure: a request is made when there is room for what it brings.
        ready = heapq.heappop(slots)
        if number >= room + requests:
            ready = max(ready, started[number - room - requests])
        arrival = ready + waits[number]
        heapq.heappush(slots, arrival)
        arrived.append(arrival)
        begin = max(heapq.heappop(free_at), arrival)
        started[number] = begin
        heapq.heappush(free_at, begin + reads[number])
    # Of the second half, when the first images have long come.
    half = SIMULATED // 2
    return float(reads[half:].sum() / ((max(free_at) - started[half]) * readers))


def requests_needed(kind: Kind, readers: int, latency: float) -> int:
    """Return how many requests at once keep `readers` busy for all but 3 % of their time."""
    requests = 1
    while fed(kind, readers, requests, latency) < FED:
        requests += 1 + requests // 8
    return requests


def epochs_under_asha() -> float:
    """Return how many epochs a trial has on average: at each rung one in four goes on."""
    total, share, before = 0.0, 1.0, 0
    for rung in (*RUNGS, EPOCHS):
        total += share * (rung - before)
        share, before = share / REDUCTION, rung
    return total


def reading_table(kinds_read: Sequence[Kind], costs: Costs, assumed: Assumed) -> list[list[str]]:
    """Return what a billion images take, a row a kind and a way to store them."""
    rows = []
    for kind in kinds_read:
        for stored, fetching in (("objects", assumed.request), ("Parquet", costs.table_row)):
            seconds = kind.read + fetching + costs.result_row
            hours = BILLION * seconds / HOUR
            requests = BILLION if stored == "objects" else BILLION * kind.size / 128e6
            money = hours * assumed.core_hour + requests / 1000 * assumed.thousand_requests
            cores = hours / 24
            rows.append(
                [
                    kind.name,
                    stored,
                    f"{1 / seconds:,.0f}",
                    f"{hours:,.0f}",
                    f"{cores:,.0f}",
                    f"{cores * costs.reader_mib / 1024:,.0f}",
                    f"{BILLION * kind.size / TERABYTE:,.2f}",
                    f"{BILLION * costs.result_bytes / TERABYTE:,.2f}",
                    f"{requests / 1000 * assumed.thousand_requests:,.0f}",
                    f"{money:,.0f}",
                ]
            )
    return rows


def bottleneck_table(kinds_read: Sequence[Kind], costs: Costs, assumed: Assumed) -> list[list[str]]:
    """Return where the time of a core goes, and how many cores one storage and network feed."""
    rows = []
    for kind in kinds_read:
        seconds = kind.read + assumed.request + costs.result_row
        shares = (kind.decode, kind.read - kind.decode, assumed.request, costs.result_row)
        rows.append(
            [
                kind.name,
                *(f"{share / seconds:.0%}".replace("%", " %") for share in shares),
                f"{assumed.requests_a_second * seconds:,.0f}",
                f"{assumed.bandwidth / kind.size * seconds:,.0f}",
                str(requests_needed(kind, assumed.cores_a_machine, assumed.latency)),
            ]
        )
    return rows


def search_table(search: Search, assumed: Assumed) -> list[list[str]]:
    """Return what a search of 10,000 trials takes, with and without ASHA."""
    # What a proposal takes grows with the trials that there are.
    proposing = TRIALS * search.proposal[TRIALS] / 2
    rows = []
    for name, epochs in (("ASHA", epochs_under_asha()), ("every epoch", float(EPOCHS))):
        trial = epochs * search.epoch
        hours = (TRIALS * trial + proposing) / HOUR
        rows.append(
            [
                name,
                f"{epochs:.1f}",
                f"{trial:.1f}",
                f"{hours:,.0f}",
                f"{hours * assumed.core_hour:,.2f}",
                f"{trial / search.proposal[TRIALS]:,.0f}",
                f"{proposing / HOUR:.1f}",
            ]
        )
    return rows


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as Markdown."""
    print(f"\n{title}\n")
    for line in (heads, ["---"] + ["--:"] * (len(heads) - 1), *rows):
        print(f"| {' | '.join(line)} |")


def main() -> None:
    """Measure, simulate, print, and write records/scaling.json."""
    parser = common_arguments(__doc__)
    for name, value in asdict(Assumed()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = parser.parse_args()
    assumed = Assumed(**{name: getattr(options, name) for name in asdict(Assumed())})
    files = kinds()
    kinds_read = [measure_kind(*kind) for kind in files]
    costs = measure_costs(files[1][2])
    say(f"{costs}")
    search = measure_search()
    say(f"{search}")
    show(
        "A billion images, done in 24 hours:",
        [
            "image",
            "stored as",
            "a second, a core",
            "core-hours",
            "cores",
            "memory, GiB",
            "images, TB",
            "results, TB",
            "requests, $",
            "all, $",
        ],
        reading_table(kinds_read, costs, assumed),
    )
    show(
        "Where a core's time goes, and what feeds it:",
        [
            "image",
            "decode",
            "model and the rest",
            "fetch",
            "write",
            "cores a prefix feeds",
            "cores a network card feeds",
            f"requests at once, {assumed.cores_a_machine} readers",
        ],
        bottleneck_table(kinds_read, costs, assumed),
    )
    show(
        f"A search of {TRIALS:,} trials:",
        [
            "poor trials end",
            "epochs a trial",
            "seconds a trial",
            "core-hours",
            "$",
            "workers one sampler feeds",
            "hours of proposing",
        ],
        search_table(search, assumed),
    )
    figures = [
        Figure(
            f"{kind.name}: seconds of a core, decode to reading",
            "seconds",
            kind.read,
            [kind.read],
            in_table=False,
        )
        for kind in kinds_read
    ]
    write_record(
        "scaling",
        figures,
        options.records,
        n=IMAGES,
        seeds=[SEED],
        assumed=asdict(assumed),
        kinds=[{**asdict(kind), "reads": len(kind.reads)} for kind in kinds_read],
        costs=asdict(costs),
        search=asdict(search),
    )


if __name__ == "__main__":
    main()
