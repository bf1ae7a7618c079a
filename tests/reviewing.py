"""What the tests of the review share: a small folder job's results, and a service over them."""

from __future__ import annotations

import json
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from started import running_service

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


def service(
    results: Path, *options: str
) -> AbstractContextManager[tuple[subprocess.Popen[str], str]]:
    """Run `inkdigits review` on a free port and yield the process and its address."""
    return running_service("review", str(results), *options, cwd=results.parent, seconds=60)


def lines_of(results: Path) -> list[Row]:
    """The entries in the file of decisions beside `results`."""
    text = results.with_name(f"{results.name}.decisions").read_text()
    return [json.loads(line) for line in text.splitlines()[1:]]
