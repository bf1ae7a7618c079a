"""What happens after each epoch: history, checkpoints, TensorBoard, the progress bar.

All are plain Keras callbacks. Names that start with an underscore are not part of a saved state.
"""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from inkdigits.files import make_folder, write_text
from inkdigits.models.saved import save_model

Logs = dict[str, float] | None
Row = dict[str, float]
COLUMNS = (
    "epoch",
    "seconds",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "learning_rate",
)


class History(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps one row an epoch and writes them as `history.csv`, if it has a path."""

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self._path = path
        self.rows: list[Row] = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the epoch's row."""
        row = {name: float((logs or {})[name]) for name in COLUMNS[1:]}
        self.rows.append({"epoch": epoch + 1, **row})
        self.write()

    def on_train_end(self, logs: Logs = None) -> None:
        """Write the rows once more, for a run that was killed between its state and this file."""
        self.write()

    def write(self) -> None:
        """Write all rows."""
        if self._path is None:
            return
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self._path, buffer.getvalue())


class Checkpoints(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves the whole model after every epoch, as `checkpoints/epoch-001.keras`."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save the model; Keras's own ModelCheckpoint writes in place and can leave a torn file."""
        save_model(self.model, self._folder / f"epoch-{epoch + 1:03d}.keras")


class TensorBoard(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the history as TensorBoard events, without TensorFlow.

    Tags and folders are those of Keras's own callback (`train` and `validation`, `epoch_loss` …),
    which imports TensorFlow on every backend. A resumed run writes its whole history anew, so
    that no epoch appears twice.
    """

    def __init__(self, folder: Path, history: History) -> None:
        super().__init__()
        self._folder = folder
        self._history = history
        self._writers: dict[str, Any] = {}
        self._written = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        """Clear the folder and open a writer for each split."""
        from tensorboardX import SummaryWriter

        shutil.rmtree(self._folder, ignore_errors=True)
        for split in ("train", "validation"):
            make_folder(self._folder / split)
            self._writers[split] = SummaryWriter(str(self._folder / split))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the epoch's row, and after a resume those before it."""
        self.write_new_rows()

    def write_new_rows(self) -> None:
        """Write the rows of the history that are not written yet."""
        train, validation = self._writers["train"], self._writers["validation"]
        for row in self._history.rows[self._written :]:
            step = int(row["epoch"]) - 1
            for name in ("loss", "accuracy", "learning_rate"):
                train.add_scalar(f"epoch_{name}", row[name], step)
            for name in ("loss", "accuracy"):
                validation.add_scalar(f"epoch_{name}", row[f"val_{name}"], step)
        self._written = len(self._history.rows)
        train.flush()
        validation.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        """Write what a resumed run has in its history already, and close the files."""
        self.write_new_rows()
        for writer in self._writers.values():
            writer.close()


class ProgressBar(keras.callbacks.Callback):  # type: ignore[misc]
    """A live bar over the epochs on a terminal; one line an epoch where there is none."""

    def __init__(self, console: Console, epochs: int) -> None:
        super().__init__()
        self._console = console
        self._epochs = epochs
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("compiling …", total=epochs)

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Show the epoch's figures."""
        values = logs or {}
        text = (
            f"loss {values['loss']:.4f}  accuracy {values['accuracy']:.2%}  "
            f"val loss {values['val_loss']:.4f}  val accuracy {values['val_accuracy']:.2%}"
        )
        self._bar.update(self._task, completed=epoch + 1, description=text)
        if not self._console.is_terminal:
            self._console.print(f"epoch {epoch + 1}/{self._epochs}  {text}", soft_wrap=True)
