"""Ensembles: the mean, the choice of members, and where candidates lie."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkdigits.data.dataset import Dataset
from inkdigits.errors import ModelRefused, UsageError
from inkdigits.evaluation.calibration import as_logits, cross_entropy
from inkdigits.models.ann import build_ann
from inkdigits.models.backend import set_up_keras
from inkdigits.models.cnn import build_cnn
from inkdigits.models.ensemble import SHIFTS, merge
from inkdigits.models.export import export_onnx
from inkdigits.models.metadata import digit_metadata
from inkdigits.models.predict import make_predictor
from inkdigits.models.saved import save_model
from inkdigits.reading.models import BUNDLED_LINE_MODEL
from inkdigits.training.ensemble import (
    ROUNDS,
    build_ensemble,
    calibrated_loss,
    candidate_folders,
    choose_members,
    named_networks,
    networks_of,
    require_unseen_val,
    select_forward,
    weigh_members,
)
from inkdigits.training.network import as_saved, build_full
from inkdigits.training.recipe import EnsembleRecipe, load_recipe

set_up_keras()
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 10, 200).astype(np.uint8)


def logits_of(quality: float, seed: int) -> np.ndarray:
    """Random logits that favour the right class by `quality`."""
    noise = np.random.default_rng(seed).normal(size=(len(LABELS), 10))
    return noise + quality * np.eye(10)[LABELS]


def test_merged_is_the_weighted_mean_of_the_logits() -> None:
    members = [build_ann((8,), 0.3, 1), build_cnn((2,), (2,), 0.1, 2)]
    found = make_predictor(merge(members, [0.25, 0.75]))(IMAGES)
    logs = [np.log(make_predictor(member)(IMAGES).astype(np.float64)) for member in members]
    expected = np.exp(0.25 * logs[0] + 0.75 * logs[1])
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_one_member_alone_says_what_it_said_and_keeps_its_weights() -> None:
    member = build_ann((8,), 0.3, 1)
    before = member.get_weights()
    merged = merge([member], [1.0])
    np.testing.assert_allclose(
        make_predictor(merged)(IMAGES), make_predictor(member)(IMAGES), atol=1e-6
    )
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in merged.layers)
    merged.set_weights([np.zeros_like(array) for array in merged.get_weights()])
    for array, old in zip(member.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)


def moved(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """The images moved by at most a pixel, zeros coming in."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    return padded[:, 1 - down : 29 - down, 1 - right : 29 - right]


def test_views_are_the_mean_over_moved_images() -> None:
    member = build_cnn((2, 4), (2, 1), seed=2, pooled=False)
    found = make_predictor(merge([member], [1.0], views=5))(IMAGES)
    logs = [
        np.log(make_predictor(member)(moved(IMAGES, *shift)).astype(np.float64)) for shift in SHIFTS
    ]
    expected = np.exp(np.mean(logs, axis=0))
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)
    assert np.abs(found - make_predictor(member)(IMAGES)).max() > 1e-4


def test_views_need_convolutions() -> None:
    with pytest.raises(UsageError, match=r"model\.views = 1"):
        merge([build_ann((8,))], [1.0], views=2)


def test_a_run_saved_with_views_is_a_candidate_as_the_plain_network(tmp_path: Path) -> None:
    recipe = load_recipe("cnn").override(["model.filters=[2,4]", "model.depth=[1,1]"])
    network = build_full(recipe)
    save_model(as_saved(network, recipe, 100), tmp_path / "model.keras")
    (tmp_path / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    (found,) = networks_of(str(tmp_path))
    assert isinstance(found, keras.Sequential)
    np.testing.assert_array_equal(make_predictor(found)(IMAGES), make_predictor(network)(IMAGES))


def test_the_same_network_twice_can_be_merged() -> None:
    member = build_ann((8,), 0.0, 1)
    found = make_predictor(merge([member, member], [0.5, 0.5]))(IMAGES)
    np.testing.assert_allclose(found, make_predictor(member)(IMAGES), atol=1e-6)


def test_cross_entropy_by_hand() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.9, 0.1]])) + 300.0
    assert cross_entropy(logits, np.array([0, 1], np.uint8)) == pytest.approx(
        -(np.log(0.5) + np.log(0.1)) / 2
    )


