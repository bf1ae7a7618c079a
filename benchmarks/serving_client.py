"""A small HTTP/1.1 client on raw keep-alive sockets: so cheap that it is not what is measured.

It sends prepared requests to one server on loopback, in a closed loop (each connection asks again
as soon as it is answered) or an open one (requests fall due by a schedule, whatever the server
does), and notes what became of each. Everything ends by its time.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

HOST = "127.0.0.1"
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
CLOSES = re.compile(rb"(?i)\r\nconnection: *close")
LOST = 0
"""The status of a request whose connection ended before the answer was whole."""
ANSWER_SECONDS = 35.0
"""So long after its end a load may still wait for answers, then it has failed."""
RETRY_SECONDS = 0.05
TICK_SECONDS = 0.001
PER_TICK = 64
"""So many requests an open loop writes at most before it looks at the answers again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Load:
    """Requests to be sent again and again, in order, and the right body of each where known."""

    requests: Sequence[bytes]
    expected: Sequence[bytes] | None = None

    def is_right(self, index: int, answer: Answer) -> bool:
        """Return whether `answer` is the one that the request has when nothing else is asked."""
        return self.expected is None or answer.body == self.expected[index]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request; the times are those of `time.perf_counter`."""

    index: int
    due: float
    sent: float
    done: float
    status: int
    right: bool

    @property
    def seconds(self) -> float:
        """From when it should have been sent to the whole answer."""
        return self.done - self.due


@dataclass
class Run:
    """A load that was put on a server: its bounds in time, and the outcome of each request.

    `unsent` requests fell due when no connection was free or the client was late; `client_share`
    is how much of one core the client used.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    started: float = 0.0
    ended: float = 0.0
    unsent: int = 0
    client_share: float = 0.0

    @property
    def statuses(self) -> dict[str, int]:
        """How many requests have each status; `0` are lost ones."""
        return {str(k): n for k, n in sorted(Counter(o.status for o in self.outcomes).items())}

    def answered(self, *statuses: int) -> list[Outcome]:
        """Return the requests with one of `statuses`."""
        return [one for one in self.outcomes if one.status in statuses]

    @property
    def rate(self) -> float:
        """Requests answered with 200 a second, within the run's bounds."""
        in_time = sum(one.done <= self.ended for one in self.answered(200))
        return in_time / (self.ended - self.started)


def request_of(method: str, path: str, body: bytes = b"", kind: str = "image/png") -> bytes:
    """Return a whole request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n"
    if body:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode("ascii") + b"\r\n" + body


def share_below(values: Sequence[float], share: float) -> float:
    """Return the least of `values` that `share` of them do not exceed; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


