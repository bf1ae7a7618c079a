"""`inkdigits serve`: the reader behind HTTP."""

from __future__ import annotations

import asyncio
import math
import socket
import sys
import time
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inkdigits.errors import CannotWrite, ExitCode
from inkdigits.serving.app import create_app
from inkdigits.serving.crew import Crew
from inkdigits.serving.desk import Desk
from inkdigits.serving.settings import ServiceSettings

DRAIN_SECONDS = 90
"""What was taken is answered for so long: longer than the slowest image may be read."""
IDLE_SECONDS = 75
"""A connection outlives those that proxies keep, 60 s as a rule: else one sends as it is closed."""


class Server(uvicorn.Server):
    """Uvicorn's server, which greets once it is ready, and goes on to listen while it drains.

    Whoever asks then is told so, instead of not being answered at all.
    """

    def __init__(self, config: uvicorn.Config, greeting: str) -> None:
        super().__init__(config)
        self._desk: Desk = config.app.state.desk  # type: ignore[union-attr]
        self._greeting = greeting
        self._last: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Answer what was taken, and say that no more should come; the second time stop."""
        self._desk.drain()
        if self._last is None:
            self._last = time.monotonic() + DRAIN_SECONDS
        else:
            super().handle_exit(sig, frame)
        # Being asked to stop is no failure: uvicorn would raise the signal once more at the end.
        self._captured_signals.clear()

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, what there is to say, and whether to stop."""
        if self._greeting and self._desk.is_ready:
            sys.stderr.write(self._greeting)
            self._greeting = ""
        if self._last is not None:
            self.should_exit |= self._desk.is_idle or time.monotonic() > self._last
        self.should_exit |= self._desk.failure is not None
        return await super().on_tick(counter)


class PatientProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which waits for a request only so long.

    A connection has one timer, which looks when it is due and not at each request: under ten times
    too many, what a refusal takes is missing elsewhere.
    """

    patience = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the headers."""
        self.timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self.wait(for_body=False)

    def on_message_begin(self) -> None:
        """Wait for the headers of the next request of a connection."""
        super().on_message_begin()
        self.wait(for_body=False)

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        super().on_headers_complete()
        self.wait(for_body=True)

    def on_message_complete(self) -> None:
        """Wait for nothing more."""
        self.due = math.inf
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self.timer is not None:
            self.timer.cancel()
        super().connection_lost(exc)

    def wait(self, *, for_body: bool) -> None:
        """Give the sender so long from now on."""
        self.due, self.for_body = self.loop.time() + self.patience, for_body
        if self.timer is None:
            self.timer = self.loop.call_at(self.due, self.look)

    def look(self) -> None:
        """Cut the sender off where something is due.

        Who waits for a body has a clock as well, and answers. Only who was answered, as a rule
        refused, and goes on sending, is cut off.
        """
        self.timer = None
        now = self.loop.time()
        if self.due <= now and not (self.for_body and not self.cycle.response_complete):
            self.transport.close()
        elif self.due < math.inf:
            self.timer = self.loop.call_at(max(self.due, now + 1), self.look)


def serve(host: str, port: int, settings: ServiceSettings, crew: Crew) -> int:
    """Serve what `crew` reads until the process is asked to stop; return the exit code.

    Raises ModelRefused, and CannotWrite when the address is not to be had.
    """
    listener = listening(host, port)
    where = address_of(listener)
    greeting = f"inkdigits serves at {where} (documentation: {where}/docs). Ctrl-C stops it.\n"
    return run(create_app(settings, crew, patient=False), listener, settings, greeting)


def address_of(listener: socket.socket) -> str:
    """Return where a browser finds what listens."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def run(
    app: Starlette, listener: socket.socket, settings: ServiceSettings, greeting: str = ""
) -> int:
    """Serve `app` at `listener`, greet once it is ready; raises what keeps it from starting."""
    PatientProtocol.patience = settings.max_seconds
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    try:
        Server(config, greeting).run(sockets=[listener])
    except SystemExit:  # what Uvicorn does when the application does not start
        raise app.state.desk.failure from None
    if app.state.desk.failure is not None:
        raise app.state.desk.failure
    return int(ExitCode.DONE)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at `host` and `port`; raises CannotWrite."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise CannotWrite(
            f"cannot listen at {host} port {port}: {getattr(error, 'strerror', None) or error}.",
            "Choose another with --port; 0 takes any that is free.",
        ) from error
    listener.listen(1024)
    return listener
