"""Does a saved model still say the same? Each file is loaded in a new process and compared.

A model that scores well in the process that trained it and differently after loading is the kind
of fault nobody looks for. The child process starts while the parent draws its plots.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import InkdigitsError, TrainingFailed
from inkdigits.evaluation.model_file import predict_file
from inkdigits.files import write_bytes

# Keras files must give the very same probabilities; ONNX Runtime multiplies in another order.
ONNX_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Reloaded:
    """One file after reloading: its accuracy on the test split and how far it is from the model."""

    file: str
    format: str
    size_bytes: int
    accuracy: float
    max_difference: float
    same: bool


class ReloadCheck:
    """A child process that loads `files` and scores them on the given test images.

    `expected` are the probabilities (N, 10) of the model in this process. Use it as a context
    manager: leaving it early ends the child.
    """

    def __init__(
        self,
        files: Sequence[Path],
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        expected: NDArray[np.float32],
        scratch: Path,
    ) -> None:
        self._scratch = scratch / "reload.npz"
        write_arrays(self._scratch, images=images, labels=labels, expected=expected)
        names = [str(file) for file in files]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "inkdigits.evaluation.reload", str(self._scratch), *names],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> ReloadCheck:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.kill()
        self._child.communicate()
        self._scratch.unlink(missing_ok=True)

    def result(self) -> list[Reloaded]:
        """Wait for the child and return a row for each file.

        Raises TrainingFailed when a file cannot be loaded back or scores differently.
        """
        output, complaint = self._child.communicate()
        if self._child.returncode != 0:
            last = (complaint.strip().splitlines() or ["no message"])[-1]
            raise TrainingFailed(f"a saved model could not be loaded back: {last}")
        rows = [Reloaded(**row) for row in json.loads(output)]
        for row in rows:
            if not row.same:
                raise TrainingFailed(
                    f"{row.file} scores {row.accuracy:.4%} after reloading and differs by "
                    f"{row.max_difference:.2g} from the model that was saved."
                )
        return rows


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays as one `.npz`."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue(), durable=False)


def compare(path: Path, arrays: dict[str, NDArray[Any]]) -> Reloaded:
    """Load one file and compare its probabilities with the expected ones."""
    images, labels, expected = (arrays[name] for name in ("images", "labels", "expected"))
    found = predict_file(path, np.asarray(images, np.uint8))
    difference = float(np.abs(found - expected).max())
    classes = found.argmax(axis=1)
    if path.suffix == ".onnx":
        same = bool((classes == expected.argmax(axis=1)).all()) and difference <= ONNX_TOLERANCE
    else:
        same = difference == 0.0
    accuracy = float((classes == labels).mean())
    kind = path.suffix.removeprefix(".")
    return Reloaded(path.name, kind, path.stat().st_size, accuracy, difference, same)


def main(arguments: Sequence[str]) -> int:
    """Compare the files named after the `.npz`, and print the rows as JSON."""
    scratch, *names = arguments
    with np.load(scratch, allow_pickle=False) as opened:
        arrays = {name: opened[name] for name in opened.files}
    try:
        rows = [asdict(compare(Path(name), arrays)) for name in names]
    except InkdigitsError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    sys.stdout.write(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
