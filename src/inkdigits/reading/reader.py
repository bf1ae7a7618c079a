"""Reader: an image in, a reading out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import Metadata
from inkdigits.artefact.selective import Selection, choose
from inkdigits.errors import InputError, ModelRefused
from inkdigits.imaging.clean import CleanPage, clean
from inkdigits.imaging.decode import DEFAULT_LIMITS, Grey, Limits, Source, decode
from inkdigits.imaging.frame import Frame, frame
from inkdigits.reading.result import Digit, Number, Reading, Reason

BUNDLED_MODEL = Path(__file__).parent / "assets" / "digit.onnx"


class Model(Protocol):
    """What a reader needs of a model; `Engine` is the real one."""

    metadata: Metadata

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (N, 10) for uint8 (N, 28, 28)."""


@runtime_checkable
class RejectingModel(Model, Protocol):
    """A model that also tells what is no digit."""

    def predict_with_rejection(
        self, images: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return float32 (N, 10), and float32 (N,): how probably each is no digit, 0–1."""


@dataclass(frozen=True)
class Stages:
    """Every stage of one reading, to be shown.

    `grey` is the decoded page; `page` its cleaning; `frame` and `probabilities`, float32 (10,), are
    None when the page is blank; `not_a_digit` is the probability 0–1 that the ink is no digit.
    """

    grey: Grey
    page: CleanPage
    frame: Frame | None
    probabilities: NDArray[np.float32] | None
    not_a_digit: float
    reading: Reading


class Reader:
    """Reads one handwritten digit in an image.

    `model` is a path, the bytes of an artefact, a loaded model, or None for the bundled one;
    `threads` is how many threads one prediction may use; `limits` bound each image. `target_error`
    (0–1) sets `reject_threshold` so that, on val, no larger share of the accepted readings is
    wrong; None takes the threshold that the model carries. Raises ModelRefused when the model
    cannot be used, UsageError when its val statistics do not reach the target. Load it once; it is
    safe to share between threads.
    """

    def __init__(
        self,
        model: str | Path | bytes | Model | None = None,
        threads: int = 1,
        limits: Limits = DEFAULT_LIMITS,
        target_error: float | None = None,
    ) -> None:
        self._model = load_model(model, threads)
        self._limits = limits
        self._selection = select(self.metadata, target_error)

    @property
    def metadata(self) -> Metadata:
        """What the model says about itself."""
        return self._model.metadata

    @property
    def selection(self) -> Selection | None:
        """What was chosen for `target_error` and what it costs on val; None without a target."""
        return self._selection

    @property
    def reject_threshold(self) -> float:
        """The confidence 0–1 below which a reading is rejected as unsure."""
        return self._selection.threshold if self._selection else self.metadata.reject_threshold

    def read(self, source: Source, name: str | None = None) -> Reading:
        """Read the digit in `source`: a path, bytes, a Pillow image or an array (see `decode`).

        `name` is how the reading calls the image. Raises UnreadableImage when it is no image.
        """
        return self.stages(source, name).reading

    def read_or_error(self, source: Source, name: str | None = None) -> Reading:
        """Like `read`, but an unusable image becomes a reading with status `error`."""
        try:
            return self.read(source, name)
        except InputError as error:
            return Reading(name_of(source, name), "error", "", 0.0, (), error=str(error))

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (N, 10) for framed images, uint8 (N, 28, 28), ink bright.

        Raises InvalidData on any other dtype or shape.
        """
        return self._model.predict_proba(images)

    def stages(self, source: Source, name: str | None = None) -> Stages:
        """Read `source` and return every stage on the way; raises UnreadableImage."""
        grey = decode(source, self._limits)
        page = clean(grey)
        framed = frame(page)
        name = name_of(source, name)
        if framed is None:
            return Stages(grey, page, None, None, 0.0, rejected(name, "blank"))
        images = framed.image[None]
        probabilities, not_a_digit = predict_with_rejection(self._model, images)
        reading = self._judge(name, framed, probabilities[0], float(not_a_digit[0]))
        return Stages(grey, page, framed, probabilities[0], float(not_a_digit[0]), reading)

    def _judge(
        self, name: str, framed: Frame, probabilities: NDArray[np.float32], not_a_digit: float
    ) -> Reading:
        """Return the reading of one digit, rejected when it is none or too doubtful."""
        if not_a_digit > self.metadata.not_a_digit_threshold:
            return rejected(name, "not_a_digit")
        digit = int(probabilities.argmax())
        confidence = float(probabilities[digit])
        found = Digit(digit, confidence, framed.box)
        number = Number(str(digit), confidence, framed.box, (found,))
        if confidence < self.reject_threshold:
            return Reading(name, "rejected", number.text, confidence, (number,), reason="unsure")
        return Reading(name, "ok", number.text, confidence, (number,))


def rejected(name: str, reason: Reason) -> Reading:
    """Return the reading of an image that holds no digit."""
    return Reading(name, "rejected", "", 0.0, (), reason=reason)


def select(metadata: Metadata, target_error: float | None) -> Selection | None:
    """Return the choice for `target_error` on the model's val, None without one; UsageError."""
    if target_error is None:
        return None
    return choose(metadata.val_curve, metadata.val_n, target_error)


def predict_with_rejection(
    model: Model, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the probabilities, and those of being no digit: 0 from a model that cannot tell."""
    if isinstance(model, RejectingModel):
        return model.predict_with_rejection(images)
    return model.predict_proba(images), np.zeros(len(images), np.float32)


def load_model(model: str | Path | bytes | Model | None, threads: int) -> Model:
    """Return the model that `model` names; raises ModelRefused."""
    if model is None:
        model = bundled_model()
    if not isinstance(model, str | Path | bytes):
        return model
    from inkdigits.reading.engine import Engine  # ONNX Runtime takes its time to import

    return Engine(Path(model) if isinstance(model, str) else model, threads)


def bundled_model() -> Path:
    """Return the path of the model inside this package; raises ModelRefused when it is not."""
    if not BUNDLED_MODEL.is_file():
        raise ModelRefused(
            f"this installation has no bundled model ({str(BUNDLED_MODEL)!r}).",
            "Install inkdigits again, or name a model with --model FILE.",
        )
    return BUNDLED_MODEL


def name_of(source: Source, name: str | None) -> str:
    """Return how a reading calls its image: `name`, else its path, else its type."""
    if name is not None:
        return name
    return str(source) if isinstance(source, str | Path) else type(source).__name__
