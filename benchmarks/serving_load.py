"""How a service fares under load: throughput beside others, latency, and ten times too much.

The load is a few hundred different drawn digits, 280×280, as PNG. `inkdigits` writes them itself;
none is of MNIST.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
import serving_peers
from processes import say
from record import Figure, median_figure, ratio_figure
from serving_client import (
    Load,
    OpenLoop,
    Outcome,
    Run,
    ask_each,
    at_random,
    closed_loop,
    evenly,
    request_of,
    share_below,
)
from serving_servers import NotServed, Side, ours, serving

from inkdigits.synthesis.hand import new_hand

Part = tuple[list[Figure], dict[str, Any]]
"""What a part of the benchmark gives: its figures, and what the record says besides."""

IMAGES, SIDE, SEED = 300, 280, 0
FLASK_BAR, LITSERVE_BAR = 10.0, 1.0
LATENCY_BAR = 0.020
REFUSED = (429, 503)
REFUSAL_BAR, ACCEPTED_BAR, RECOVERY_BAR = 0.1, 3.0, 5.0
TIMES_CAPACITY = 10
PROBES_A_SECOND, PROBES_IN_A_ROW, PROBING_SECONDS = 20, 20, 10.0
COMPARED = 20
"""So many answers of LitServe with our reader are compared with the server's own."""


@cache
def drawn_digits() -> tuple[bytes, ...]:
    """Return the PNG files of single digits, dark on white, each by a writer of its own."""
    rng = np.random.default_rng(SEED)
    return tuple(draw_digit(number % 10, rng) for number in range(IMAGES))


