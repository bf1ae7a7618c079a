"""`inkdigits serve`: the reader behind HTTP."""

from __future__ import annotations

import asyncio
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
    """Uvicorn's protocol, which waits for a request only so long."""

    patience = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        self.clock: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self.wait_for_headers()

    def on_message_begin(self) -> None:
        """Start the clock for the next request of a connection."""
        super().on_message_begin()
        self.wait_for_headers()

    def on_headers_complete(self) -> None:
        """Start the clock for the body; who waits for it has one as well."""
        self.stop_clock()
        super().on_headers_complete()
        self.clock = self.loop.call_later(self.patience, self.cut_off_if_answered)

    def on_message_complete(self) -> None:
        """Stop the clock."""
        self.stop_clock()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self.stop_clock()
        super().connection_lost(exc)

    def wait_for_headers(self) -> None:
        """Cut the sender off unless all headers are there in time."""
        self.stop_clock()
        self.clock = self.loop.call_later(self.patience, self.transport.close)

    def cut_off_if_answered(self) -> None:
        """Cut off who was answered, as a rule refused, and goes on sending."""
        if self.cycle.response_complete:
            self.transport.close()
        else:
            self.clock = self.loop.call_later(1.0, self.cut_off_if_answered)

    def stop_clock(self) -> None:
        """Wait no longer."""
        if self.clock is not None:
            self.clock.cancel()
            self.clock = None


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
