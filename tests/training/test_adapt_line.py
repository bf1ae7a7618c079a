"""Lessons of the line network: what is learnt, what is measured, and the same after a break."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adapting import breaking_off, line_parent, numbers_folder

from inkdigits.artefact.metadata import LINE_BLANK, LINE_LABELS
from inkdigits.data.dataset import Dataset
from inkdigits.data.digits import load_offline_digits
from inkdigits.models.backend import set_up_keras

set_up_keras()
from inkdigits.models.export import export_onnx
from inkdigits.models.join import join_networks
from inkdigits.models.line import build_line
from inkdigits.models.metadata import line_metadata
from inkdigits.reading.line_engine import LineEngine
from inkdigits.reading.models import BUNDLED_LINE_MODEL
from inkdigits.training import adapt_line
from inkdigits.training.adapt_data import load_samples
from inkdigits.training.adapt_line import LineLearner, tempered, text_losses, with_points
from inkdigits.training.lesson import (
    Lesson,
    best_epoch,
    load_lesson,
    mean_weights,
    save_lesson,
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_offline_digits()


def path_of(text: str) -> np.ndarray:
    """Steps that are nearly sure of a text, a blank around each of its signs."""
    classes = [LINE_BLANK]
    for sign in text:
        classes += [LINE_LABELS.index(sign), LINE_BLANK]
    steps = np.full((len(classes), len(LINE_LABELS)), 0.001, np.float32)
    steps[np.arange(len(classes)), classes] = 1 - 0.001 * (len(LINE_LABELS) - 1)
    return steps[None]


def test_a_loss_is_that_of_the_number_whatever_points_are_seen() -> None:
    steps = [path_of("12"), path_of("1.234"), path_of("12")]
    right, pointed, wrong = text_losses(steps, ["12", "1234", "13"])
    assert right < 0.1
    assert pointed < 0.2
    assert wrong > 3
    assert text_losses([path_of("12")], ["12"])[0] == pytest.approx(right), "filling up is nothing"


def test_a_loss_of_several_opinions_is_that_of_their_mean_likelihood() -> None:
    alone = [float(text_losses([path_of(text)], ["12"])[0]) for text in ("12", "13")]
    together = text_losses([np.concatenate([path_of("12"), path_of("13")])], ["12"])[0]
    assert together == pytest.approx(-np.log(np.mean(np.exp(-np.array(alone)))), rel=1e-5)


def test_points_stay_where_the_network_reads_the_number() -> None:
    assert with_points("1234", "1.234") == "1.234"
    assert with_points("1234", "1.284") == "1234"
    assert with_points("12", "?12") == "12"


def test_a_temperature_makes_less_sure() -> None:
    steps = path_of("7")
    warm = tempered(steps, 2.0, 1)
    np.testing.assert_allclose(warm.sum(axis=2), 1, rtol=1e-5)
    assert (warm.argmax(axis=2) == steps.argmax(axis=2)).all()
    assert warm.max() < steps.max()


def test_a_lesson_is_the_same_again_and_after_a_break(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(adapt_line.SETTINGS, "epochs", 2)
    monkeypatch.setitem(adapt_line.SETTINGS, "batch_size", 2)
    samples = load_samples(numbers_folder(tmp_path / "mine", digits, 24))
    parent = line_parent(tmp_path / "parent.onnx")
    learner = LineLearner(parent, samples, seed=3)
    learner.make(digits.train, digits.test, tmp_path / "work")
    assert len(learner.made) == sum(map(len, learner.crops)) // 2
    places = np.arange(len(learner.samples))
    chosen, watching = places[::2], places[1::2]
    first = learner.teach(chosen, watching, tmp_path / "first.npz")
    assert len(first.losses) == 2
    np.testing.assert_allclose(
        first.losses[-1], np.minimum(learner.losses(first.weights[-1], watching), 10)
    )
    state = tmp_path / "state.npz"
    with breaking_off():
        with pytest.raises(KeyboardInterrupt):
            learner.teach(chosen, watching, state)
    assert state.is_file()
    other = LineLearner(parent, samples, seed=3)
    other.make(digits.train, digits.test, tmp_path / "work")
    second = other.teach(chosen, watching, state)
    np.testing.assert_array_equal(second.losses, first.losses)
    for one, two in zip(first.weights[-1], second.weights[-1], strict=True):
        np.testing.assert_array_equal(one, two)

    mean = mean_weights([first.weights[0], first.weights[1]])
    metadata = learner.describe([(mean, places)], mean)
    assert metadata.temperature >= 1
    content = learner.artefact(mean, metadata)
    assert LineEngine(content).metadata.recipe == learner.recipe.to_toml()
    right = learner.digits_right([content, parent.read_bytes()], digits.test[:20])
    assert [part.shape for part in right] == [(20,), (20,)]


def joined_parent(folder: Path, filters: tuple[int, ...]) -> Path:
    """An artefact of two networks, the second with so many filters."""
    one = line_parent(folder / "one.onnx")
    other = export_onnx(build_line(filters, seed=2, normalized=False), line_metadata())
    parent = folder / "parent.onnx"
    parent.write_bytes(join_networks([one.read_bytes(), other], LineEngine(one).metadata))
    return parent


def test_what_was_held_out_is_looked_at_with_its_own_label(digits: Dataset, tmp_path: Path) -> None:
    samples = load_samples(numbers_folder(tmp_path / "mine", digits, 24))
    learner = LineLearner(BUNDLED_LINE_MODEL, samples, seed=3)
    weights = learner.model.get_weights()
    order = np.arange(len(samples))[::-1]
    looked = learner.look([(weights, order[:13]), (weights, order[13:])], line_metadata())
    assert looked.labels == [samples[at].text for at in order]
    long = np.array([len(text) > 1 for text in looked.labels])
    assert long.sum() >= 10
    assert looked.right[long].mean() > 0.6, "labels of others would fit none"


def test_networks_of_the_first_ones_shape_learn_and_others_stay(
    digits: Dataset, tmp_path: Path
) -> None:
    parent = joined_parent(tmp_path, (4, 4, 8, 8, 12))
    samples = load_samples(numbers_folder(tmp_path / "mine", digits, 20))
    learner = LineLearner(parent, samples, seed=3)
    assert (len(learner.networks), len(learner.others)) == (1, 1)
    crops = learner.first[0][None]
    expected = LineEngine(parent).predict_steps(crops)
    weights = learner.model.get_weights()
    for content in (learner.artefact(weights), learner.artefact([0.5 * one for one in weights])):
        found = LineEngine(content).predict_steps(crops)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found[1], expected[1], atol=1e-6)
    assert np.abs(found[0] - expected[0]).max() > 1e-4
    np.testing.assert_allclose(
        LineEngine(learner.artefact(weights)).predict_steps(crops), expected, atol=1e-6
    )


def test_networks_learn_together_what_each_would_alone(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(adapt_line.SETTINGS, "epochs", 1)
    monkeypatch.setitem(adapt_line.SETTINGS, "batch_size", 2)
    both = joined_parent(tmp_path, (4, 4, 8, 8, 16))
    samples = load_samples(numbers_folder(tmp_path / "mine", digits, 20))
    places = np.arange(20)
    found = []
    for parent in (both, tmp_path / "one.onnx"):
        learner = LineLearner(parent, samples, seed=3)
        learner.make(digits.train, digits.test, tmp_path / "work")
        begun = learner.model.get_weights()
        lesson = learner.teach(places[:10], places[10:], tmp_path / f"{parent.stem}.npz")
        found.append((learner, begun, lesson.weights[0]))
    (pair, begun, of_both), (_, _, of_one) = found
    assert (len(pair.networks), len(of_both)) == (2, 2 * len(of_one))
    for mine, other in zip(of_both, of_one, strict=False):
        np.testing.assert_allclose(mine, other, atol=1e-4)
    for mine, before in zip(of_both[len(of_one) :], begun[len(of_one) :], strict=True):
        assert np.abs(mine - before).max() > 0


def test_lessons_are_kept_in_files_and_choose_for_each_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = [[rng.normal(size=(2, 3)), rng.normal(size=4)] for _ in range(11)]
    lesson = Lesson(weights, rng.uniform(0, 3, (11, 5)))
    save_lesson(lesson, tmp_path / "lesson.npz")
    again = load_lesson(tmp_path / "lesson.npz")
    np.testing.assert_array_equal(again.losses, lesson.losses)
    for one, two in zip(again.weights, weights, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    assert lesson.at(99) is weights[10]
    long, short = np.array([[3.0], [2.0], [1.0]]), np.array([[1.0], [1.5]])
    assert best_epoch([long]) == 2
    assert best_epoch([short]) == 0
    assert best_epoch([long, short]) == 2, "4, 3.5, and 2.5 with the shorter one's last"
    np.testing.assert_allclose(mean_weights(weights)[1], np.mean([one[1] for one in weights], 0))
