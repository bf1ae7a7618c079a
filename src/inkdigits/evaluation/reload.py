"""Does a saved model still say the same? Each file is loaded in a new process and compared.

A model that scores well in the process that trained it and differently after loading is the kind
of fault nobody looks for.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Examples
from inkdigits.errors import InkdigitsError, TrainingFailed
from inkdigits.evaluation.model_file import predict_file
from inkdigits.files import write_arrays

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
    """A child process that loads model files and scores them on the test images.

    It warms up (Keras takes seconds to import) while the parent is still busy with other things,
    and waits for `start`. Use it as a context manager: leaving it early ends the child, and a
    parent that is killed ends it, too, because its standard input closes.
    """

    def __init__(self) -> None:
        self._scratch: Path | None = None
        self._child = subprocess.Popen(
            [sys.executable, "-m", "inkdigits.evaluation.reload"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C is the parent's to handle; the child ends with it.
            start_new_session=True,
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
        if self._scratch is not None:
            self._scratch.unlink(missing_ok=True)

    def start(
        self,
        files: Sequence[Path],
        test: Examples,
        expected: NDArray[np.float32],
        expected_of_artefact: NDArray[np.float32],
        scratch: Path,
    ) -> None:
        """Let the child compare `files` with the `expected` probabilities (N, 10) of this process.

        Artefacts apply a temperature, which the Keras model knows nothing of, so they have their
        own. `scratch` is a folder for the arrays that the child reads.
        """
        self._scratch = scratch / "reload.npz"
        arrays: dict[str, NDArray[Any]] = {
            "images": test.images,
            "labels": test.labels,
            "expected": expected,
            "tempered": expected_of_artefact,
        }
        write_arrays(self._scratch, arrays)
        job = {"arrays": str(self._scratch), "files": [str(file) for file in files]}
        if self._child.stdin is not None:
            # A child that has died is told of by `result`, with its own last words.
            with suppress(BrokenPipeError):
                self._child.stdin.write(json.dumps(job) + "\n")
                self._child.stdin.flush()

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


def compare(path: Path, arrays: dict[str, NDArray[Any]]) -> Reloaded:
    """Load one file and compare its probabilities with the expected ones."""
    says = "tempered" if path.suffix == ".onnx" else "expected"
    images, labels, expected = (arrays[name] for name in ("images", "labels", says))
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


def warm_up() -> None:
    """Import what every comparison needs."""
    from inkdigits.models.backend import set_up_keras, without_extras

    with without_extras():
        set_up_keras()
    import inkdigits.models.saved
    import inkdigits.reading.engine  # noqa: F401


def main() -> int:
    """Wait for a job on standard input, compare its files, and print the rows as JSON."""
    warm_up()
    line = sys.stdin.readline()
    if not line:
        return 0
    job = json.loads(line)
    with np.load(job["arrays"], allow_pickle=False) as opened:
        arrays = {name: opened[name] for name in opened.files}
    try:
        rows = [asdict(compare(Path(name), arrays)) for name in job["files"]]
    except InkdigitsError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    sys.stdout.write(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
