"""One digit: cleaned, framed as the network knows digits, and told apart from what is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import Metadata
from inkdigits.imaging.arrays import Grey
from inkdigits.imaging.clean import CleanPage, clean
from inkdigits.imaging.frame import Frame, frame


class Model(Protocol):
    """What reading a digit needs of a model; `Engine` is the real one.

    One that also tells what is no digit has `predict_with_rejection`, as that has.
    """

    metadata: Metadata

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (N, 10) for uint8 (N, 28, 28)."""


@dataclass(frozen=True)
class SeenDigit:
    """What was seen where one digit may stand.

    `page` is the cleaning; `frame` and `probabilities`, float32 (10,), are None when it is blank;
    `not_a_digit` is the probability 0–1 that the ink is no digit.
    """

    page: CleanPage
    frame: Frame | None
    probabilities: NDArray[np.float32] | None
    not_a_digit: float


def see_digit(grey: Grey, model: Model) -> SeenDigit:
    """Look at the one digit on `grey`, uint8 (h, w)."""
    return see_digits([grey], model)[0]


def see_digits(greys: Sequence[Grey], model: Model) -> list[SeenDigit]:
    """Look at the one digit on each of `greys`, uint8 (h, w), by one run of the network."""
    pages = [clean(grey) for grey in greys]
    frames = [frame(page) for page in pages]
    images = [framed.image for framed in frames if framed is not None]
    if not images:
        return [SeenDigit(page, None, None, 0.0) for page in pages]
    told = iter(zip(*predict_with_rejection(model, np.stack(images)), strict=True))
    return [
        SeenDigit(page, None, None, 0.0)
        if framed is None
        else SeenDigit(page, framed, *as_told(*next(told)))
        for page, framed in zip(pages, frames, strict=True)
    ]


def as_told(
    probabilities: NDArray[np.float32], not_a_digit: np.float32
) -> tuple[NDArray[np.float32], float]:
    """Give what the network says of one image its types."""
    return probabilities, float(not_a_digit)


def predict_with_rejection(
    model: Model, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the probabilities, and those of being no digit: 0 from a model that cannot tell."""
    # Asking whether it is of a protocol takes a tenth of a millisecond, for each image.
    rejecting: Any = getattr(model, "predict_with_rejection", None)
    if rejecting is None:
        return model.predict_proba(images), np.zeros(len(images), np.float32)
    told: tuple[NDArray[np.float32], NDArray[np.float32]] = rejecting(images)
    return told
