"""Engine: one artefact, checked before it is loaded, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inkdigits.artefact.metadata import (
    DIGIT_LABELS,
    INPUT_NAME,
    NOT_A_DIGIT_NAME,
    OUTPUT_NAME,
    Metadata,
    from_props,
)
from inkdigits.artefact.safety import MAX_BYTES, check_onnx
from inkdigits.errors import InvalidData, ModelRefused, UsageError
from inkdigits.imaging import IMAGING_VERSION

BATCH_SIZE = 1024
MAX_MEMORY = 2 * 1024**3
"""Bytes that all models of this process may take together: standard ONNX can ask for any amount."""
End: TypeAlias = tuple[str, str, tuple[list[int], ...]]
"""What an input or output must be: name, type, and the shapes that may follow the free axis N."""
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
        feed = {INPUT_NAME: np.ascontiguousarray(batch)}
        try:
            outputs = self._session.run(None, feed)
        except Exception as error:
            raise ModelRefused(f"the model fails when run: {error}.") from error
        probabilities = checked(outputs[0], (len(batch), len(DIGIT_LABELS)))
        if len(outputs) == 1:
            return probabilities, np.zeros(len(batch), np.float32)
        not_a_digit = checked(outputs[1], (len(batch),), (len(batch), 1))
        return probabilities, not_a_digit.reshape(len(batch))


def checked(output: Any, *shapes: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an output of the model; raises ModelRefused unless it is finite and of such a shape.

    Probabilities lie within 0–1, give or take the rounding of float32.
    """
    values = np.asarray(output, np.float32)
    if values.shape not in shapes or not np.all((values >= -1e-5) & (values <= 1 + 1e-5)):
        wanted = " or ".join(str(shape) for shape in shapes)
        raise ModelRefused(
            f"the model's output is not probabilities of shape {wanted}: got {values.shape}."
        )
    return values


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
    options.add_session_config_entry("session.use_env_allocators", "1")
    bound_memory()
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelRefused(f"ONNX Runtime refuses the model: {error}.") from error


@cache
def bound_memory() -> None:
    """Bound, once in this process, what the sessions that use the shared allocator may take."""
    place = onnxruntime.OrtMemoryInfo(
        "Cpu",
        onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
        0,
        onnxruntime.OrtMemType.DEFAULT,
    )
    arena = onnxruntime.OrtArenaCfg(MAX_MEMORY, -1, -1, -1)  # -1: as usual
    onnxruntime.create_and_register_allocator(place, arena)


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


def check_ends(kind: str, ends: list[Any], wanted: list[End]) -> None:
    """Raise ModelRefused unless `ends` have these names, types and shapes behind a free axis N."""
    found = [(end.name, end.type, end.shape) for end in ends]
    fits = len(found) == len(wanted) and all(
        got[:2] == want[:2] and got[2][1:] in want[2] and got[2] and not isinstance(got[2][0], int)
        for got, want in zip(found, wanted, strict=True)
    )
    if not fits:
        shown = ", ".join(f"{name} {dtype} {['N', *shapes[0]]}" for name, dtype, shapes in wanted)
        raise ModelRefused(
            f"the model's {kind} must be {shown}, got {found}.",
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