def draw_digit(label: int, rng: np.random.Generator) -> bytes:
    """Return the PNG file of one digit, somewhere near the middle of its page."""
    ink = new_hand(rng).digit(label, rng)
    scale = rng.uniform(0.45, 0.75) * SIDE / max(ink.shape)
    size = [max(1, round(side * scale)) for side in ink.shape]
    ink = np.asarray(cv2.resize(ink, size[::-1], interpolation=cv2.INTER_CUBIC))
    page = np.full((SIDE, SIDE), 255, np.uint8)
    top, left = ((SIDE - side) // 2 + int(rng.integers(-10, 11)) for side in size)
    page[top : top + size[0], left : left + size[1]] -= ink
    return bytes(cv2.imencode(".png", page)[1].tobytes())


def load_for(side: Side) -> Load:
    """Return the drawn digits as requests for `side`."""
    return Load([request_of("POST", side.path, content) for content in drawn_digits()])


def checked_load(port: int, side: Side) -> Load:
    """Return the drawn digits with the answers that the service gives one at a time."""
    load = load_for(side)
    answers = asyncio.run(ask_each(port, load.requests))
    bad = [answer for answer in answers if answer.status != 200]
    if bad:
        raise NotServed(f"{len(bad)} of {len(answers)} digits are not answered: {bad[0]}")
    return Load(load.requests, [answer.body for answer in answers])


def full_speed(side: Side, seconds: float, asked: argparse.Namespace) -> Run:
    """Start `side`, warm it up, and return a closed loop of all connections over `seconds`."""
    with serving(side, asked.logs) as server:
        load = load_for(side)
        asyncio.run(closed_loop(server.port, load, asked.connections, asked.warm_up))
        run = asyncio.run(closed_loop(server.port, load, asked.connections, seconds))
    say(f"{side.name}: {run.rate:.0f}/s, {run.statuses}, client {run.client_share:.0%} of a core")
    return run


def throughput(asked: argparse.Namespace) -> Part:
    """Requests a second, ours and the others' in their best settings, in turn (A B A B …)."""
    sides, trials = {"inkdigits serve": ours()}, {}
    for name, settings in serving_peers.all_settings(asked.work).items():
        sides[name], trials[name] = best_of(settings, asked)
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    for _ in range(asked.repeats):
        for name, side in sides.items():
            runs[name].append(full_speed(side, asked.seconds, asked))
    rates = {name: [run.rate for run in of_side] for name, of_side in runs.items()}
    facts = {
        "connections": asked.connections,
        "seconds": asked.seconds,
        "images": {"n": IMAGES, "side": SIDE, "seed": SEED},
        "trials": trials,
        "same_answers": same_answers(sides[serving_peers.LITSERVE_READER], asked),
        "statuses": {name: [run.statuses for run in of_side] for name, of_side in runs.items()},
        "p99_seconds": {name: [p99(run) for run in of_side] for name, of_side in runs.items()},
        "client_share": {name: [r.client_share for r in of_side] for name, of_side in runs.items()},
        "versions": serving_peers.versions_of(serving_peers.serving_python(asked.work)),
    }
    return throughput_figures(rates, asked.connections), facts


def best_of(settings: Sequence[Side], asked: argparse.Namespace) -> tuple[Side, dict[str, Any]]:
    """Return the fastest of `settings`, and the requests a second of each; None: it failed."""
    rates: dict[str, float | None] = {}
    for side in settings:
        try:
            run = full_speed(side, asked.trial_seconds, asked)
        except (NotServed, OSError, ValueError) as error:
            say(f"{side.name}: {error}")
            rates[side.name] = None
        else:
            rates[side.name] = round(run.rate, 1)
    best = max(settings, key=lambda side: rates[side.name] or 0.0)
    if not rates[best.name]:
        raise NotServed(f"no setting of {best.name} works")
    return best, {"best": best.name, "requests_a_second": rates}


def same_answers(side: Side, asked: argparse.Namespace) -> bool:
    """Return whether LitServe with our reader answers as our service does."""
    found = []
    for one in (ours(), side):
        with serving(one, asked.logs) as server:
            answers = asyncio.run(ask_each(server.port, load_for(one).requests[:COMPARED]))
        found.append([json.loads(answer.body) for answer in answers])
    return bool(found[0] == found[1])


def throughput_figures(rates: Mapping[str, list[float]], connections: int) -> list[Figure]:
    """Return the ratios of requests a second, and the requests a second of each side."""
    own = rates["inkdigits serve"]
    what = f"requests a second, single digits, {connections} connections, `inkdigits serve` / "
    bars = {
        serving_peers.FLASK: ("Flask and Keras `predict` of the classic network", FLASK_BAR),
        serving_peers.LITSERVE: ("LitServe around the same ONNX file", LITSERVE_BAR),
        serving_peers.LITSERVE_READER: ("LitServe around our reader", None),
    }
    figures = [
        ratio_figure(what + told, own, rates[name], above=bar) for name, (told, bar) in bars.items()
    ]
    return figures + [
        median_figure(f"{name}, {connections} connections", "per second", values, in_table=False)
        for name, values in rates.items()
    ]


def latency(asked: argparse.Namespace) -> Part:
    """Seconds from when a request should be sent to its answer, at a rate that is kept up."""
    runs = []
    for repeat in range(asked.repeats):
        with serving(ours(), asked.logs) as server:
            load = checked_load(server.port, ours())
            asyncio.run(closed_loop(server.port, load, 4, asked.warm_up))
            schedule = schedule_of(asked, repeat)
            loop = OpenLoop(server.port, load, asked.connections)
            runs.append(asyncio.run(loop.go(schedule)))
        say(f"latency: p50 {p50(runs[-1]):.4f} s, p99 {p99(runs[-1]):.4f} s, {runs[-1].statuses}")
    what = f"`inkdigits serve` at {asked.rate:g} requests a second ({asked.arrivals} arrivals)"
    failed = [1 - share(o.status == 200 and o.right for o in run.outcomes) for run in runs]
    late = [share_below([o.sent - o.due for o in run.outcomes], 0.99) for run in runs]
    figures = [
        median_figure(f"{what}, p50", "seconds", [p50(run) for run in runs]),
        median_figure(f"{what}, p99", "seconds", [p99(run) for run in runs], at_most=LATENCY_BAR),
        Figure(
            f"{what}, not answered rightly", "share", max(failed), failed, at_most=0.0,
            in_table=False,
        ),
    ]  # fmt: skip
    return figures, {
        "rate": asked.rate,
        "arrivals": asked.arrivals,
        "seconds": asked.latency_seconds,
        "statuses": [run.statuses for run in runs],
        "client_late_p99_seconds": late,
    }


def schedule_of(asked: argparse.Namespace, repeat: int) -> Iterator[float]:
    """Return when the requests of a latency run fall due."""
    if asked.arrivals == "even":
        return evenly(asked.rate, asked.latency_seconds)
    return at_random(asked.rate, asked.latency_seconds, SEED + repeat)


def overload(asked: argparse.Namespace) -> Part:
    """Ten times the capacity: who is refused hears it soon, who is not is answered well.

    The capacity is that of a closed loop of all connections, in which nothing is refused; its p99
    is the one at capacity. The p99 at half the capacity, in an open loop, is the unloaded one.
    """
    with serving(ours(), asked.logs) as server:
        port = server.port
        load = checked_load(port, ours())
        asyncio.run(closed_loop(port, load, asked.connections, asked.warm_up))
        full = asyncio.run(closed_loop(port, load, asked.connections, asked.seconds))
        half_loop = OpenLoop(port, load, asked.connections)
        half = asyncio.run(half_loop.go(evenly(full.rate / 2, asked.seconds)))
        say(f"capacity {full.rate:.0f}/s, p99 {p99(full):.4f} s, at half {p99(half):.4f} s")
        offered = evenly(TIMES_CAPACITY * full.rate, asked.overload_seconds)
        flood = OpenLoop(port, load, asked.overload_connections, drops=True)
        over, recovery = asyncio.run(flood_then_probe(flood, offered, port, load, p99(full)))
    say(f"overload: {over.statuses}, {over.unsent} not sent, recovery {recovery:.2f} s")
    return overload_figures(full, half, over, recovery, asked.connections), {
        "capacity": full.rate,
        "capacity_statuses": full.statuses,
        "half_statuses": half.statuses,
        "seconds": asked.overload_seconds,
        "connections": asked.overload_connections,
        "unsent": over.unsent,
        "statuses": over.statuses,
        "client_share": over.client_share,
    }


async def flood_then_probe(
    flood: OpenLoop, offered: Iterator[float], port: int, load: Load, usual: float
) -> tuple[Run, float]:
    """Return the flood's run, and the seconds from its end until the service is as before."""
    over = await flood.go(offered)
    probes = await OpenLoop(port, load, PROBES_IN_A_ROW).go(
        evenly(PROBES_A_SECOND, PROBING_SECONDS)
    )
    return over, recovery_of(over, probes, ACCEPTED_BAR * usual)


def recovery_of(over: Run, probes: Run, at_most: float) -> float:
    """Return the seconds from the last request of `over` to a row of good probes.

    A probe is good when it is rightly answered within `at_most` seconds; where no row of them is,
    the time that was spent looking.
    """
    row: list[Outcome] = []
    for one in sorted(probes.outcomes, key=lambda probe: probe.due):
        good = one.status == 200 and one.right and one.seconds <= at_most
        row = [*row, one] if good else []
        if len(row) == PROBES_IN_A_ROW:
            return max(0.0, row[0].due - over.ended)
    return max(PROBING_SECONDS, RECOVERY_BAR) + 1.0


def overload_figures(
    full: Run, half: Run, over: Run, recovery: float, connections: int
) -> list[Figure]:
    """Return what the bars are for, and what explains it."""
    accepted = over.answered(200)
    refused = [one.seconds for one in over.answered(*REFUSED)]
    if not accepted or not refused:
        raise NotServed(f"nothing was accepted, or nothing refused: {over.statuses}")
    wrong = [one for one in accepted if not one.right]
    other = len(over.outcomes) - len(accepted) - len(refused)
    sent = len(over.outcomes) / (over.ended - over.started)
    accepted_p99 = share_below([one.seconds for one in accepted], 0.99)
    what = f"{TIMES_CAPACITY} × overload"

    def one(text: str, kind: str, value: float, **others: Any) -> Figure:
        return Figure(f"{what}, {text}", kind, value, [value], **others)

    return [
        one("refusals, p99", "seconds", share_below(refused, 0.99), at_most=REFUSAL_BAR),
        one(
            f"p99 of those accepted / at capacity ({connections} connections, none refused)",
            "ratio",
            accepted_p99 / p99(full),
            at_most=ACCEPTED_BAR,
        ),
        one("p99 of those accepted / at half the capacity", "ratio", accepted_p99 / p99(half)),
        one("until as before", "seconds", recovery, at_most=RECOVERY_BAR),
        one("wrong answers", "count", len(wrong), at_most=0),
        one("neither answered nor refused", "count", other, at_most=0),
        one("requests sent / capacity", "ratio", sent / full.rate),
        one("p99 of those accepted", "seconds", accepted_p99, in_table=False),
        one("p99 at capacity", "seconds", p99(full), in_table=False),
        one("p99 at half the capacity", "seconds", p99(half), in_table=False),
        one("capacity", "per second", full.rate, in_table=False),
        one("answered meanwhile", "per second", over.rate, in_table=False),
    ]


def p99(run: Run) -> float:
    """Return the seconds that 99 % of those answered with 200 did not exceed."""
    return share_below([one.seconds for one in run.answered(200)], 0.99)


def p50(run: Run) -> float:
    """Return the median of the seconds of those answered with 200."""
    return statistics.median([one.seconds for one in run.answered(200)] or [0.0])


def share(flags: Iterator[bool]) -> float:
    """Return how many of `flags` are true, as a share."""
    found = list(flags)
    return sum(found) / len(found)
