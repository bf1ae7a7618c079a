"""What the tests of the review share: a small folder job's results, and a service over them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx2 as httpx
import numpy as np

Row = dict[str, Any]


def row_of(image: str, text: str, confidence: float, **more: Any) -> Row:
    """A row as a folder job writes it; without a text nothing was read."""
    box = [8, 10, 28 * len(text), 60]
    digits = [
        {"digit": int(sign), "confidence": confidence, "box": [8 + 28 * n, 10, 24, 60]}
        for n, sign in enumerate(text)
    ]
    number = {"text": text, "confidence": confidence, "box": box, "digits": digits}
    row = {"image": image, "status": "ok", "text": text, "confidence": confidence}
    return row | {"numbers": [number] if text else []} | more


def sevens(path: Path, count: int) -> None:
    """A picture of so many sevens."""
    page = np.full((80, 28 * count + 20), 235, np.uint8)
    for n in range(count):
        corners = np.array([[10, 14], [30, 14], [17, 66]]) + np.array([28 * n, 0])
        cv2.polylines(page, [corners], False, 40, 5, cv2.LINE_AA)
    cv2.imwrite(str(path), page)


@contextmanager
def service(results: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `inkdigits review` on a free port and yield the process and its address."""
    command = [sys.executable, "-m", "inkdigits", "review", str(results), "--port", "0", *options]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=results.parent
    ) as process:
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            found = re.search(r"http://\S+?:\d+", told)
            assert found is not None, told
            wait_until_ready(found.group())
            yield process, found.group()
        finally:
            process.kill()


def wait_until_ready(address: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the service did not become ready")


def lines_of(results: Path) -> list[Row]:
    """The entries in the file of decisions beside `results`."""
    text = results.with_name(f"{results.name}.decisions").read_text()
    return [json.loads(line) for line in text.splitlines()[1:]]
