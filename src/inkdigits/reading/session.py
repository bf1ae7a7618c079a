"""Session: one artefact, checked before it is loaded, opened in ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inkdigits.artefact.metadata import INPUT_NAME, Metadata, from_props
from inkdigits.artefact.safety import MAX_BYTES, check_onnx
from inkdigits.errors import ModelRefused, UsageError
from inkdigits.imaging import IMAGING_VERSION

MAX_MEMORY = 2 * 1024**3
"""Bytes that all models of this process may take together: standard ONNX can ask for any amount."""
End: TypeAlias = tuple[str, str, tuple[list[int | None], ...]]
"""What an input or output must be: name, type, and the shapes that may follow the free axis N."""
FATAL = 4  # our one-line error says what ONNX Runtime's log would say first


class Session:
    """An artefact opened for running.

    `source` is the path or the bytes of an ONNX file; `threads` is how many threads one run may
    use. Raises ModelRefused when the file is missing, unsafe, broken or not made for this version.
    Safe to share between threads.
    """

    def __init__(self, source: Path | bytes, threads: int) -> None:
        if threads < 1:
            raise UsageError(f"threads must be at least 1, got {threads}.")
        content = source if isinstance(source, bytes) else read_model(source)
        self._name = "" if isinstance(source, bytes) else f"{str(source)!r}: "
        with self._named_errors():
            check_onnx(content)
            self._session = open_session(content, threads)
            self.metadata = from_props(self._session.get_modelmeta().custom_metadata_map)

    def require(self, check: Callable[[Any], None], labels: list[str]) -> None:
        """Raise ModelRefused unless the artefact is of the kind that is wanted.

        `check` raises it for a graph with other inputs and outputs; `labels` are what the artefact
        must name its outputs.
        """
        with self._named_errors():
            check(self._session)
            check_metadata(self.metadata, labels)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Let each ModelRefused begin with the file's name."""
        try:
            yield
        except ModelRefused as error:
            raise ModelRefused(f"{self._name}{error.message}", error.hint) from error

    def run(self, batch: NDArray[np.uint8]) -> list[Any]:
        """Return the outputs for one batch; raises ModelRefused when the graph fails."""
        try:
            return list(self._session.run(None, {INPUT_NAME: np.ascontiguousarray(batch)}))
        except Exception as error:
            raise ModelRefused(f"the model fails when run: {error}.") from error


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


def check_ends(kind: str, ends: list[Any], wanted: list[End]) -> None:
    """Raise ModelRefused unless `ends` have these names, types and shapes behind a free axis N.

    None is any other free axis.
    """
    found = [(end.name, end.type, end.shape) for end in ends]
    fits = len(found) == len(wanted) and all(
        got[:2] == want[:2] and free_as_none(got[2]) in [[None, *shape] for shape in want[2]]
        for got, want in zip(found, wanted, strict=True)
    )
    if not fits:
        shown = ", ".join(f"{name} {dtype} {['N', *shapes[0]]}" for name, dtype, shapes in wanted)
        raise ModelRefused(
            f"the model's {kind} must be {shown}, got {found}.",
            "Make one with `inkdigits export RUN -o FILE`.",
        )


def free_as_none(shape: list[int | str | None]) -> list[int | None]:
    """Return a shape with None for each free axis, whatever its name."""
    return [side if isinstance(side, int) else None for side in shape]


def check_metadata(metadata: Metadata, labels: list[str]) -> None:
    """Raise ModelRefused unless the artefact was made for these labels and our imaging."""
    if metadata.labels != labels:
        raise ModelRefused(f"the model's labels must be {labels!r}, got {metadata.labels!r}.")
    if metadata.imaging_version != IMAGING_VERSION:
        raise ModelRefused(
            f"the model was made for imaging version {metadata.imaging_version!r}, "
            f"this package has {IMAGING_VERSION}.",
            "Export it again, or install the inkdigits version it was made with.",
        )
