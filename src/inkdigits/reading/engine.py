"""Engine: one artefact, checked before it is loaded, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inkdigits.artefact.metadata import (
    DIGIT_LABELS,
    INPUT_NAME,
    OUTPUT_NAME,
    Metadata,
    from_props,
)
from inkdigits.artefact.safety import MAX_BYTES, check_onnx
from inkdigits.errors import InvalidData, ModelRefused, UsageError
from inkdigits.imaging import IMAGING_VERSION

BATCH_SIZE = 1024
FATAL = 4  # our one-line error says what ONNX Runtime's log would say first


class Engine:
    """A loaded artefact for single digits.

    `source` is the path or the bytes of an ONNX file; `threads` is how many threads one prediction
    may use. Raises ModelRefused when the file is missing, unsafe, broken or not made for this
    version. Safe to share between threads.
    """

    def __init__(self, source: Path | bytes, threads: int = 1) -> None:
        if threads < 1:
            raise UsageError(f"threads must be at least 1, got {threads}.")
        content = source if isinstance(source, bytes) else read_model(source)
        try:
            check_onnx(content)
            self._session = open_session(content, threads)
            check_interface(self._session)
            self.metadata = from_props(self._session.get_modelmeta().custom_metadata_map)
            check_metadata(self.metadata)
        except ModelRefused as error:
            if isinstance(source, bytes):
                raise
            raise ModelRefused(f"{str(source)!r}: {error.message}", error.hint) from error

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probabilities of the digits 0–9, float32 (N, 10), rows summing to 1.

        `images` is uint8 (N, 28, 28), 0 = background, ink bright; N may be 0. Raises InvalidData on
        any other dtype or shape.
        """
        check_images(images)
        parts = [self._run(images[i : i + BATCH_SIZE]) for i in range(0, len(images), BATCH_SIZE)]
        if not parts:
            return np.zeros((0, len(DIGIT_LABELS)), np.float32)
        return np.concatenate(parts)

    def _run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Predict one batch."""
        feed = {INPUT_NAME: np.ascontiguousarray(batch)}
        try:
            probabilities = np.asarray(self._session.run([OUTPUT_NAME], feed)[0], np.float32)
        except Exception as error:
            raise ModelRefused(f"the model fails when run: {error}.") from error
        if (
            probabilities.shape != (len(batch), len(DIGIT_LABELS))
            or not np.isfinite(probabilities).all()
        ):
            raise ModelRefused(
                f"the model's output is not finite (N, 10): got {probabilities.shape}."
            )
        return probabilities


def read_model(path: Path) -> bytes:
    """Return the bytes of the model file at `path`, no more than may be loaded."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ModelRefused(f"no such model file: {str(path)!r}.", "Check the path.") from error
    except IsADirectoryError as error:
        raise ModelRefused(
            f"{str(path)!r} is a folder, not a model file.", "Name the .onnx file in it."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelRefused(f"cannot open the model file {str(path)!r}: {error}.") from error


def open_session(content: bytes, threads: int) -> Any:
    """Return an ONNX Runtime session on the CPU; raises ModelRefused when it cannot be built."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL
    # Spinning threads would burn a core between the images of a list.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelRefused(f"ONNX Runtime refuses the model: {error}.") from error


def check_interface(session: Any) -> None:
    """Raise ModelRefused unless the graph maps uint8 (N, 28, 28) to float (N, 10) by our names."""
    for kind, ends, name, dtype, shape in (
        ("input", session.get_inputs(), INPUT_NAME, "tensor(uint8)", [28, 28]),
        ("output", session.get_outputs(), OUTPUT_NAME, "tensor(float)", [10]),
    ):
        found = [(end.name, end.type, end.shape) for end in ends]
        fits = len(found) == 1 and found[0][:2] == (name, dtype)
        if not fits or found[0][2][1:] != shape or isinstance(found[0][2][0], int):
            raise ModelRefused(
                f"the model's {kind} must be {name} {dtype} {['N', *shape]}, got {found}.",
                "Make one with `inkdigits export RUN -o FILE`.",
            )


def check_metadata(metadata: Metadata) -> None:
    """Raise ModelRefused unless the artefact was made for our labels and our framing."""
    if metadata.labels != DIGIT_LABELS:
        raise ModelRefused(f"the model's labels must be 0–9, got {metadata.labels!r}.")
    if metadata.imaging_version != IMAGING_VERSION:
        raise ModelRefused(
            f"the model was made for imaging version {metadata.imaging_version!r}, "
            f"this package has {IMAGING_VERSION}.",
            "Export it again, or install the inkdigits version it was made with.",
        )


def check_images(images: NDArray[np.uint8]) -> None:
    """Raise InvalidData unless `images` is uint8 (N, 28, 28)."""
    if not isinstance(images, np.ndarray):
        raise InvalidData(f"images must be a NumPy array, got {type(images).__name__}.")
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise InvalidData(
            f"images must be uint8 (N, 28, 28), got {images.dtype} {images.shape}.",
            "Frame pictures with Reader.read, or reshape and convert.",
        )
