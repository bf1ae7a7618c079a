"""The state of a training after an epoch: all that an exact resume needs, in one file.

Keras's own BackupAndRestore keeps weights and epoch only; early stopping and the memory of the
best model are lost, and the file is overwritten in place (keras #17012). Here everything goes into
one `.npz`, written beside and renamed, with no pickle in it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import InvalidData
from inkdigits.files import write_arrays

Array = NDArray[Any]
STATE_FILE = "state/latest.npz"
CLASS_KEY = "class"
# What reading a torn or foreign file can raise inside NumPy, zipfile and JSON.
DAMAGE = (OSError, EOFError, ValueError, LookupError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class State:
    """What a finished epoch leaves behind.

    `epoch` counts the finished epochs; `stopped` says that early stopping has ended the training;
    `variables` are the values of weights, seeds and optimizer; `callbacks` holds for each callback
    its plain attributes and its arrays.
    """

    epoch: int
    stopped: bool
    variables: list[Array]
    callbacks: list[dict[str, Any]]


def all_variables(model: keras.Model) -> list[Any]:
    """Return everything that training changes: weights, seeds, optimizer state."""
    return [*model.variables, *model.optimizer.variables]


def capture(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], epoch: int) -> State:
    """Return the state after `epoch` finished epochs."""
    return State(
        epoch=epoch,
        stopped=bool(model.stop_training),
        variables=[np.asarray(v.value) for v in all_variables(model)],
        callbacks=[remembered(callback) for callback in callbacks],
    )


def remembered(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Return a callback's public attributes that are plain values or lists of arrays.

    That covers Keras's own (early stopping, plateau schedules, best-model checkpoints) and any
    other that keeps its memory in such attributes.
    """
    kept: dict[str, Any] = {CLASS_KEY: type(callback).__name__}
    for name, value in vars(callback).items():
        if name.startswith("_") or name in ("params", "validation_data"):
            continue
        plain = value.item() if isinstance(value, np.generic) else value
        if is_plain(plain) or is_arrays(plain):
            kept[name] = plain
    return kept


def is_plain(value: Any) -> bool:
    """Return whether JSON keeps `value` exactly."""
    if isinstance(value, dict):
        return all(isinstance(k, str) and is_plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def is_arrays(value: Any) -> bool:
    """Return whether `value` is a list of arrays, as `model.get_weights()` gives."""
    return isinstance(value, list) and all(isinstance(item, np.ndarray) for item in value)


def restore(state: State, model: keras.Model) -> None:
    """Put the state's values into the model's variables; raises InvalidData if they do not fit."""
    variables = all_variables(model)
    if len(variables) != len(state.variables):
        raise InvalidData(
            f"the saved state has {len(state.variables)} variables, the model {len(variables)}."
        )
    for variable, value in zip(variables, state.variables, strict=True):
        variable.assign(value)


def restore_callbacks(state: State, callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Give each callback its remembered attributes back; InvalidData if they are other ones."""
    saved = [kept[CLASS_KEY] for kept in state.callbacks]
    given = [type(callback).__name__ for callback in callbacks]
    if saved != given:
        raise InvalidData(
            f"the training was started with the callbacks {saved}, not {given}.",
            "Resume it from Python with the same callbacks.",
        )
    for callback, kept in zip(callbacks, state.callbacks, strict=True):
        for name, value in kept.items():
            if name != CLASS_KEY:
                setattr(callback, name, value)


def save_state(state: State, path: Path) -> None:
    """Write `state` to `path` atomically.

    After a loss of power an older state may be there; the result from it is the same.
    """
    arrays = {f"variable/{n}": value for n, value in enumerate(state.variables)}
    plain: list[dict[str, Any]] = []
    for number, kept in enumerate(state.callbacks):
        plain.append({})
        for name, value in kept.items():
            if is_plain(value):
                plain[-1][name] = value
                continue
            arrays |= {f"callback/{number}/{name}/{n}": item for n, item in enumerate(value)}
    meta = {"epoch": state.epoch, "stopped": state.stopped, "callbacks": plain}
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    write_arrays(path, arrays)


def load_state(path: Path) -> State:
    """Read what `save_state` wrote; raises InvalidData when the file is damaged."""
    try:
        # Opened here, because NumPy leaves a file open that turns out to be no zip.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as opened:
            arrays = {name: opened[name] for name in opened.files}
        meta = json.loads(arrays.pop("meta").tobytes())
        variables = [arrays.pop(f"variable/{n}") for n in range(count(arrays, "variable"))]
        callbacks: list[dict[str, Any]] = meta["callbacks"]
        # np.savez keeps the order of insertion, so each list comes back in order.
        for name, value in arrays.items():
            _, number, attribute, _ = name.split("/")
            callbacks[int(number)].setdefault(attribute, []).append(value)
        return State(int(meta["epoch"]), bool(meta["stopped"]), variables, callbacks)
    except DAMAGE as error:
        raise InvalidData(
            f"{str(path)!r} is no usable training state: {error}.", "Start the training anew."
        ) from error


def count(arrays: dict[str, Array], prefix: str) -> int:
    """Return how many of the names stand under `prefix`."""
    return sum(name.startswith(f"{prefix}/") for name in arrays)


class StateKeeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves the state after every epoch, and gives a resumed training its memory back.

    Without a `path` it saves nothing. It must come last: then the others have been reset when it
    restores them at the start, and have done their work when it saves at the end of an epoch.
    """

    def __init__(
        self,
        path: Path | None,
        others: Sequence[keras.callbacks.Callback],
        resumed: State | None,
    ) -> None:
        super().__init__()
        self._path = path
        self._others = list(others)
        self._resumed = resumed

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Restore the other callbacks' memory in a resumed training."""
        if self._resumed is not None:
            restore_callbacks(self._resumed, self._others)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Save the state."""
        if self._path is None:
            return
        save_state(capture(self.model, self._others, epoch + 1), self._path)
