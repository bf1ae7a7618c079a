"""The life of a service: its start, its memory, its end, and that it answers as the CLI does."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from processes import INKDIGITS, environment, say
from record import Figure, median_figure
from serving_client import (
    ANSWER_SECONDS,
    Connection,
    Load,
    OpenLoop,
    Outcome,
    Run,
    ask_each,
    closed_loop,
    evenly,
    outcome_of,
    request_of,
)
from serving_load import Part, checked_load
from serving_servers import (
    STOP_SECONDS,
    Memory,
    NotServed,
    Server,
    files_of,
    members,
    ours,
    serving,
    watched,
)

from inkdigits.errors import DataUnavailable

MEMORY_BAR, SLOPE_BAR, START_BAR = 250.0, 1.0, 1.5
LOOK_EVERY = 0.5
MOST_MINUTES = 60
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".heic"}
READ_CODES = (0, 3)
"""All were read, or some are no images."""
AT_ONCE = 100
TOLD = 5


def memory(asked: argparse.Namespace) -> Part:
    """What all processes of the service hold during many requests: the peak and the slope."""
    with serving(ours(), asked.logs) as server:
        load = checked_load(server.port, ours())
        with watched(server.process.pid, LOOK_EVERY) as looks:
            run = asyncio.run(memory_load(server.port, load, asked))
        files = files_of(server.process.pid)
    say(f"memory: {len(run.outcomes)} requests, {run.statuses}, {len(looks)} looks")
    slope, error = slope_of(looks)
    peak = max(look.own for look in looks) + files
    n = f"{len(run.outcomes):,} requests"
    shared, resident = (
        max(values) for values in zip(*((k.shared, k.resident) for k in looks), strict=True)
    )
    minutes = (run.ended - run.started) / 60
    each = slope / 60 * minutes / len(run.outcomes) * 100_000
    figures = [
        Figure(f"memory over {n}, slope", "MB/h", slope, [slope], at_most=SLOPE_BAR),
        Figure(f"memory over {n}, peak, each page once", "MB", peak, [peak], at_most=MEMORY_BAR),
        Figure("memory, highest sum of PSS", "MB", shared, [shared], in_table=False),
        Figure("memory, highest sum of RSS", "MB", resident, [resident], in_table=False),
        Figure("memory, slope by 100,000 requests", "MB", each, [each], in_table=False),
    ]
    return figures, {
        "statuses": run.statuses,
        "minutes": minutes,
        "slope_standard_error": error,
        "files_mb": files,
        "looks": [asdict(look) | {"at": look.at - run.started} for look in looks],
    }


async def memory_load(port: int, load: Load, asked: argparse.Namespace) -> Run:
    """Ask as often as is wanted: as fast as it goes, or at a rate."""
    if asked.memory_rate:
        schedule = evenly(asked.memory_rate, asked.requests / asked.memory_rate)
        return await OpenLoop(port, load, asked.connections).go(schedule)
    return await closed_loop(port, load, asked.connections, 60 * MOST_MINUTES, asked.requests)


def slope_of(looks: Sequence[Memory]) -> tuple[float, float]:
    """Return slope and standard error in MB an hour, by least squares; the first quarter is out."""
    at = np.array([look.at for look in looks]) / 3600
    held = np.array([look.own for look in looks])
    later = at >= at[0] + (at[-1] - at[0]) / 4
    at, held = at[later] - at[later].mean(), held[later]
    if len(at) < 3:
        raise NotServed("memory: too short to see a slope; ask more --requests")
    slope = float((at * held).sum() / (at**2).sum())
    left = held - held.mean() - slope * at
    return slope, float(np.sqrt((left**2).sum() / (len(at) - 2) / (at**2).sum()))


def start(asked: argparse.Namespace) -> Part:
    """Seconds from the process's start to the first 200 of /readyz; the first is not counted."""
    seconds = []
    for number in range(asked.starts + 1):
        with serving(ours(), asked.logs) as server:
            if number:
                seconds.append(server.start_seconds)
    say(f"start: {' '.join(f'{value:.2f}' for value in seconds)} s")
    what = "`inkdigits serve`, start to ready"
    return [median_figure(what, "seconds", seconds, at_most=START_BAR)], {}


@dataclass(frozen=True)
class Stop:
    """One SIGTERM under load: what came of the requests written before it, and of the server.

    `after` counts the first request of each connection after the signal, by status; `left` are
    processes of the server that outlived it.
    """

    before: dict[str, int]
    lost: int
    after: dict[str, int]
    seconds: float
    code: int | None
    left: int


