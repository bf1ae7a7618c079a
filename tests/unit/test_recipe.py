import math
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import UsageError
from inkdigits.training.augment_recipe import AugmentRecipe
from inkdigits.training.recipe import (
    FORMATS,
    LOSSES,
    EarlyStopping,
    Recipe,
    load_recipe,
    recipe_names,
)

CLASSIC = ("checkpointed", "early-stopping", "quickstart", "ten-epochs")
LEADING = ("bundled", "cnn", "distilled", "distorted", "ensemble", "fast", "robust")
OTHERS = ("line",)


def test_the_package_carries_these_recipes() -> None:
    assert recipe_names() == sorted(CLASSIC + LEADING + OTHERS)
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.title
        assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_the_classic_recipes_are_the_published_ones() -> None:
    loaded = {name: load_recipe(name) for name in CLASSIC}
    stopping = loaded["early-stopping"]
    assert (stopping.model.hidden, stopping.model.dropout) == ((128, 64), 0.3)
    assert (stopping.training.batch_size, stopping.training.epochs) == (128, 50)
    assert stopping.training.early_stopping == EarlyStopping(5, restore_best_weights=True)
    assert stopping.data.val_fraction == 0.1
    assert loaded["ten-epochs"].training.loss == "categorical_crossentropy"
    assert loaded["ten-epochs"].training.epochs == 10
    assert set(loaded["ten-epochs"].save.formats) >= {"keras", "h5"}
    assert loaded["checkpointed"].save.checkpoints
    assert loaded["checkpointed"].save.tensorboard
    assert loaded["checkpointed"].model.dropout == 0
    assert loaded["quickstart"].training.epochs == 5
    for recipe in loaded.values():
        assert recipe.training.learning_rate == 0.001
        assert recipe.training.batch_size == 128
        assert recipe.training.schedule == "constant"
        assert recipe.training.weight_decay == 0
        assert recipe.training.augment == AugmentRecipe()
        assert not recipe.save.calibrate


def test_the_leading_recipes_distort_and_calibrate() -> None:
    loaded = {name: load_recipe(name) for name in LEADING}
    assert loaded["distorted"].model.hidden == (128, 64)
    for recipe in loaded.values():
        assert recipe.save.calibrate
        if recipe.model.kind == "ensemble":
            assert set(recipe.ensemble.recipes) <= set(recipe_names())
            continue
        assert recipe.training.augment.moves
        assert recipe.training.schedule == "cosine"
    assert loaded["robust"].data.negatives > 0
    assert loaded["bundled"].ensemble.recipes == ("robust",)
    assert 0 < loaded["bundled"].model.sure < 1


@given(
    augment=st.dictionaries(
        st.sampled_from([f.name for f in fields(AugmentRecipe)]), st.floats(0, 1), max_size=10
    )
)
def test_what_an_augmentation_does_follows_from_its_numbers(augment: dict[str, float]) -> None:
    recipe = AugmentRecipe(**augment)
    on = {name for name, value in augment.items() if value > 0}
    assert recipe.moves == bool(on & {"rotation", "scale", "shear", "shift", "elastic"})
    assert recipe.changes_light == bool(on & {"blur", "contrast", "noise"})


