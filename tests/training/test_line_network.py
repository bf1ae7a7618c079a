"""The line network: its export, its loss, its batches, and a training from recipe to report."""

from __future__ import annotations

import json
from itertools import groupby, product
from pathlib import Path

import keras
import numpy as np
import pytest

from inkdigits.artefact.metadata import LINE_LABELS
from inkdigits.data.dataset import Dataset
from inkdigits.errors import InvalidData, ModelRefused
from inkdigits.models.backend import set_up_keras
from inkdigits.models.export import export_onnx
from inkdigits.models.metadata import line_metadata
from inkdigits.models.saved import load_model, save_model
from inkdigits.reading.line_engine import LineEngine

set_up_keras()
from inkdigits.models.ctc import ctc_loss, forward_backward, greedy_texts, strip_loss
from inkdigits.models.line import BLANK, build_line
from inkdigits.training import line as line_module
from inkdigits.training.line_batches import LineBatches
from inkdigits.training.numbers import Numbers, Order, make_numbers, read_part, write_numbers
from inkdigits.training.recipe import Recipe, TrainingRecipe
from inkdigits.training.run import resume, train
from inkdigits.training.strip_workers import StripWorkers
from inkdigits.training.strips import STRIP

FILTERS = (4, 4, 8, 8, 16)
SMALL = [
    "model.filters=[4, 4, 8, 8, 16]",
    "model.precision='float32'",
    "data.open_sets=0",
    "data.numbers=24",
    "data.val_numbers=8",
    "training.batch_size=2",
    "training.epochs=2",
]


def settled(model: keras.Model) -> keras.Model:
    """Give batch normalisation statistics as a training would leave them."""
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if any(name in variable.path for name in ("moving_variance", "gamma")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        if any(name in variable.path for name in ("moving_mean", "beta")):
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


def crops(n: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 32, width), dtype=np.uint8)


