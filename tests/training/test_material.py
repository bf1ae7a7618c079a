"""What a recipe trains on, and who labels it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inkdigits.data.dataset import Dataset, Examples
from inkdigits.errors import ModelRefused
from inkdigits.evaluation.model_file import predict_file
from inkdigits.files import write_bytes
from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.models.export import export_onnx
from inkdigits.models.metadata import digit_metadata
from inkdigits.models.saved import save_model
from inkdigits.training import material as module
from inkdigits.training.augment import augment
from inkdigits.training.draws import JaxDraws
from inkdigits.training.material import class_count, gather_material
from inkdigits.training.network import build_model
from inkdigits.training.recipe import Recipe

set_up_keras()
jax = pytest.importorskip("jax", reason="copies are distorted with JAX")


def recipe(*assignments: str) -> Recipe:
    return Recipe("mine").override(assignments)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the artefact of a small network."""
    folder = tmp_path_factory.mktemp("teacher")
    model = build_ann((8,), 0.0, 1)
    write_bytes(folder / "model.onnx", export_onnx(model, digit_metadata()))
    save_model(model, folder / "model.keras")
    return folder


def taught(teacher: Path, *assignments: str) -> Recipe:
    loss = "training.loss=categorical_crossentropy"
    return recipe(loss, f"distillation.teacher={teacher}", *assignments)


def open_set(label: int, n: int) -> Examples:
    return Examples(np.full((n, 28, 28), 100 + label, np.uint8), np.full(n, label, np.uint8))


@pytest.fixture
def open_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_semeion", lambda: open_set(3, 2))
    monkeypatch.setattr(module, "load_optdigits", lambda: open_set(8, 5))


def test_a_plain_recipe_trains_on_train_alone(small: Dataset) -> None:
    found = gather_material(recipe(), small.train)
    np.testing.assert_array_equal(found.images, small.train.images)
    np.testing.assert_array_equal(found.labels, small.train.labels)
    assert class_count(recipe()) == 10


@pytest.mark.usefixtures("open_sets")
def test_open_sets_are_added_so_many_times(small: Dataset) -> None:
    found = gather_material(recipe("data.open_sets=3"), small.train[:10])
    assert len(found) == 10 + 3 * 7
    added = found.labels[10:]
    assert ((added == 3).sum(), (added == 8).sum()) == (6, 15)
    assert np.array_equal(found.images[10:, 0, 0] - 100, added)


def test_negatives_are_an_eleventh_class(small: Dataset) -> None:
    settings = recipe("data.negatives=6", "data.synthetic_digits=4")
    assert class_count(settings) == 11
    found = gather_material(settings, small.train[:10])
    assert len(found) == 20
    assert (found.labels == 10).sum() == 6
    again = gather_material(settings, small.train[:10])
    np.testing.assert_array_equal(found.images, again.images)


@pytest.mark.parametrize("kind", ["ann", "cnn"])
def test_either_network_has_an_output_for_each_class(kind: str) -> None:
    for count, classes in ((0, 10), (5, 11)):
        model = build_model(recipe(f"model.kind={kind}", f"data.negatives={count}"))
        assert model.output_shape == (None, classes)


@pytest.mark.parametrize("chunk", [4, 5, 10, 100])
def test_each_image_appears_so_many_times(
    small: Dataset, teacher: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """Also where train is not a whole number of the teacher's portions."""
    monkeypatch.setattr(module, "CHUNK", chunk)
    train = small.train[:10]
    found = gather_material(taught(teacher, "distillation.copies=3"), train)
    assert len(found) == 30
    np.testing.assert_array_equal(found.images, np.tile(train.images, (3, 1, 1)))
    assert (found.labels.shape, found.labels.dtype) == ((30, 10), np.float32)
    expected = predict_file(teacher / "model.onnx", train.images)
    np.testing.assert_allclose(found.labels, np.tile(expected, (3, 1)), atol=1e-6)


@pytest.mark.parametrize("file", ["model.onnx", "model.keras"])
def test_the_teacher_labels_the_very_image_that_is_learnt(
    small: Dataset, teacher: Path, file: str
) -> None:
    settings = taught(
        teacher / file, "distillation.copies=2", "distillation.augment.shift=3", "training.seed=5"
    )
    train = small.train[:8]
    found = gather_material(settings, train)
    np.testing.assert_allclose(found.labels, predict_file(teacher / file, found.images), atol=1e-6)
    first, second = found.images[:8], found.images[8:]
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, train.images)
    key = jax.random.fold_in(jax.random.key(5), 0)
    expected = augment(JaxDraws(key), train.images, settings.distillation.augment)
    assert np.abs(first - np.asarray(expected)).max() <= 0.51


@pytest.mark.usefixtures("open_sets")
def test_what_is_added_keeps_its_own_labels(small: Dataset, teacher: Path) -> None:
    settings = taught(teacher, "data.open_sets=1", "data.negatives=2")
    found = gather_material(settings, small.train[:4])
    assert found.labels.shape == (4 + 7 + 2, 11)
    np.testing.assert_allclose(found.labels.sum(axis=1), 1, atol=1e-5)
    assert not found.labels[:4, 10].any()
    np.testing.assert_array_equal(found.labels[4:].argmax(axis=1), [3] * 2 + [8] * 5 + [10] * 2)
    assert set(np.unique(found.labels[4:])) == {0, 1}


def test_a_teacher_that_is_not_there_is_refused(small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="holds no trained model"):
        gather_material(taught(tmp_path), small.train[:4])
