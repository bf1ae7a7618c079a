"""The models of a reader: the bundled ones, or one of the user's in the place of its kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.errors import ModelRefused
from inkdigits.reading.digit import Model
from inkdigits.reading.number import LineModel

ASSETS = Path(__file__).parent / "assets"
BUNDLED_MODEL = ASSETS / "digit.onnx"
BUNDLED_LINE_MODEL = ASSETS / "line.onnx"
Given: TypeAlias = str | Path | bytes | Model | LineModel | None
"""A model as a user names it."""


def sort_model(given: Given, threads: int) -> tuple[Model | None, LineModel | None]:
    """Return the model that `given` names as one for digits or as one for whole numbers.

    Raises ModelRefused.
    """
    if given is None:
        return None, None
    if not isinstance(given, str | Path | bytes):
        return (None, given) if isinstance(given, LineModel) else (given, None)
    # ONNX Runtime takes its time to import.
    from inkdigits.reading.engine import Engine
    from inkdigits.reading.line_engine import LineEngine
    from inkdigits.reading.session import Session

    session = Session(Path(given) if isinstance(given, str) else given, threads)
    if session.metadata.labels == LINE_LABELS:
        return None, LineEngine(session)
    return Engine(session), None


def digit_loader(given: Model | None, threads: int) -> Callable[[], Model]:
    """Return what gives the model for single digits: `given`, or the bundled one, loaded then.

    Raises ModelRefused when it is not there; loading may do so, too.
    """
    if given is not None:
        return lambda: given
    path, lock = bundled(BUNDLED_MODEL), Lock()

    @cache
    def load() -> Model:
        from inkdigits.reading.engine import Engine

        return Engine(path, threads)

    def load_once() -> Model:
        with lock:
            return load()

    return load_once


def load_line_model(threads: int) -> LineModel:
    """Return the bundled model for whole numbers; raises ModelRefused."""
    from inkdigits.reading.line_engine import LineEngine

    return LineEngine(bundled(BUNDLED_LINE_MODEL), threads)


def bundled(path: Path) -> Path:
    """Return the path of a model inside this package; raises ModelRefused when it is not there."""
    if not path.is_file():
        raise ModelRefused(
            f"this installation has no bundled model ({str(path)!r}).",
            "Install inkdigits again, or name a model with --model FILE.",
        )
    return path
