"""The report of a line network's run: one HTML file, in the style of the other reports."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from inkdigits.evaluation.numbers import NumbersMeasurement, as_reading
from inkdigits.evaluation.report import facts, figure, template
from inkdigits.files import write_text

SHOWN = 60


class MisreadNumber(NamedTuple):
    """A number that was misread: its crop, what is true, what was read, how surely (0–1)."""

    crop: NDArray[np.uint8]
    label: str
    text: str
    confidence: float


def misread_numbers(
    crops: Sequence[NDArray[np.uint8]],
    labels: Sequence[str],
    texts: Sequence[str],
    confidences: Sequence[float],
) -> list[MisreadNumber]:
    """Return the most confident mistakes, at most `SHOWN`."""
    every = zip(crops, labels, texts, confidences, strict=True)
    wrong = [MisreadNumber(*row) for row in every if as_reading(row[1]) != as_reading(row[2])]
    return sorted(wrong, key=lambda one: -one.confidence)[:SHOWN]


def write_numbers_report(
    path: Path,
    *,
    title: str,
    recipe_text: str,
    environment: Mapping[str, Any],
    measured: Mapping[str, NumbersMeasurement],
    history: Sequence[Mapping[str, Any]],
    curves: Path,
    gallery: Sequence[MisreadNumber],
) -> None:
    """Write report.html: how many numbers are read right, where it errs, how it was made.

    `measured` has a measurement for each split, `test` among them; `curves` is the picture of the
    training. The file is whole or not there at all; raises CannotWrite.
    """
    page = template("numbers_report.html.j2").render(
        title=title,
        recipe_text=recipe_text,
        facts=facts(environment),
        test=measured["test"],
        splits=measured,
        history=history,
        curves=figure("curves", curves),
        gallery=[one._asdict() | {"image": picture(one)} for one in gallery],
    )
    write_text(path, page)


def picture(misread: MisreadNumber) -> Markup:
    """Return the <img> of a crop."""
    _, png = cv2.imencode(".png", misread.crop)
    words = f"made number {misread.label}, read {misread.text}"
    tag = '<img class="number" alt="{}" src="data:image/png;base64,{}">'
    return Markup(tag).format(words, b64encode(png.tobytes()).decode())