class Connection(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._tell: Callable[[Answer | None], None] | None = None

    @classmethod
    async def to(cls, port: int) -> Connection:
        """Return a connection to `port` on loopback."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, HOST, port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream is needed")
        self._transport, self.is_open = transport, True

    def send(self, request: bytes, tell: Callable[[Answer | None], None]) -> None:
        """Write `request`; `tell` is called once: with the answer, or None when there is none."""
        self._tell = tell
        if self._transport is None or not self.is_open:
            self._finish(None)
            return
        self._transport.write(request)

    async def ask(self, request: bytes) -> Answer | None:
        """Write `request` and return its answer, or None when the server gives none."""
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()

        def tell(answer: Answer | None) -> None:
            if not future.done():
                future.set_result(answer)

        self.send(request, tell)
        return await future

    def data_received(self, data: bytes) -> None:
        """Tell the answer when it is whole."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[: end + 2])
        length = LENGTH.search(head)
        if length is None:
            raise ValueError(f"an answer without Content-Length: {head[:200]!r}")
        whole = end + 4 + int(length[1])
        if len(self._buffer) < whole:
            return
        body = bytes(self._buffer[end + 4 : whole])
        self._buffer.clear()
        if CLOSES.search(head) or head.startswith(b"HTTP/1.0"):
            self.close()
        self._finish(Answer(int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """A request that waits has no answer."""
        self.is_open = False
        self._finish(None)

    def close(self) -> None:
        """Close the connection."""
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def _finish(self, answer: Answer | None) -> None:
        """Tell whoever waits."""
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(answer)


def outcome_of(load: Load, index: int, due: float, sent: float, answer: Answer | None) -> Outcome:
    """Return what became of a request whose answer has just come."""
    done = time.perf_counter()
    if answer is None:
        return Outcome(index, due, sent, done, LOST, right=False)
    return Outcome(index, due, sent, done, answer.status, load.is_right(index, answer))


async def ask_once(port: int, request: bytes, seconds: float = ANSWER_SECONDS) -> Answer | None:
    """Return the answer to one request on a connection of its own; None when there is none."""
    connection = await Connection.to(port)
    try:
        async with asyncio.timeout(seconds):
            return await connection.ask(request)
    finally:
        connection.close()


async def ask_each(port: int, requests: Sequence[bytes], connections: int = 1) -> list[Answer]:
    """Return the answer to each request, in order; raises ConnectionError when one has none."""
    answers: dict[int, Answer] = {}
    numbers = iter(range(len(requests)))

    async def work() -> None:
        connection = await Connection.to(port)
        try:
            for index in numbers:
                if not connection.is_open:
                    connection = await Connection.to(port)
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await connection.ask(requests[index])
                if answer is None:
                    raise ConnectionError(f"request {index} has no answer")
                answers[index] = answer
        finally:
            connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return [answers[index] for index in range(len(requests))]


async def closed_loop(
    port: int, load: Load, connections: int, seconds: float, count: int | None = None
) -> Run:
    """Ask on all connections, each again as soon as it is answered, for `seconds` or `count`."""
    run = Run()
    numbers = iter(itertools.count() if count is None else range(count))
    ends = time.perf_counter() + seconds

    async def work() -> None:
        connection = await Connection.to(port)
        try:
            while time.perf_counter() < ends:
                number = next(numbers, None)
                if number is None:
                    return
                if not connection.is_open:
                    connection = await Connection.to(port)
                index = number % len(load.requests)
                sent = time.perf_counter()
                answer = await connection.ask(load.requests[index])
                run.outcomes.append(outcome_of(load, index, sent, sent, answer))
        finally:
            connection.close()

    run.started, used = time.perf_counter(), time.process_time()
    async with asyncio.timeout(seconds + ANSWER_SECONDS):
        await asyncio.gather(*(work() for _ in range(connections)))
    run.ended = time.perf_counter()
    run.client_share = (time.process_time() - used) / (run.ended - run.started)
    return run


def evenly(rate: float, seconds: float) -> Iterator[float]:
    """Yield when requests fall due, in seconds from the start, at even distances."""
    return (number / rate for number in range(int(rate * seconds)))


def at_random(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Yield when requests fall due as independent people would send them (a Poisson process)."""
    rng, now = random.Random(seed), 0.0
    while (now := now + rng.expovariate(rate)) < seconds:
        yield now


class OpenLoop:
    """Requests that fall due by a schedule, on so many connections at most.

    With `drops`, one that finds no free connection is not sent; else it waits for one, and its
    wait counts.
    """

    def __init__(self, port: int, load: Load, connections: int, drops: bool = False) -> None:
        self.run = Run()
        self._port, self._load, self._most, self._drops = port, load, connections, drops
        self._free: list[Connection] = []
        self._due: deque[float] = deque()
        self._numbers = itertools.cycle(range(len(load.requests)))
        self._underway = 0
        self._reopening: set[asyncio.Task[None]] = set()

    async def go(self, schedule: Iterator[float]) -> Run:
        """Send by `schedule` (seconds from now), wait for the last answers, return the run."""
        run = self.run
        self._free = [await Connection.to(self._port) for _ in range(self._most)]
        try:
            run.started, used = time.perf_counter(), time.process_time()
            await self._send_all(schedule)
            run.ended = time.perf_counter()
            run.client_share = (time.process_time() - used) / (run.ended - run.started)
            async with asyncio.timeout(ANSWER_SECONDS):
                while self._underway or self._due:
                    await asyncio.sleep(TICK_SECONDS)
                    self._pump()
        finally:
            for task in self._reopening:
                task.cancel()
            for connection in self._free:
                connection.close()
        return run

    async def _send_all(self, schedule: Iterator[float]) -> None:
        """Let each request fall due at its time."""
        for after in schedule:
            due = self.run.started + after
            while (now := time.perf_counter()) < due:
                self._pump()
                await asyncio.sleep(max(TICK_SECONDS, due - now))
            self._due.append(due)
        self._pump()

    def _pump(self) -> None:
        """Send what is due, as far as connections are free."""
        for _ in range(PER_TICK):
            if not self._due or not self._free:
                break
            connection = self._free.pop()
            if connection.is_open:
                self._send(connection, self._due.popleft())
            else:  # the server ended it because it had long been idle
                self._take_back(connection)
        if self._drops:
            self.run.unsent += len(self._due)
            self._due.clear()

    def _send(self, connection: Connection, due: float) -> None:
        """Send the next request on `connection`."""
        index, sent = next(self._numbers), time.perf_counter()
        self._underway += 1

        def tell(answer: Answer | None) -> None:
            self._underway -= 1
            # What is dropped when late is timed from when it was written.
            since = sent if self._drops else due
            self.run.outcomes.append(outcome_of(self._load, index, since, sent, answer))
            self._take_back(connection)

        connection.send(self._load.requests[index], tell)

    def _take_back(self, connection: Connection) -> None:
        """Have a connection for the next request."""
        if connection.is_open:
            self._free.append(connection)
            if self._due and not self._drops:
                self._pump()
            return
        task = asyncio.get_running_loop().create_task(self._reopen())
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    async def _reopen(self) -> None:
        """Connect anew, as soon as the server lets us; the loop's end cancels it."""
        while True:
            try:
                self._free.append(await Connection.to(self._port))
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