@given(
    loss=st.sampled_from(LOSSES),
    rate=st.floats(1e-6, 1, allow_nan=False),
    hidden=st.lists(st.integers(1, 999), max_size=4),
    formats=st.sets(st.sampled_from(FORMATS), min_size=1),
    name=st.text(min_size=1).filter(lambda text: text.isprintable()),
)
def test_toml_round_trip_is_exact(
    loss: str, rate: float, hidden: list[int], formats: set[str], name: str
) -> None:
    base = load_recipe("quickstart")
    recipe = replace(
        base,
        name=name,
        model=replace(base.model, hidden=tuple(hidden)),
        training=replace(base.training, loss=loss, learning_rate=rate),
        save=replace(base.save, formats=tuple(sorted(formats))),
    )
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_overrides_parse_toml_values_and_bare_text() -> None:
    recipe = load_recipe("quickstart").override(
        ["training.epochs=3", "model.hidden=[32, 16]", "data.source=digits", "model.dropout=0"]
    )
    assert recipe.training.epochs == 3
    assert recipe.model.hidden == (32, 16)
    assert recipe.data.source == "digits"
    assert recipe.with_seed(7).training.seed == 7
    assert recipe.with_seed(None) == recipe


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("training.epoch=3", "unknown key 'training.epoch'. Did you mean 'training.epochs'?"),
        ("epochs=3", "unknown key 'epochs'. Did you mean 'training.epochs'?"),
        ("training=3", "unknown key 'training'"),
        ("training.epochs", "an override is KEY=VALUE"),
        ("training.epochs=many", "training.epochs must be int, got 'many'"),
        ("training.epochs=0", "training.epochs must be 1 or more, got 0"),
        ("training.epochs=true", "must be int, got True"),
        ("training.learning_rate=inf", "above 0, got inf"),
        ("training.learning_rate=-1.0", "above 0, got -1.0"),
        ("training.loss=mse", "sparse_categorical_crossentropy or"),
        ("model.kind=rnn", "model.kind must be ann or cnn or ensemble or line, got 'rnn'"),
        ("model.filters=[0, 8]", "model.filters must be a list of layer widths"),
        ("model.depth=[1]", "one count of layers for each filter"),
        ("model.depth=[0, 1]", "one count of layers for each filter"),
        ("model.precision=bfloat16", "or float64 for an ann or cnn, got 'bfloat16'"),
        ("model.precision=float16", "or float64 for an ann or cnn, got 'float16'"),
        ("training.schedule=linear", "constant or cosine, got 'linear'"),
        ("training.warmup=1.0", "training.warmup must be 0 up to 1"),
        ("training.weight_decay=-0.1", "training.weight_decay must be 0 up to 1"),
        ("training.seed=-1", "training.seed must be"),
        ("training.augment.rotation=181", "training.augment.rotation must be 0–180"),
        ("training.augment.pen=1.5", "training.augment.pen must be 0–1"),
        ("training.augment.blur=nan", "training.augment.blur must be 0–1, got nan"),
        ("training.augment.shift=-1", "training.augment.shift must be 0–14"),
        ("distillation.teacher=runs/x", "categorical_crossentropy to learn from a teacher"),
        ("distillation.copies=0", "1–1000, got 0"),
        ("distillation.augment.noise=2", "0–1, got 2.0"),
        ("data.open_sets=-1", "data.open_sets must be 0 or more"),
        ("data.negatives=-1", "data.negatives must be 0 or more"),
        ("ensemble.seeds=-1", "ensemble.seeds must be 0–1000"),
        ("ensemble.recipes=cnn", "ensemble.recipes must be a list"),
        ("model.hidden=64", "model.hidden must be a list"),
        ("model.hidden=[0]", "layer widths"),
        ("model.dropout=1.0", "model.dropout must be 0 up to 1"),
        ("data.val_fraction=0.9", "0–0.5"),
        ("save.formats=[]", "some of keras, h5, onnx"),
        ("training.early_stopping.patience=-1", "0 or more"),
        ("name=3", "name must be str, got 3"),
    ],
)
def test_wrong_overrides_say_what_is_wrong(assignment: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("early-stopping").override([assignment])
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = ", "not valid TOML"),
        ("title = 'x'", "needs a name"),
        ("name = 'x'\n[trainig]", "unknown key 'trainig'. Did you mean 'training'?"),
        ("name = 'x'\nmodel = 3", "model must be a table"),
        ("name = 'x'\n[training]\nepoch = 3", "Did you mean 'training.epochs'?"),
    ],
)
def test_wrong_files_say_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_recipe(str(path))
    assert complaint in str(caught.value)


def test_unknown_names_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'quickstart'"):
        load_recipe("quikstart")
    with pytest.raises(UsageError, match="cannot read the recipe"):
        load_recipe(str(tmp_path / "absent.toml"))


def test_nan_is_no_learning_rate() -> None:
    with pytest.raises(UsageError, match="got nan"):
        replace(load_recipe("quickstart").training, learning_rate=math.nan)


def test_a_teacher_goes_with_labels_that_are_probabilities() -> None:
    soft = load_recipe("ten-epochs").override(["distillation.teacher=runs/teacher"])
    assert soft.distillation.teacher == "runs/teacher"
    assert Recipe.from_toml(soft.to_toml()) == soft
