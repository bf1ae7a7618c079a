"""The connection to a Ray cluster, and what Ray must not do meanwhile."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec

from inkdigits.errors import UsageError
from inkdigits.reading.cores import cores

LOCAL = "local"
ANSWER_SECONDS = 10.0
ENVIRONMENT = {
    # It sends usage statistics home unless it is told not to.
    "RAY_USAGE_STATS_ENABLED": "0",
    # It keeps messages back, and prints them to stdout when the process ends.
    "RAY_DEDUP_LOGS": "0",
    # It takes for an error, on stderr, that Ray Data starts actors as it does.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""What Ray looks at when it is imported."""


def require_ray() -> None:
    """Raise ModuleNotFoundError where Ray is not installed, without the seconds of importing it."""
    if find_spec("ray") is None:
        raise ModuleNotFoundError("No module named 'ray'", name="ray")


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to the cluster at `address`; `local` starts one on this machine's cores.

    Where this process is connected already, it stays so. What Ray says, of lost workers say, goes
    to stderr: stdout is for results. Raises UsageError where no cluster answers.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    require_answer(address)
    here = {"num_cpus": cores(), "include_dashboard": False} if address == LOCAL else {}
    with redirect_stdout(sys.stderr):
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **here)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise no_cluster(address, error) from error
        try:
            yield
        finally:
            ray.shutdown()


def require_answer(address: str) -> None:
    """Raise UsageError where nobody listens at a host and port: Ray would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise no_cluster(address, error) from error


def no_cluster(address: str, error: Exception) -> UsageError:
    """Return the error for an address where no cluster is."""
    return UsageError(
        f"no Ray cluster answers at {address!r}: {error}.",
        "Name one, as in 10.0.0.1:6379, auto on one of its machines, or local.",
    )


def cluster_cores() -> int:
    """Return how many cores the connected cluster has."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))
