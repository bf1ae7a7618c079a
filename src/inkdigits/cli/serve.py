"""`inkdigits serve`: the reader behind HTTP."""

from __future__ import annotations

import socket
import sys
from types import FrameType

import uvicorn

from inkdigits.errors import CannotWrite, ExitCode
from inkdigits.serving.app import create_app
from inkdigits.serving.settings import ServiceSettings

DRAIN_SECONDS = 30


class Server(uvicorn.Server):
    """Uvicorn's server, which tells the desk when it is asked to stop."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Answer what was taken, and say that no more should come."""
        self.config.app.state.desk.drain()  # type: ignore[union-attr]
        super().handle_exit(sig, frame)
        # Being asked to stop is no failure: uvicorn would raise the signal once more at the end.
        self._captured_signals.clear()


def serve(host: str, port: int, settings: ServiceSettings) -> int:
    """Serve until the process is asked to stop; return the exit code.

    Raises ModelRefused, and CannotWrite when the address is not to be had.
    """
    app = create_app(settings)
    listener = listening(host, port)
    shown = f"[{host}]" if ":" in host else host
    where = f"http://{shown}:{listener.getsockname()[1]}"
    sys.stderr.write(
        f"inkdigits serves at {where} (documentation: {where}/docs). Ctrl-C stops it.\n"
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = Server(config)
    server.run(sockets=[listener])
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
