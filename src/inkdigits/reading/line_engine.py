"""Line engine: the artefact that reads a whole number, step by step, from its crop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import INPUT_NAME, LINE_LABELS, MOST_NETWORKS, output_name
from inkdigits.errors import InvalidData
from inkdigits.imaging.line import HEIGHT, MAX_WIDTH
from inkdigits.reading.session import End, Session, check_ends, checked


class LineEngine:
    """A loaded artefact for whole numbers.

    `source` is the path or the bytes of an ONNX file, or a session of one; `threads` is how
    many threads one prediction may use. Raises ModelRefused when the file is missing, unsafe,
    broken or not made for this version. Safe to share between threads.

    An artefact holds one network, or several trained apart that each say what they see.
    """

    def __init__(self, source: Path | bytes | Session, threads: int = 1) -> None:
        self._session = source if isinstance(source, Session) else Session(source, threads)
        self._session.require(check_interface, LINE_LABELS)
        self.metadata = self._session.metadata

    def predict_steps(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what each step is, float32 (K N, W / 2, 13): 0–9, another sign, a point, or none.

        The K networks' opinions of a crop stand together. `crops` is uint8 (N, 32, W), ink bright,
        W a multiple of 4; N may be 0. Raises InvalidData on any other dtype or shape.
        """
        check_crops(crops)
        steps = crops.shape[2] // 2
        if not len(crops):
            return np.zeros((0, steps, len(LINE_LABELS)), np.float32)
        shape = len(crops), steps, len(LINE_LABELS)
        opinions = [checked(output, shape) for output in self._session.run(crops)]
        return np.stack(opinions, axis=1).reshape(-1, *shape[1:])


def check_interface(session: Any) -> None:
    """Raise ModelRefused unless the graph maps uint8 (N, 32, W) to some float (N, T, 13)."""
    wide: list[int | None] = [HEIGHT, None]
    steps: list[int | None] = [None, len(LINE_LABELS)]
    check_ends("input", session.get_inputs(), [(INPUT_NAME, "tensor(uint8)", (wide,))])
    outputs = session.get_outputs()
    count = min(max(1, len(outputs)), MOST_NETWORKS)
    wanted: list[End] = [
        (output_name(number), "tensor(float)", (steps,)) for number in range(1, count + 1)
    ]
    check_ends("output", outputs, wanted)


def check_crops(crops: NDArray[np.uint8]) -> None:
    """Raise InvalidData unless `crops` is uint8 (N, 32, W), W a multiple of 4 up to the widest."""
    if not isinstance(crops, np.ndarray):
        raise InvalidData(f"crops must be a NumPy array, got {type(crops).__name__}.")
    sized = crops.ndim == 3 and crops.shape[1] == HEIGHT
    if crops.dtype != np.uint8 or not sized or not is_width(crops.shape[2]):
        raise InvalidData(
            f"crops must be uint8 (N, {HEIGHT}, W), W a multiple of 4 up to {MAX_WIDTH}, "
            f"got {crops.dtype} {crops.shape}.",
            "Cut them with `line_crops`.",
        )


def is_width(wide: int) -> bool:
    """Return whether a crop may be so wide."""
    return 0 < wide <= MAX_WIDTH and wide % 4 == 0
