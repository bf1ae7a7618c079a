import json
from pathlib import Path

import keras
import numpy as np
import pytest
from breaking import StopAfter

from inkdigits.data.dataset import Dataset, split_val
from inkdigits.errors import InvalidData
from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.training.checkpoint import (
    State,
    StateKeeper,
    all_variables,
    load_state,
    remembered,
    restore,
    save_state,
)
from inkdigits.training.loop import compile_model, fit
from inkdigits.training.recipe import TrainingRecipe

set_up_keras()
RECIPE = TrainingRecipe(batch_size=64, epochs=5)


def new_model() -> keras.Model:
    model = build_ann((16,), 0.3, 1)
    compile_model(model, RECIPE, 900)
    return model


def new_callbacks() -> list[keras.callbacks.Callback]:
    return [
        keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=0, min_delta=0.05, factor=0.5),
    ]


@pytest.mark.parametrize("broken_after", [1, 2, 4, 5])
def test_resume_is_bit_identical(small: Dataset, tmp_path: Path, broken_after: int) -> None:
    splits = split_val(small.train, 0.1)
    unbroken = new_model()
    fit(unbroken, *splits, RECIPE, new_callbacks())

    path = tmp_path / "state.npz"
    first, callbacks = new_model(), new_callbacks()
    keeper = StateKeeper(path, callbacks, None)
    with pytest.raises(KeyboardInterrupt):
        fit(first, *splits, RECIPE, [*callbacks, keeper, StopAfter(broken_after)])

    state = load_state(path)
    assert state.epoch == broken_after
    second, callbacks = new_model(), new_callbacks()
    restore(state, second)
    keeper = StateKeeper(path, callbacks, state)
    fit(
        second,
        *splits,
        RECIPE,
        [*callbacks, keeper],
        first_epoch=state.epoch,
        stopped=state.stopped,
    )
    for mine, other in zip(all_variables(second), all_variables(unbroken), strict=True):
        np.testing.assert_array_equal(np.asarray(mine.value), np.asarray(other.value))


def test_remembers_what_early_stopping_knows(small: Dataset) -> None:
    model, callbacks = new_model(), new_callbacks()
    fit(model, *split_val(small.train, 0.1), RECIPE, callbacks)
    kept = remembered(callbacks[0])
    assert {"wait", "best", "best_epoch", "stopped_epoch", "best_weights"} <= set(kept)
    assert all(isinstance(item, np.ndarray) for item in kept["best_weights"])
    assert "params" not in kept
    assert not any(name.startswith("_") for name in kept)


def test_state_round_trip_is_exact(tmp_path: Path) -> None:
    arrays = [np.arange(3, dtype=np.float32), np.array(7, np.int32), np.array([1, 2], np.uint32)]
    kept = [
        {"best": float("inf"), "wait": 2, "best_weights": arrays[:2], "name": "ä"},
        {"rows": [{"epoch": 1, "loss": 0.1}], "none": None, "empty": []},
    ]
    path = tmp_path / "state.npz"
    save_state(State(3, True, arrays, kept), path)
    found = load_state(path)
    assert (found.epoch, found.stopped) == (3, True)
    for mine, other in zip(found.variables, arrays, strict=True):
        np.testing.assert_array_equal(mine, other)
        assert mine.dtype == other.dtype
    np.testing.assert_array_equal(found.callbacks[0].pop("best_weights")[0], arrays[0])
    kept[0].pop("best_weights")
    assert found.callbacks == kept


def test_eleven_variables_keep_their_order(tmp_path: Path) -> None:
    arrays = [np.array(n) for n in range(25)]
    save_state(State(1, False, arrays, [{"best_weights": arrays}]), tmp_path / "s.npz")
    found = load_state(tmp_path / "s.npz")
    assert [int(v) for v in found.variables] == list(range(25))
    assert [int(v) for v in found.callbacks[0]["best_weights"]] == list(range(25))


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 torn"])
def test_damaged_state_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "latest.npz"
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=r"latest\.npz.*no usable training state"):
        load_state(path)


def test_a_pickle_in_the_state_is_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "latest.npz"
    meta = np.frombuffer(json.dumps({}).encode(), np.uint8)
    np.savez(path, meta=meta, evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InvalidData, match="no usable training state"):
        load_state(path)


def test_state_of_another_network_does_not_fit() -> None:
    with pytest.raises(InvalidData, match="has 1 variables, the model"):
        restore(State(1, False, [np.zeros(2)], []), new_model())
