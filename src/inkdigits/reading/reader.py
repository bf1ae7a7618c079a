"""Reader: an image in, a reading out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import Metadata
from inkdigits.errors import InputError, ModelRefused
from inkdigits.imaging.clean import CleanPage, clean
from inkdigits.imaging.decode import DEFAULT_LIMITS, Grey, Limits, Source, decode
from inkdigits.imaging.frame import Frame, frame
from inkdigits.reading.result import Digit, Number, Reading

BUNDLED_MODEL = Path(__file__).parent / "assets" / "digit.onnx"


class Model(Protocol):
    """What a reader needs of a model; `Engine` is the real one."""

    metadata: Metadata

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (N, 10) for uint8 (N, 28, 28)."""


@dataclass(frozen=True)
class Stages:
    """Every stage of one reading, to be shown.

    `grey` is the decoded page; `page` its cleaning; `frame` and `probabilities`, float32 (10,), are
    None when the page is blank.
    """

    grey: Grey
    page: CleanPage
    frame: Frame | None
    probabilities: NDArray[np.float32] | None
    reading: Reading


class Reader:
    """Reads one handwritten digit in an image.

    `model` is a path, the bytes of an artefact, a loaded model, or None for the bundled one;
    `threads` is how many threads one prediction may use; `limits` bound each image. Raises
    ModelRefused when the model cannot be used. Load it once; it is safe to share between threads.
    """

    def __init__(
        self,
        model: str | Path | bytes | Model | None = None,
        threads: int = 1,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._model = load_model(model, threads)
        self._limits = limits

    @property
    def metadata(self) -> Metadata:
        """What the model says about itself."""
        return self._model.metadata

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
            blank = Reading(name, "rejected", "", 0.0, (), reason="blank")
            return Stages(grey, page, None, None, blank)
        probabilities = self._model.predict_proba(framed.image[None])[0]
        return Stages(grey, page, framed, probabilities, self._judge(name, framed, probabilities))

    def _judge(self, name: str, framed: Frame, probabilities: NDArray[np.float32]) -> Reading:
        """Return the reading of one digit, rejected as unsure below the model's threshold."""
        digit = int(probabilities.argmax())
        confidence = float(probabilities[digit])
        found = Digit(digit, confidence, framed.box)
        number = Number(str(digit), confidence, framed.box, (found,))
        if confidence < self.metadata.reject_threshold:
            return Reading(name, "rejected", number.text, confidence, (number,), reason="unsure")
        return Reading(name, "ok", number.text, confidence, (number,))


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