@pytest.mark.parametrize("temperature", [1.0, 1.7])
@pytest.mark.parametrize("width", [16, 20, 100])
def test_the_artefact_says_what_the_network_says(width: int, temperature: float) -> None:
    model = settled(build_line(FILTERS, dropout=0.1, seed=3))
    engine = LineEngine(export_onnx(model, line_metadata(temperature=temperature)))
    found = engine.predict_steps(crops(3, width))
    said = np.asarray(model(crops(3, width).astype(np.float32)), np.float64)
    wanted = said ** (1 / temperature)
    assert found.shape == (3, width // 2, len(LINE_LABELS))
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=2, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_saved_and_loaded_it_is_the_same(kind: str, tmp_path: Path) -> None:
    model = settled(build_line(FILTERS))
    save_model(model, tmp_path / f"model.{kind}")
    pixels = crops(2, 40).astype(np.float32)
    loaded = load_model(tmp_path / f"model.{kind}")
    np.testing.assert_array_equal(np.asarray(loaded(pixels)), np.asarray(model(pixels)))


def test_engines_refuse_each_others_models() -> None:
    from inkdigits.models.ann import build_ann
    from inkdigits.models.metadata import digit_metadata
    from inkdigits.reading.engine import Engine

    line = export_onnx(build_line(FILTERS), line_metadata())
    digit = export_onnx(build_ann((4,), 0.0, 1), digit_metadata())
    for engine, content in ((Engine, line), (LineEngine, digit)):
        with pytest.raises(ModelRefused, match="input must be images"):
            engine(content)
    for wrong in (crops(1, 16)[:, :31], crops(1, 18), crops(1, 16).astype(np.float32)):
        with pytest.raises(InvalidData, match="crops must be uint8"):
            LineEngine(line).predict_steps(wrong)


def test_the_loss_is_the_likelihood_over_all_alignments() -> None:
    rng = np.random.default_rng(2)
    steps = rng.dirichlet(np.ones(len(LINE_LABELS)), (1, 4)).astype(np.float32)
    for text in ([], [3], [3, 3], [3, 10]):
        wanted = 0.0
        for path in product(range(len(LINE_LABELS)), repeat=4):
            if [label for label, _ in groupby(path) if label != BLANK] == text:
                wanted += float(steps[0][range(4), path].prod())
        labels = np.full((1, 3), BLANK, np.int32)
        labels[0, : len(text)] = text
        found = float(np.asarray(ctc_loss(labels, steps))[0])
        assert found == pytest.approx(-np.log(wanted), rel=1e-3)


def test_forwards_and_backwards_it_is_keras_own_loss_and_its_derivative() -> None:
    jax = pytest.importorskip("jax", reason="derivatives are taken with JAX")
    rng = np.random.default_rng(4)
    steps = rng.dirichlet(np.full(len(LINE_LABELS), 0.5), (5, 30)).astype(np.float32) + 1e-4
    labels = np.full((5, 8), BLANK, np.int32)
    for row, text in zip(labels, ([], [3], [3, 3, 3], [1, 2, 10, 11, 2], range(8)), strict=True):
        row[: len(text)] = text
    losses, shares = forward_backward(steps, labels)
    lengths = (labels != BLANK).sum(axis=1)

    def keras_losses(values):
        # Keras takes logits: the logarithms of what sums to 1 are their own.
        logits = keras.ops.log(values / values.sum(axis=-1, keepdims=True))
        most = np.full(5, 30, np.int32)
        return keras.ops.ctc_loss(labels, logits, lengths, most, mask_index=BLANK)

    sums = steps.sum(axis=2)
    wanted = np.asarray(keras_losses(jax.numpy.asarray(steps)))
    np.testing.assert_allclose(losses + np.log(sums).sum(axis=1), wanted, rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose(shares.sum(axis=2), 1, atol=1e-5)
    derivative = jax.grad(lambda values: keras_losses(values).sum())(jax.numpy.asarray(steps))
    # What the division by the sums adds to Keras's derivative.
    ours = -shares / steps + 1 / sums[..., None]
    np.testing.assert_allclose(ours, np.asarray(derivative), rtol=2e-2, atol=2e-2)


def test_the_loss_of_a_strip_is_that_of_its_numbers_apart() -> None:
    jax = pytest.importorskip("jax", reason="derivatives are taken with JAX")
    rng = np.random.default_rng(5)
    steps = rng.dirichlet(np.ones(len(LINE_LABELS)), (2, 40)).astype(np.float32)
    numbers = [(0, 0, 12, [3, 3]), (0, 12, 40, [1, 2, 5]), (1, 0, 40, [])]
    parts = np.zeros((2, 4, 5), np.int32)
    apart = []
    for place, (strip, start, end, text) in zip((0, 1, 0), numbers, strict=True):
        parts[strip, place] = [start, end, *text, *[BLANK] * (3 - len(text))]
        labels = parts[strip, place, 2:][None]
        apart.append(float(np.asarray(ctc_loss(labels, steps[strip, start:end][None]))[0]))
    found = np.asarray(strip_loss(parts, jax.numpy.asarray(steps)))
    np.testing.assert_allclose(found, [apart[0] + apart[1], apart[2]], rtol=1e-3)
    weights = jax.numpy.asarray([1.0, 3.0])

    def logits_loss(logits):
        return (weights * strip_loss(parts, jax.nn.softmax(logits))).sum()

    logits = np.log(steps)
    slope = np.asarray(jax.jit(jax.grad(logits_loss))(logits))
    for place in [(0, 3, 3), (0, 20, BLANK), (1, 7, 4)]:
        moved = logits.copy()
        moved[place] += 0.05
        other = logits.copy()
        other[place] -= 0.05
        wanted = (float(logits_loss(moved)) - float(logits_loss(other))) / 0.1
        assert slope[place] == pytest.approx(wanted, abs=3e-3)


def test_the_loss_in_one_program_is_that_of_numpy() -> None:
    jax = pytest.importorskip("jax", reason="the program is one of JAX")
    from inkdigits.models import ctc, ctc_scan

    rng = np.random.default_rng(6)
    steps = rng.dirichlet(np.ones(len(LINE_LABELS)), (3, 60)).astype(np.float32)
    # One network that is sure of other digits: less than float32 holds is left for these.
    steps[2] = np.eye(len(LINE_LABELS), dtype=np.float32)[BLANK]
    steps += ctc.TINY
    numbers = [
        (0, 0, 12, [3, 3]), (0, 12, 40, [1, 2, 5, 5, 5]), (0, 40, 60, []), (1, 0, 60, [7]),
        (2, 0, 60, [1, 2, 3, 4, 5]),
    ]  # fmt: skip
    parts = np.zeros((3, 4, 7), np.int32)
    for place, (strip, start, end, text) in zip((0, 1, 2, 0, 0), numbers, strict=True):
        parts[strip, place] = [start, end, *text, *[BLANK] * (5 - len(text))]
    losses, shares = ctc.strip_shares(steps, parts)

    def weighted(steps):
        return (jax.numpy.asarray([1.0, 2.0, 3.0]) * ctc_scan.strip_loss(parts, steps)).sum()

    found = np.asarray(ctc_scan.strip_loss(parts, jax.numpy.asarray(steps)))
    np.testing.assert_allclose(found, losses, rtol=1e-4)
    slope = np.asarray(jax.jit(jax.grad(weighted))(jax.numpy.asarray(steps)))
    wanted = -np.array([1, 2, 3])[:, None, None] * shares / steps
    np.testing.assert_allclose(slope * steps, wanted * steps, atol=2e-3)


def test_greedy_reading_leaves_out_blanks_and_repeats() -> None:
    path = [BLANK, 1, 1, BLANK, 1, 10, 10, 2, BLANK]
    assert greedy_texts(np.eye(len(LINE_LABELS), dtype=np.float32)[path][None]) == ["11?2"]


def numbers() -> Numbers:
    rng = np.random.default_rng(3)
    images = [
        rng.integers(0, 256, (32, 4 * int(w)), dtype=np.uint8) for w in rng.integers(4, 40, 50)
    ]
    return Numbers(images, [str(n) if n % 5 else "" for n in range(50)])


def recipe_of(*overrides: str) -> TrainingRecipe:
    return Recipe("mine").override(overrides).training


def test_an_epoch_has_nearly_every_number_and_a_resume_sees_the_same() -> None:
    given = numbers()
    recipe = recipe_of("training.batch_size=2", "training.augment.rotation=3")
    whole, later = LineBatches(given, recipe, 0), LineBatches(given, recipe, 1)
    used = {number for batch in whole.batches for strip in batch for number in strip}
    assert len(used) >= len(given) - 2 * 2 * 6
    firsts = [whole[step] for step in range(len(whole))]
    assert {pixels.shape for pixels, _ in firsts} == {(2, 32, STRIP)}
    whole.on_epoch_end()
    for step in range(len(whole)):
        np.testing.assert_array_equal(whole[step][0], later[step][0])
    assert any((one[0] != later[step][0]).any() for step, one in enumerate(firsts))


def test_other_processes_make_the_same_batches(tmp_path: Path) -> None:
    given = numbers()
    path = tmp_path / "0000.npz"
    write_numbers(path, given)
    recipe = recipe_of("training.batch_size=2", "training.augment.noise=0.1")
    batches = LineBatches(given, recipe, 0)
    workers = StripWorkers([path], recipe, 2)
    try:
        for epoch, step in [(0, 0), (0, 0), (0, 1), (1, 1)]:
            pixels, parts = workers.batch(batches.batches, epoch, step)
            wanted = batches.maker.batch(batches.batches[step], epoch, step)
            np.testing.assert_array_equal(pixels, wanted[0])
            np.testing.assert_array_equal(parts, wanted[1])
    finally:
        workers.close()


def test_a_strip_holds_whole_crops_each_among_its_own_steps() -> None:
    given = numbers()
    batches = LineBatches(given, recipe_of("training.batch_size=3"), 0)
    pixels, parts = batches[0]
    for strip, rows, chosen in zip(pixels, parts, batches.batches[0], strict=True):
        assert (rows[len(chosen) :, 1] == 0).all()
        ends = [0, *rows[: len(chosen), 1].tolist()]
        assert ends[-1] == STRIP // 2
        for row, number, end in zip(rows, chosen, ends, strict=False):
            assert row[0] == end
            own = strip[:, 2 * row[0] : 2 * row[1]]
            np.testing.assert_array_equal(own[:, own.any(axis=0)], given.images[number])
            text = "".join(LINE_LABELS[label] for label in row[2:] if label != BLANK)
            assert text == given.texts[number]


@pytest.mark.parametrize("scale", [0.0, 0.2])
def test_the_widest_and_the_narrowest_crops_fit_into_strips(scale: float) -> None:
    wide = [np.full((32, width), 200, np.uint8) for width in (512, 508, 16, 512, 300, 300)]
    thin = [np.full((32, 16), 200, np.uint8) for _ in range(60)]
    given = Numbers(wide + thin, ["12345678"] * 66)
    overrides = ["training.batch_size=1", f"training.augment.scale={scale}"]
    batches = LineBatches(given, recipe_of(*overrides), 0)
    for step in range(len(batches)):
        pixels, parts = batches[step]
        assert pixels.shape == (1, 32, STRIP)
        assert (parts[0, :, 1] > 0).sum() == len(batches.batches[step][0])


def test_made_numbers_are_kept_in_parts_and_a_damaged_part_is_told(
    small: Dataset, tmp_path: Path
) -> None:
    order = Order(6, small.train, 1, tmp_path)
    told: list[int] = []
    first = make_numbers(order, told.append)
    assert told == [6]
    again = make_numbers(order, told.append)
    assert told == [6], "what is there is not made again"
    assert again.texts == first.texts
    for one, two in zip(first.images, again.images, strict=True):
        np.testing.assert_array_equal(one, two)
    (tmp_path / "0000.npz").write_bytes(b"torn")
    with pytest.raises(InvalidData, match="cannot be read"):
        read_part(tmp_path / "0000.npz")


def test_a_run_from_recipe_to_report_and_the_same_after_a_break(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkdigits.training.run.load_dataset", lambda _source: small)
    recipe = Recipe.from_toml(
        (Path(line_module.__file__).parents[1] / "recipes" / "line.toml").read_text(
            encoding="utf-8"
        )
    ).override(SMALL)
    whole = train(recipe, out=tmp_path / "whole")

    class Broken(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=tmp_path / "broken", callbacks=[Broken()])

    class Patient(keras.callbacks.Callback):
        """Has the name that the state knows."""

    Patient.__name__ = "Broken"
    continued = resume(tmp_path / "broken", callbacks=[Patient()])
    for one, two in zip(whole.model.get_weights(), continued.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    for name in ("model.keras", "model.onnx", "report.html", "history.csv", "plots/curves.png"):
        assert (whole.folder / name).is_file(), name
    evaluation = json.loads((whole.folder / "evaluation.json").read_text())
    assert evaluation["n"] == 8
    assert 0 <= evaluation["test_accuracy"] <= 1
    engine = LineEngine(whole.folder / "model.onnx")
    assert engine.metadata.val_n >= 0
    assert "numbers = 24" in engine.metadata.recipe