def drain(asked: argparse.Namespace) -> Part:
    """Stop the service under load, again and again: whoever was not refused has his answer."""
    rng = random.Random(0)
    with serving(ours(), asked.logs) as server:
        load = checked_load(server.port, ours())
    stops = []
    for _ in range(asked.stops):
        with serving(ours(), asked.logs) as server:
            stops.append(stop_once(server, load, asked.drain_connections, rng.uniform(0.2, 1.0)))
        say(f"stop {len(stops)}: {stops[-1]}")
    lost = sum(stop.lost for stop in stops)
    unclean = sum(stop.code != 0 or stop.left > 0 for stop in stops)
    what = f"SIGTERM under load, {len(stops)} times"
    figures = [
        Figure(f"{what}, lost answers", "count", lost, [lost], at_most=0),
        Figure(f"{what}, not ended cleanly", "count", unclean, [unclean], at_most=0),
        median_figure(f"{what}, to the end", "seconds", [stop.seconds for stop in stops]),
    ]
    return figures, {
        "connections": asked.drain_connections,
        "stops": [asdict(stop) for stop in stops],
    }


def stop_once(server: Server, load: Load, connections: int, after: float) -> Stop:
    """Put a load on `server`, send it SIGTERM `after` seconds, and return what came of it."""
    outcomes, signalled = asyncio.run(load_and_stop(server, load, connections, after))
    try:
        code: int | None = server.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        code = None
    before = [one for one in outcomes if one.sent < signalled]
    fine = [one for one in before if one.status == 503 or (one.status == 200 and one.right)]
    return Stop(
        before=count(before),
        lost=len(before) - len(fine),
        after=count([one for one in outcomes if one.sent >= signalled]),
        seconds=time.perf_counter() - signalled,
        code=code,
        left=len(members(server.process.pid)),
    )


def count(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return how many requests have each status; `0` are those without a whole answer."""
    return {str(k): n for k, n in sorted(Counter(one.status for one in outcomes).items())}


async def load_and_stop(
    server: Server, load: Load, connections: int, after: float
) -> tuple[list[Outcome], float]:
    """Return what came of all requests, and when the signal was sent."""
    outcomes: list[Outcome] = []
    signalled: list[float] = []

    async def work(first: int) -> None:
        connection = await Connection.to(server.port)
        number = first
        try:
            while connection.is_open:
                index = number % len(load.requests)
                sent, is_last = time.perf_counter(), bool(signalled)
                answer = await connection.ask(load.requests[index])
                outcomes.append(outcome_of(load, index, sent, sent, answer))
                if answer is None or answer.status == 503 or is_last:
                    return
                number += connections
        finally:
            connection.close()

    async with asyncio.timeout(after + ANSWER_SECONDS):
        workers = asyncio.gather(*(work(number) for number in range(connections)))
        await asyncio.sleep(after)
        signalled.append(time.perf_counter())
        server.process.send_signal(signal.SIGTERM)
        await workers
    return outcomes, signalled[0]


def answers(asked: argparse.Namespace) -> Part:
    """Every real image is answered as the command line answers it, byte for byte."""
    if asked.paper is None or not Path(asked.paper).is_dir():
        raise DataUnavailable(
            f"no folder of real images: {asked.paper!r}.", "Give --paper, or set INKDIGITS_PAPER."
        )
    files = sorted(p for p in Path(asked.paper).rglob("*") if p.suffix.lower() in SUFFIXES)
    files = files[:: max(1, len(files) // asked.answers_limit)] if asked.answers_limit else files
    told = read_by_command(files)
    with serving(ours(), asked.logs) as server:
        served = read_by_server(server.port, files)
    differ = [f for f, one, other in zip(files, told, served, strict=True) if one != other]
    for file in differ[:TOLD]:
        say(f"answers differ: {file}")
    say(f"answers: {len(differ)} of {len(files)} differ")
    what = f"answers of the service that differ from the command line's, {len(files):,} real images"
    return [Figure(what, "count", len(differ), [len(differ)], at_most=0)], {"images": len(files)}


def read_by_command(files: Sequence[Path]) -> list[bytes]:
    """Return what one `inkdigits read --json` says of each of `files`."""
    command = [INKDIGITS, "read", "--json", *map(str, files)]
    done = subprocess.run(
        command, capture_output=True, check=False, timeout=60 * MOST_MINUTES, env=environment()
    )
    lines = done.stdout.splitlines()
    if done.returncode not in READ_CODES or len(lines) != len(files):
        said = done.stderr.decode("utf-8", "replace")[-2000:]
        raise NotServed(f"`inkdigits read` ended with {done.returncode}:\n{said}")
    return lines


def read_by_server(port: int, files: Sequence[Path]) -> list[bytes]:
    """Return what the service says of each of `files`, under the name the command line gives it."""
    bodies: list[bytes] = []
    for begin in range(0, len(files), AT_ONCE):
        requests = [
            request_of(
                "POST",
                f"/v1/read?name={quote(str(file), safe='')}",
                file.read_bytes(),
                "application/octet-stream",
            )
            for file in files[begin : begin + AT_ONCE]
        ]
        bodies += [one.body for one in asyncio.run(ask_each(port, requests, connections=4))]
    return bodies
