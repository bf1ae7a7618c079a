"""One Ray cluster on this machine for all tests here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("ray", reason='Ray is not installed: pip install "inkdigits[cluster]"')

from inkdigits.cluster.connection import connected

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as changes:
        # The readers that die are made from settings in a module of the tests.
        changes.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
        # Ray's processes are nice to others, so that beside other tests they would hardly go on.
        changes.setenv("RAY_worker_niceness", "0")
        with ExitStack() as stack:
            # Other tests of this process may have set up JAX, which warns of processes started.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                stack.enter_context(connected("local"))
            yield


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 small pages, broken ones, an empty one, and one whose name is no text among them."""
    folder = tmp_path_factory.mktemp("cluster") / "scans"
    (folder / "deep").mkdir(parents=True)
    for index in range(50):
        page = np.full((64, 48), 225, np.uint8)
        if index % 9:
            cv2.line(page, (20 + index % 7, 10), (22, 50), 50, 5)
        cv2.imwrite(str(folder / ("deep" if index % 3 else "") / f"{index:03}.png"), page)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "empty.png").write_bytes(b"")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "odd-\udcff.png").write_bytes((folder / "003.png").read_bytes())
    return folder
