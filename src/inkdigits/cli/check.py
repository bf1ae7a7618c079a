"""`inkdigits check`: is everything here that this installation needs?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec

import typer

from inkdigits.errors import ExitCode, InkdigitsError

# Strokes through x, y of two digits, to be read.
SHAPES = {
    "4": [[(14, 0), (2, 24), (24, 24)], [(17, 12), (17, 40)]],
    "7": [[(0, 0), (24, 0), (10, 40)]],
}
TRAINING_PACKAGES = ("keras", "jax", "sklearn", "matplotlib", "onnx", "pooch")


def check(as_json: bool) -> int:
    """Run every check, print a line for each, and return 0, or 1 when a needed one failed."""
    results = {name: attempt(name, test) for name, test in CHECKS.items()}
    good = all(result["ok"] for result in results.values())
    if as_json:
        typer.echo(json.dumps({"ok": good, "checks": results}))
    else:
        for name, result in results.items():
            typer.echo(f"{'ok    ' if result['ok'] else 'FAILED'}  {name:<16} {result['detail']}")
    return ExitCode.DONE if good else ExitCode.FAULT


def attempt(name: str, test: Callable[[], str]) -> dict[str, object]:
    """Run one check; a failure becomes its result."""
    try:
        return {"ok": True, "detail": test()}
    except (InkdigitsError, ImportError) as error:
        return {"ok": False, "detail": f"{name}: {error}"}


def check_python() -> str:
    """Return the interpreter's version."""
    return sys.version.split()[0]


def check_models() -> str:
    """Load the bundled models, and read a digit and a number that are drawn here."""
    import cv2
    import numpy as np

    from inkdigits.errors import ModelRefused
    from inkdigits.reading.reader import Reader

    told = []
    reader = Reader()
    for text in ("7", "747"):
        page = np.full((80, 30 + 40 * len(text)), 240, np.uint8)
        for place, digit in enumerate(text):
            for stroke in SHAPES[digit]:
                points = np.add(stroke, (20 + 40 * place, 20))
                cv2.polylines(page, [points], False, 30, 4, cv2.LINE_AA)
        reading = reader.read(page)
        if reading.text != text:
            raise ModelRefused(
                f"the bundled models read a drawn {text} as {reading.text!r}.",
                "Install inkdigits again.",
            )
        told.append(f"{text} ({reading.confidence:.1%})")
    return f"bundled models read {' and '.join(told)}"


def check_training() -> str:
    """Say whether the training tower is installed; reading does not need it."""
    missing = [name for name in TRAINING_PACKAGES if find_spec(name) is None]
    if missing:
        return f'not installed ({", ".join(missing)}); pip install "inkdigits[train]" adds it'
    return "installed"


def check_data() -> str:
    """Say where MNIST lies, if it does."""
    if find_spec("pooch") is None:
        return "not looked for without the training tower"
    from inkdigits.data.mnist import at_hand

    folder = at_hand()
    return f"MNIST in {folder}" if folder else "MNIST not here; `inkdigits data fetch` gets it"


CHECKS: dict[str, Callable[[], str]] = {
    "python": check_python,
    "reading": check_models,
    "training": check_training,
    "data": check_data,
}
