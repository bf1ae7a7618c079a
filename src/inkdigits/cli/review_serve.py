"""`inkdigits review`: the page over HTTP, on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

from inkdigits.cli.serve import address_of, listening, run
from inkdigits.review.app import Review, create_app
from inkdigits.review.decisions import decisions_path
from inkdigits.review.desk import Desk
from inkdigits.review.guard import LOOPBACK
from inkdigits.serving.crew import Crew
from inkdigits.serving.reader_process import Options
from inkdigits.serving.settings import ServiceSettings


def serve(
    results: Path,
    desk: Desk,
    host: str,
    port: int,
    options: Options,
    target: float,
    settings: ServiceSettings,
    crew: Crew,
) -> int:
    """Serve a review of `results` until the process is asked to stop; return the exit code.

    Raises ModelRefused, and CannotWrite when the address is not to be had.
    """
    listener = listening(host, port)
    local = host in LOOPBACK
    if not local:
        sys.stderr.write(
            f"inkdigits: warning: whoever reaches {host} sees these images and decides.\n"
        )
    review = Review(results, desk, options, target, LOOPBACK if local else None)
    sys.stderr.write(
        f"inkdigits: review at {address_of(listener)} ({len(desk.items):,} items; decisions in "
        f"{str(decisions_path(results))!r}). Ctrl-C stops it.\n"
    )
    return run(create_app(review, settings, crew), listener, settings)
