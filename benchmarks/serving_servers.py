"""Servers as real processes on loopback: started, found ready, looked at, and always ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from processes import INKDIGITS, environment
from serving_client import HOST, Answer, request_of

READY_SECONDS = 90.0
STOP_SECONDS = 35.0
LOOK_SECONDS = 0.005
CLOSE = b"\r\nConnection: close\r\n\r\n"
PORT = "{port}"
"""Stands in a command for the port."""


class NotServed(RuntimeError):
    """A server did not start, or did not answer as it must."""


@dataclass(frozen=True)
class Side:
    """One service to be measured: how it is started, where it takes images, where it is ready.

    `processes` of it must have answered at `ready`, each with a body of its own.
    """

    name: str
    command: Sequence[str]
    path: str = "/v1/read?layout=digit"
    ready: str = "/readyz"
    env: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1


@dataclass(frozen=True)
class Server:
    """A server that is ready: its process, its port, and how long it took from start to ready."""

    process: subprocess.Popen[bytes]
    port: int
    start_seconds: float


def ours(*options: str) -> Side:
    """Return `inkdigits serve` as a user starts it."""
    return Side("inkdigits serve", [INKDIGITS, "serve", "--host", HOST, "--port", PORT, *options])


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        port: int = taken.getsockname()[1]
    return port


@contextmanager
def serving(side: Side, logs: Path) -> Iterator[Server]:
    """Run `side` until the block ends; raises NotServed when it does not become ready."""
    port = free_port()
    command = [part.replace(PORT, str(port)) for part in side.command]
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{side.name.split(',')[0].replace(' ', '-').lower()}.log"
    env = environment(**side.env)
    with log.open("wb") as file:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=env,
            cwd=logs,
            # A group of its own, so that all of it can be ended.
            start_new_session=True,
        )
    try:
        wait_ready(process, port, side, log)
        yield Server(process, port, time.perf_counter() - started)
    finally:
        end(process)


def wait_ready(process: subprocess.Popen[bytes], port: int, side: Side, log: Path) -> None:
    """Wait until as many processes of the server as there should be say that they are ready."""
    seen: set[bytes] = set()
    ends = time.perf_counter() + READY_SECONDS
    while time.perf_counter() < ends:
        if process.poll() is not None:
            break
        answer = ask_plainly(port, side.ready)
        if answer is not None and answer.status == 200:
            seen.add(answer.body)
            if len(seen) >= side.processes:
                return
        time.sleep(LOOK_SECONDS)
    tail = log.read_text("utf-8", "replace")[-2000:]
    raise NotServed(f"{side.name} did not become ready (code {process.poll()}):\n{tail}")


def ask_plainly(port: int, path: str) -> Answer | None:
    """Return the answer to a GET on a connection of its own; None where nobody answers."""
    try:
        with socket.create_connection((HOST, port), timeout=5.0) as connection:
            connection.sendall(request_of("GET", path).replace(b"\r\n\r\n", CLOSE, 1))
            content = b""
            while part := connection.recv(65536):
                content += part
    except OSError:
        return None
    head, _, body = content.partition(b"\r\n\r\n")
    return Answer(int(head[9:12]), body) if head.startswith(b"HTTP/1.") else None


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started: first kindly, then not."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def members(group: int) -> list[int]:
    """Return the living processes of a process group (Linux only)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
            if state not in "ZX" and int(of_group) == group:
                found.append(int(stat.parent.name))
    return found


def tree(pid: int) -> list[int]:
    """Return `pid` and all processes that came of it and live (Linux only)."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                with suppress(OSError):
                    found += [int(child) for child in children.read_text().split()]
    return found


@dataclass(frozen=True)
class Memory:
    """What a server's processes hold together, in MB of 10⁶ bytes.

    `own` is what is no file's: what can leak. A page that several of them have counts once in it
    and in `shared` (the sum of PSS), which falls when others use the same libraries; in `resident`
    (the sum of RSS) it counts for each.
    """

    at: float
    processes: int
    own: float
    shared: float
    resident: float


def memory_of(pid: int) -> Memory:
    """Return what `pid` and all that came of it hold now."""
    at, family = time.perf_counter(), tree(pid)
    held: Counter[str] = Counter()
    for one in family:
        with suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()[1:]:
                name, amount = line.split()[:2]
                held[name] += int(amount)
    own = held["Pss_Anon:"] + held["Pss_Shmem:"]
    return Memory(at, len(family), *(in_mb(n) for n in (own, held["Pss:"], held["Rss:"])))


def files_of(pid: int) -> float:
    """Return the MB of programs, libraries and other files that a server's processes hold.

    Of a file that several of them have, it counts the most that one has; whoever else has it on
    this machine, such as the client, takes nothing off.
    """
    most: dict[str, int] = {}
    for one in tree(pid):
        held: Counter[str] = Counter()
        path = ""
        with suppress(OSError):
            for line in Path(f"/proc/{one}/smaps").read_text().splitlines():
                parts = line.split(maxsplit=5)
                if not parts[0].endswith(":"):
                    path = parts[5] if len(parts) == 6 else ""
                elif path.startswith("/") and parts[0] in ("Rss:", "Anonymous:"):
                    held[path] += int(parts[1]) * (1 if parts[0] == "Rss:" else -1)
        most |= {name: max(n, most.get(name, 0)) for name, n in held.items()}
    return in_mb(sum(most.values()))


def in_mb(kibibytes: int) -> float:
    """Return the kernel's kB (1,024 bytes) as MB of 10⁶ bytes."""
    return kibibytes * 1024 / 1e6


@contextmanager
def watched(pid: int, every: float) -> Iterator[list[Memory]]:
    """Yield the memory of `pid` and its children, looked at `every` so many seconds meanwhile."""
    looks: list[Memory] = []
    over = threading.Event()

    def look() -> None:
        while True:
            looks.append(memory_of(pid))
            if over.wait(every):
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield looks
    finally:
        over.set()
        watcher.join()
