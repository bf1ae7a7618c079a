"""Processes that make images side by side, one for each core."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import cv2

from inkdigits.reading.cores import cores


def making_pool(begin: Callable[..., None] | None = None, *given: Any) -> ProcessPoolExecutor:
    """Return a pool of one process for each core; each calls `begin` with what is `given` first."""
    context = get_context("spawn")
    return ProcessPoolExecutor(
        cores(), mp_context=context, initializer=_begin, initargs=(begin, given)
    )


def _begin(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    """Keep OpenCV to the one core of this process, then begin."""
    cv2.setNumThreads(1)
    if begin is not None:
        begin(*given)