@settings(max_examples=25, deadline=None)
@given(qualities=st.lists(st.floats(-2, 6), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_the_picked_are_never_worse_than_the_best_alone(qualities: list[float], seed: int) -> None:
    logits = [logits_of(quality, seed + number) for number, quality in enumerate(qualities)]
    weights = select_forward(logits, LABELS)
    assert sum(weights.values()) == pytest.approx(1)
    assert all(weight > 0 for weight in weights.values())
    assert list(weights) == sorted(weights)
    mean = sum(weight * logits[number] for number, weight in weights.items())
    alone = min(cross_entropy(rows, LABELS) for rows in logits)
    assert cross_entropy(mean, LABELS) <= alone + 1e-12
    assert select_forward(logits, LABELS) == weights


def test_the_better_weighs_more_and_a_useless_one_nothing() -> None:
    good, fair, harmful = logits_of(8.0, 1), logits_of(6.5, 2), logits_of(-8.0, 3)
    weights = choose_members([harmful, fair, good], LABELS)
    assert 0 not in weights
    assert weights[2] > weights.get(1, 0.0)


def test_candidates_that_val_cannot_tell_apart_weigh_alike() -> None:
    logits = [logits_of(5.0, seed) for seed in range(5)]
    picked = select_forward(logits, LABELS)
    assert len(set(picked.values())) > 1 or len(picked) < 5
    assert choose_members(logits, LABELS) == dict.fromkeys(range(5), 0.2)


@pytest.mark.parametrize(("size", "tries", "fewest", "most"), [(80, 12, 10, 12), (3000, 2, 0, 0)])
def test_what_a_small_val_cannot_tell_a_large_one_can(
    size: int, tries: int, fewest: int, most: int
) -> None:
    alike = 0
    for seed in range(tries):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 10, size).astype(np.uint8)
        noise, right = rng.normal(size=(3, size, 10)), np.eye(10)[labels]
        logits = [one + quality * right for one, quality in zip(noise, (3, 2.5, 2.5), strict=True)]
        alike += choose_members(logits, labels) == dict.fromkeys(range(3), 1 / 3)
    assert fewest <= alike <= most


def test_a_single_candidate_has_all_the_weight() -> None:
    assert choose_members([logits_of(1.0, 0)], LABELS) == {0: 1.0}


def test_weights_are_shares_of_the_rounds_that_were_kept() -> None:
    weights = select_forward([logits_of(3.0, seed) for seed in range(4)], LABELS, rounds=1)
    assert list(weights.values()) == [1.0]
    weights = select_forward([logits_of(3.0, seed) for seed in range(4)], LABELS)
    assert 1 < len(weights) <= ROUNDS


def test_candidates_have_folders_of_their_own(tmp_path: Path) -> None:
    recipe = EnsembleRecipe(recipes=("cnn", "distorted"), seeds=2, first_seed=7)
    assert candidate_folders(recipe, tmp_path) == [
        (tmp_path / "members" / "cnn-0", "cnn", 7),
        (tmp_path / "members" / "cnn-1", "cnn", 8),
        (tmp_path / "members" / "distorted-0", "distorted", 7),
        (tmp_path / "members" / "distorted-1", "distorted", 8),
    ]
    others = {(name, seed) for _, name, seed in candidate_folders(recipe, tmp_path, 1)}
    assert others == {("cnn", 9), ("cnn", 10), ("distorted", 9), ("distorted", 10)}


def test_built_from_finished_runs_and_from_members_it_trains(
    small: Dataset, tmp_path: Path
) -> None:
    run = tmp_path / "earlier"
    run.mkdir()
    save_model(build_ann((8,), 0.0, 1), run / "model.keras")
    asked: list[tuple[str, str, int]] = []
    said: list[str] = []

    def train_member(folder: Path, name: str, seed: int) -> None:
        folder.mkdir(parents=True)
        save_model(build_ann((8,), 0.0, seed), folder / "model.keras")
        asked.append((folder.name, name, seed))

    recipe = EnsembleRecipe(runs=(str(run),), recipes=("cnn",), seeds=2, first_seed=5)
    val = small.train[:50]
    model = build_ensemble(recipe, tmp_path, val, train_member, said.append)
    assert asked == [("cnn-0", "cnn", 5), ("cnn-1", "cnn", 6)]
    assert said
    assert all(line.startswith(f"member {tmp_path}") and "  weight " in line for line in said)
    assert make_predictor(model)(val.images).shape == (50, 10)
    with pytest.raises(UsageError, match=r"ensemble\.runs or ensemble\.recipes"):
        build_ensemble(EnsembleRecipe(), tmp_path, val, train_member, said.append)


def test_what_only_some_candidates_know_is_left_out(small: Dataset, tmp_path: Path) -> None:
    for classes in (10, 11):
        (tmp_path / str(classes)).mkdir()
        model = build_ann((4,), 0.0, 1, classes)
        save_model(model, tmp_path / str(classes) / "model.keras")
    recipe = EnsembleRecipe(runs=(str(tmp_path / "10"), str(tmp_path / "11")))
    said: list[str] = []
    model = build_ensemble(recipe, tmp_path, small.train[:90], lambda *_: None, said.append)
    assert model.output_shape[-1] == (10 if len(said) == 2 or "/10 " in said[0] else 11)


def test_a_mean_over_other_classes_is_that_of_the_digits_logits() -> None:
    members = [build_cnn((2,), (2,), 0.1, seed, classes) for seed, classes in ((1, 11), (2, 10))]
    found = make_predictor(merge(members, [0.25, 0.75]))(IMAGES)
    logs = [np.log(make_predictor(member)(IMAGES).astype(np.float64)) for member in members]
    expected = np.exp(0.25 * logs[0] + 0.75 * logs[1])
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("pooled", [False, True])
def test_a_run_with_nothing_but_its_artefact_is_a_candidate(tmp_path: Path, pooled: bool) -> None:
    network = build_cnn((2, 4), (1, 2), seed=1, classes=11, pooled=pooled)
    path = tmp_path / "model.onnx"
    path.write_bytes(export_onnx(network, digit_metadata(temperature=2.0)))
    (found,) = networks_of(str(tmp_path))
    expected = make_predictor(network)(IMAGES)
    np.testing.assert_allclose(make_predictor(found)(IMAGES), expected, atol=1e-5)


def test_every_network_of_an_artefact_is_a_candidate(tmp_path: Path) -> None:
    members = [build_cnn((2, 4), (2, 1), seed=seed, pooled=False) for seed in (1, 2)]
    path = tmp_path / "mine.onnx"
    path.write_bytes(export_onnx(merge(members, [0.4, 0.6], 3, 0.5), digit_metadata()))
    names, found = named_networks([str(path)])
    assert names == [f"{path}, 1", f"{path}, 2"]
    for one, member in zip(found, members, strict=True):
        expected = make_predictor(member)(IMAGES)
        np.testing.assert_allclose(make_predictor(one)(IMAGES), expected, atol=1e-5)


def test_the_networks_that_ship_are_candidates(mnist: Dataset) -> None:
    test = mnist.test[:500]
    names, found = named_networks(["bundled"])
    assert names == ["bundled, 1", "bundled, 2", "bundled, 3"]
    for one in found:
        assert one.output_shape[-1] == 11
        said = make_predictor(one)(test.images).argmax(axis=1)
        assert np.mean(said == test.labels) > 0.98


def test_an_ensemble_that_keras_saved_is_no_candidate(tmp_path: Path) -> None:
    members = [build_cnn((2,), (1,), seed=seed) for seed in (1, 2)]
    save_model(merge(members, [0.5, 0.5], 2), tmp_path / "model.keras")
    (tmp_path / "recipe.toml").write_text(load_recipe("bundled").to_toml(), encoding="utf-8")
    with pytest.raises(UsageError, match="must be single networks"):
        networks_of(str(tmp_path))


@pytest.mark.parametrize("model", [build_ann((4,)), None])
def test_other_networks_are_no_candidates(tmp_path: Path, model: keras.Model | None) -> None:
    path = BUNDLED_LINE_MODEL
    if model is not None:
        path = tmp_path / "model.onnx"
        path.write_bytes(export_onnx(model, digit_metadata()))
    with pytest.raises(ModelRefused, match="no convolutional network for single digits"):
        networks_of(str(path))


def test_a_member_does_not_weigh_more_for_being_sure_of_itself() -> None:
    logits = [logits_of(3.0, seed) for seed in range(5)]
    weights = weigh_members(logits, LABELS)
    surer = weigh_members([3 * logits[0], *logits[1:]], LABELS)
    assert surer[0] / surer[1] == pytest.approx(weights[0] / weights[1] / 3, rel=1e-3)


def test_the_best_member_looks_first(small: Dataset, tmp_path: Path) -> None:
    runs = []
    for seed in range(3):
        runs.append(tmp_path / str(seed))
        runs[-1].mkdir()
        save_model(build_cnn((4,), (2,), seed=seed), runs[-1] / "model.keras")
    said: list[str] = []
    recipe, val = EnsembleRecipe(runs=tuple(map(str, runs))), small.train[:90]
    model = build_ensemble(recipe, tmp_path, val, lambda *_: None, said.append, 2, sure=0.3)
    best = Path(said[0].split()[1])
    losses = {
        run: calibrated_loss(
            as_logits(make_predictor(networks_of(str(run))[0])(val.images)), val.labels
        )
        for run in runs
    }
    assert best == min(losses, key=losses.__getitem__)
    first = make_predictor(networks_of(str(best))[0])(val.images)
    sure = first.max(axis=1) >= 0.3
    np.testing.assert_allclose(make_predictor(model)(val.images)[sure], first[sure], atol=1e-5)


def refused_by(runs: list[str], val_fraction: float) -> bool:
    changes = ["ensemble.recipes=[]", f"ensemble.runs={runs}", f"data.val_fraction={val_fraction}"]
    try:
        require_unseen_val(load_recipe("ensemble").override(changes))
    except UsageError as error:
        return "learnt from images" in str(error)
    return False


def test_a_candidate_that_learnt_from_the_val_it_is_chosen_by_is_refused(tmp_path: Path) -> None:
    recipe = load_recipe("cnn").override(["data.val_fraction=0.03"])
    run, artefact = tmp_path / "run", tmp_path / "mine.onnx"
    run.mkdir()
    network = build_cnn((2,), (1,))
    save_model(network, run / "model.keras")
    artefact.write_bytes(export_onnx(network, digit_metadata(recipe=recipe.to_toml())))
    assert not refused_by([str(run)], 0.1)
    (run / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    for candidate in (str(run), str(artefact)):
        assert refused_by([candidate], 0.1)
        assert not refused_by([candidate], 0.03)
    assert refused_by(["bundled"], 0.11)
    assert not refused_by(["bundled"], 0.1)


@pytest.mark.parametrize("name", ["ensemble", "bundled"])
def test_our_ensembles_choose_by_images_that_no_member_saw(name: str) -> None:
    require_unseen_val(load_recipe(name))
    with pytest.raises(UsageError, match=r"learnt from images.*--set data\.val_fraction=0\.\d+"):
        require_unseen_val(load_recipe(name).override(["data.val_fraction=0.2"]))
