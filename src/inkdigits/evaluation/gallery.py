"""The misread images, each with the 28×28 pixels that the network saw."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Examples
from inkdigits.evaluation.label_errors import WRONG_LABELS, wrong_labels

SHOWN = 100


@dataclass(frozen=True)
class Misread:
    """One misread image: its place in the split, label, prediction and confidence (0–1).

    `png` holds the 28×28 pixels, dark ink on light ground. `label_is_wrong` tells of a label that
    is known to be wrong; `people_see` is the digit that most people saw there instead, if any.
    """

    place: int
    label: int
    prediction: int
    confidence: float
    png: bytes
    label_is_wrong: bool
    people_see: int | None


@dataclass(frozen=True)
class Gallery:
    """The most confident mistakes, and how many there are in all (`total`)."""

    shown: list[Misread]
    total: int


def misread_images(examples: Examples, probabilities: NDArray[np.float32]) -> Gallery:
    """Return up to 100 misread images of `examples`, the most confident mistake first.

    `probabilities`: (N, 10), one row for each example.
    """
    predictions, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions != examples.labels)
    order = np.argsort(-confidence[wrong], kind="stable")[:SHOWN]
    known = wrong_labels(examples.labels)
    shown = [
        Misread(
            place=place,
            label=int(examples.labels[place]),
            prediction=int(predictions[place]),
            confidence=float(confidence[place]),
            png=_png(examples.images[place]),
            label_is_wrong=place in known,
            people_see=WRONG_LABELS[place][1] if place in known else None,
        )
        for place in wrong[order].tolist()
    ]
    return Gallery(shown, len(wrong))


def _png(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", 255 - image)[1].tobytes()
