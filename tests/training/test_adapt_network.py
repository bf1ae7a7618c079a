"""A digit artefact's network, taught and saved again: its members, its views, its doubt."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from inkdigits.models.backend import set_up_keras

set_up_keras()
from inkdigits.models.cnn import build_cnn
from inkdigits.models.ensemble import merge
from inkdigits.models.export import export_onnx
from inkdigits.models.metadata import digit_metadata
from inkdigits.models.start import constants_of
from inkdigits.reading.engine import Engine
from inkdigits.reading.models import BUNDLED_MODEL
from inkdigits.training.adapt_digit import SETTINGS
from inkdigits.training.adapt_network import member_shares, network_of
from inkdigits.training.adapt_recipe import described, recipe_for
from inkdigits.training.recipe import ModelRecipe, Recipe

IMAGES = np.random.default_rng(3).integers(0, 256, (40, 28, 28), dtype=np.uint8)
MEMBER = ["model.kind='cnn'", "model.filters=[3,5]", "model.depth=[2,2]", "model.pooled=false"]


def member_recipe() -> Recipe:
    return Recipe("mine").override([*MEMBER, "model.start='parent'"])


def ensemble(path: Path, shares: list[float], views: int, sure: float) -> Path:
    members = [
        build_cnn((3, 5), (2, 2), seed=seed, pooled=False, normalized=False)
        for seed, _ in enumerate(shares, 1)
    ]
    model = members[0] if views == 1 and len(shares) == 1 else merge(members, shares, views, sure)
    path.write_bytes(export_onnx(model, digit_metadata()))
    return path


def answers(content: bytes | Path) -> np.ndarray:
    return Engine(content).predict_proba(IMAGES)


def shares_in(path: Path, members: int, views: int) -> list[float]:
    return member_shares(constants_of(path), [10] * members, views)


@pytest.mark.parametrize(
    ("shares", "views", "sure"),
    [([1.0], 1, 1.0), ([1.0], 3, 1.0), ([0.3, 0.7], 1, 1.0), ([0.5, 0.3, 0.2], 5, 0.2)],
)
def test_untaught_it_is_saved_as_it_was(
    tmp_path: Path, shares: list[float], views: int, sure: float
) -> None:
    path = ensemble(tmp_path / "parent.onnx", shares, views, sure)
    looks = ModelRecipe(kind="ensemble", views=views, sure=sure)
    network = network_of(path, member_recipe(), looks)
    content = network.artefact(network.model.get_weights(), digit_metadata())
    np.testing.assert_allclose(answers(content), answers(path), atol=1e-6)
    if views > 1 or len(shares) > 1:
        np.testing.assert_allclose(shares_in(path, len(shares), views), shares, atol=1e-6)


def test_members_may_differ_in_widths_and_classes(tmp_path: Path) -> None:
    members = [
        build_cnn((3, 5), (2, 2), seed=1, classes=10, pooled=False, normalized=False),
        build_cnn((4, 6, 7), (1, 2, 3), seed=2, classes=11, normalized=False),
    ]
    path = tmp_path / "parent.onnx"
    path.write_bytes(export_onnx(merge(members, [0.6, 0.4], 5, 0.9), digit_metadata()))
    network = network_of(path, member_recipe(), ModelRecipe(kind="ensemble", views=5, sure=0.9))
    content = network.artefact(network.model.get_weights(), digit_metadata())
    np.testing.assert_allclose(answers(content), answers(path), atol=1e-6)


def test_what_is_taught_reaches_every_member_and_no_share(tmp_path: Path) -> None:
    path = ensemble(tmp_path / "parent.onnx", [0.3, 0.7], 3, 0.9)
    looks = ModelRecipe(kind="ensemble", views=3, sure=0.9)
    network = network_of(path, member_recipe(), looks)
    before = network.model.get_weights()
    network.model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())
    network.model.fit(IMAGES.astype(np.float32), np.arange(40) % 10, epochs=1, verbose=0)
    after = network.model.get_weights()
    still = [np.array_equal(old, new) for old, new in zip(before, after, strict=True)]
    assert still.count(True) == 1
    assert before[still.index(True)].shape == (20, 10)

    content = network.artefact(after, digit_metadata())
    (tmp_path / "new.onnx").write_bytes(content)
    np.testing.assert_allclose(shares_in(tmp_path / "new.onnx", 2, 3), [0.3, 0.7], atol=1e-6)
    assert np.abs(answers(content) - answers(path)).max() > 1e-4
    network.artefact(before, digit_metadata())
    for mine, kept in zip(network.model.get_weights(), after, strict=True):
        np.testing.assert_array_equal(mine, kept)


def test_the_bundled_model_taught_on_can_be_taught_again() -> None:
    told = Engine(BUNDLED_MODEL).metadata.recipe
    recipe = recipe_for(told, 4, SETTINGS)
    new = described(told, recipe, SETTINGS)
    assert (new.name, new.model.kind, new.model.views) == ("adapted", "ensemble", 5)
    assert (new.training.learning_rate, new.training.seed) == (SETTINGS["learning_rate"], 4)
    again = recipe_for(new.to_toml(), 5, SETTINGS)
    assert (again.model.kind, again.model.filters) == ("cnn", recipe.model.filters)

    network = network_of(BUNDLED_MODEL, recipe, new.model)
    kept = digit_metadata(temperature=Engine(BUNDLED_MODEL).metadata.temperature)
    content = network.artefact(network.model.get_weights(), kept)
    np.testing.assert_allclose(answers(content), answers(BUNDLED_MODEL), atol=1e-5)
