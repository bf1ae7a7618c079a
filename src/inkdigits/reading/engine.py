"""Engine: the artefact that tells which digit a framed image shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import (
    DIGIT_LABELS,
    INPUT_NAME,
    NOT_A_DIGIT_NAME,
    OUTPUT_NAME,
)
from inkdigits.errors import InvalidData
from inkdigits.reading.session import End, Session, check_ends, checked

BATCH_SIZE = 1024


class Engine:
    """A loaded artefact for single digits.

    `source` is the path or the bytes of an ONNX file, or a session of one; `threads` is how
    many threads one prediction may use. Raises ModelRefused when the file is missing, unsafe,
    broken or not made for this version. Safe to share between threads.
    """

    def __init__(self, source: Path | bytes | Session, threads: int = 1) -> None:
        self._session = source if isinstance(source, Session) else Session(source, threads)
        self._session.require(check_interface, DIGIT_LABELS)
        self.metadata = self._session.metadata

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probabilities of the digits 0–9, float32 (N, 10), rows summing to 1.

        `images` is uint8 (N, 28, 28), 0 = background, ink bright; N may be 0. Raises InvalidData on
        any other dtype or shape.
        """
        return self.predict_with_rejection(images)[0]

    def predict_with_rejection(
        self, images: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what `predict_proba` does, and float32 (N,): how probably each is no digit, 0–1.

        The second is 0 for an artefact that cannot tell. Raises InvalidData like `predict_proba`.
        """
        check_images(images)
        parts = [self._run(images[i : i + BATCH_SIZE]) for i in range(0, len(images), BATCH_SIZE)]
        if not parts:
            return np.zeros((0, len(DIGIT_LABELS)), np.float32), np.zeros(0, np.float32)
        probabilities, not_a_digit = zip(*parts, strict=True)
        return np.concatenate(probabilities), np.concatenate(not_a_digit)

    def _run(self, batch: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predict one batch."""
        outputs = self._session.run(batch)
        probabilities = checked(outputs[0], (len(batch), len(DIGIT_LABELS)))
        if len(outputs) == 1:
            return probabilities, np.zeros(len(batch), np.float32)
        not_a_digit = checked(outputs[1], (len(batch),), (len(batch), 1))
        return probabilities, not_a_digit.reshape(len(batch))


def check_interface(session: Any) -> None:
    """Raise ModelRefused unless the graph maps uint8 (N, 28, 28) to what we read, by our names.

    `probabilities` float (N, 10) comes first; `not_a_digit`, float (N,) or (N, 1), may follow.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    check_ends("input", inputs, [(INPUT_NAME, "tensor(uint8)", ([28, 28],))])
    wanted: list[End] = [
        (OUTPUT_NAME, "tensor(float)", ([10],)),
        (NOT_A_DIGIT_NAME, "tensor(float)", ([], [1])),
    ]
    check_ends("output", outputs, wanted[: max(1, len(outputs))])


def check_images(images: NDArray[np.uint8]) -> None:
    """Raise InvalidData unless `images` is uint8 (N, 28, 28)."""
    if not isinstance(images, np.ndarray):
        raise InvalidData(f"images must be a NumPy array, got {type(images).__name__}.")
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise InvalidData(
            f"images must be uint8 (N, 28, 28), got {images.dtype} {images.shape}.",
            "Frame pictures with Reader.read, or reshape and convert.",
        )
