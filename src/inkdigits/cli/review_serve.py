"""`inkdigits review`: the page over HTTP, on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

from inkdigits.cli.review import check_images
from inkdigits.cli.serve import address_of, listening, run
from inkdigits.reading.table_rows import read_table
from inkdigits.review.app import Review, create_app
from inkdigits.review.decisions import Decisions, decisions_path
from inkdigits.review.desk import Desk
from inkdigits.review.guard import LOOPBACK
from inkdigits.review.items import items_of
from inkdigits.serving.crew import Crew
from inkdigits.serving.reader_process import Options
from inkdigits.serving.settings import ServiceSettings


def serve(
    results: Path,
    host: str,
    port: int,
    options: Options,
    target: float,
    settings: ServiceSettings,
    crew: Crew,
) -> int:
    """Serve a review of `results` until the process is asked to stop; return the exit code.

    Raises UsageError when another process reviews them, InvalidData, ModelRefused, CannotWrite.
    """
    items = items_of(read_table(results))
    check_images(results, [item.key.image for item in items])
    with Decisions(decisions_path(results)) as decisions:
        listener = listening(host, port)
        local = host in LOOPBACK
        if not local:
            sys.stderr.write(
                f"inkdigits: warning: whoever reaches {host} sees these images and decides.\n"
            )
        desk = Desk(items, decisions)
        hosts = LOOPBACK if local else None
        review = Review(results, desk, decisions, options, target, hosts)
        sys.stderr.write(
            f"inkdigits: review at {address_of(listener)} ({len(items):,} items; decisions in "
            f"{str(decisions.path)!r}). Ctrl-C stops it.\n"
        )
        return run(create_app(review, settings, crew), listener, settings)
