"""Lessons of the digit network: all its members learn, the old weights stay in part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adapting import breaking_off, digits_folder, recipe_text

from inkdigits.data.dataset import Dataset
from inkdigits.data.digits import load_offline_digits
from inkdigits.models.backend import set_up_keras

set_up_keras()
from inkdigits.models.cnn import build_cnn
from inkdigits.models.ensemble import merge
from inkdigits.models.export import export_onnx
from inkdigits.models.metadata import digit_metadata
from inkdigits.reading.engine import Engine
from inkdigits.training import adapt_digit
from inkdigits.training.adapt_data import load_samples
from inkdigits.training.adapt_digit import DigitLearner
from inkdigits.training.lesson import Lesson


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_offline_digits()


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in (("MADE", 20), ("REAL", 60), ("OWN", 80), ("PROVEN", 50)):
        monkeypatch.setattr(adapt_digit, name, count)
    monkeypatch.setitem(adapt_digit.SETTINGS, "epochs", 2)
    monkeypatch.setitem(adapt_digit.SETTINGS, "batch_size", 32)


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """Two networks in three views, the second asked in doubt."""
    members = [build_cnn((3,), (2,), seed=seed, pooled=False, normalized=False) for seed in (1, 2)]
    recipe = recipe_text(["model.kind='ensemble'", "model.views=3", "ensemble.recipes=['cnn']"])
    content = export_onnx(merge(members, [0.5, 0.5], 3, 0.9), digit_metadata(recipe=recipe))
    (tmp_path / "parent.onnx").write_bytes(content)
    return tmp_path / "parent.onnx"


def learner_of(parent: Path, folder: Path, digits: Dataset) -> DigitLearner:
    learner = DigitLearner(parent, load_samples(folder), seed=3)
    learner.make(digits.train, digits.test, folder)
    return learner


def lesson_of(learner: DigitLearner, state: Path) -> Lesson:
    places = np.arange(len(learner.samples))
    return learner.teach(places[::2], places[1::2], state)


def test_a_share_of_the_old_weights_stays(
    digits: Dataset, parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_of(parent, digits_folder(tmp_path / "mine", digits, 24), digits)
    old = learner.model.get_weights()
    mixed = lesson_of(learner, tmp_path / "mixed.npz")
    monkeypatch.setattr(adapt_digit, "OLD_SHARE", 0.0)
    pure = lesson_of(learner, tmp_path / "pure.npz")
    assert any(np.abs(new - kept).max() > 1e-4 for new, kept in zip(pure.at(1), old, strict=True))
    for found, learnt, kept in zip(mixed.at(1), pure.at(1), old, strict=True):
        np.testing.assert_allclose(found, 0.35 * kept + 0.65 * learnt, atol=1e-6)


def test_broken_off_the_members_learn_the_same(
    digits: Dataset, parent: Path, tmp_path: Path
) -> None:
    folder = digits_folder(tmp_path / "mine", digits, 24)
    learner = learner_of(parent, folder, digits)
    whole = lesson_of(learner, tmp_path / "whole.npz")
    state = tmp_path / "state.npz"
    with breaking_off():
        with pytest.raises(KeyboardInterrupt):
            lesson_of(learner, state)
    again = lesson_of(learner_of(parent, folder, digits), state)
    for one, two in zip(whole.at(1), again.at(1), strict=True):
        np.testing.assert_array_equal(one, two)
    told = learner.describe([(whole.at(1), np.arange(24))], whole.at(1))
    content = learner.artefact(whole.at(1), told)
    assert Engine(content).metadata.recipe == learner.described.to_toml()
    assert learner.described.model.views == 3
