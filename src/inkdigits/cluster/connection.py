"""The connection to a Ray cluster, and what Ray must not do meanwhile."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from inkdigits.errors import InkdigitsError, UsageError
from inkdigits.reading.cores import cores

LOCAL = "local"
# Ray looks at these when it is imported: it sends usage statistics home unless it is told not to,
# and keeps messages back, to print them when the process ends.
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to the cluster at `address`; `local` starts one on this machine's cores.

    What Ray says, of lost workers say, goes to stderr: stdout is for results. Raises UsageError
    where no cluster answers.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    here = {"num_cpus": cores(), "include_dashboard": False} if address == LOCAL else {}
    with redirect_stdout(sys.stderr):
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **here)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise UsageError(
                f"no Ray cluster answers at {address!r}: {error}",
                "Name one, as in 10.0.0.1:6379, auto on one of its machines, or local.",
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


def cluster_cores() -> int:
    """Return how many cores the connected cluster has."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def own_error(error: BaseException) -> InkdigitsError | None:
    """Return the error of ours that a task on the cluster has ended by, if it is one."""
    seen: list[BaseException | None] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        if isinstance(found, InkdigitsError):
            # Ray makes it a class of both kinds; ours alone has the message.
            cause = getattr(found, "cause", None)
            return cause if isinstance(cause, InkdigitsError) else found
        seen.append(found)
        found = getattr(found, "cause", None) or found.__cause__
    return None
