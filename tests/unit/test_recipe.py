import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import UsageError
from inkdigits.training.recipe import (
    FORMATS,
    LOSSES,
    EarlyStopping,
    Recipe,
    load_recipe,
    recipe_names,
)


def test_the_classic_recipes_are_the_published_ones() -> None:
    assert recipe_names() == ["checkpointed", "early-stopping", "quickstart", "ten-epochs"]
    loaded = {name: load_recipe(name) for name in recipe_names()}
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
        ("model.kind=rnn", "model.kind must be ann, got 'rnn'"),
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
