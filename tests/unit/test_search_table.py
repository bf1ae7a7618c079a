"""The `[search]` table: what it may say, what it becomes, and what it is refused for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkdigits.errors import UsageError
from inkdigits.training.recipe import Recipe, load_recipe
from inkdigits.training.search_table import Axis

BASE = 'name = "mine"\n[model]\nhidden = [100, 50]\n[training.augment]\nrotation = 10.0\n'


def recipe(search: str) -> Recipe:
    return Recipe.from_toml(BASE + search)


def values_of(axis: Axis) -> st.SearchStrategy[Any]:
    if axis.choices:
        return st.sampled_from(axis.choices)
    if axis.whole:
        return st.integers(int(axis.low), int(axis.high))
    return st.floats(axis.low, axis.high)


def test_the_classic_recipe_is_searched_without_augmentation() -> None:
    axes = {axis.key: axis for axis in load_recipe("early-stopping").axes()}
    assert set(axes) == {
        "model.dropout", "model.hidden.depth", "model.hidden.width", "training.batch_size",
        "training.epochs", "training.learning_rate", "training.schedule", "training.weight_decay",
    }  # fmt: skip
    assert axes["training.learning_rate"] == Axis("training.learning_rate", 0.0003, 0.01, log=True)
    assert axes["model.hidden.depth"] == Axis("model.hidden.depth", 1, 3, whole=True)
    assert axes["training.batch_size"].choices == (128, 256)
    assert load_recipe("quickstart").axes() == ()


def test_what_is_given_a_value_is_no_longer_searched() -> None:
    recipe = load_recipe("early-stopping")
    fixed = recipe.override(["training.epochs=3", "model.hidden=[64]"])
    assert fixed.training.epochs == 3
    left = {axis.key for axis in recipe.axes()} - {axis.key for axis in fixed.axes()}
    assert left == {"training.epochs", "model.hidden.depth", "model.hidden.width"}
    narrower = recipe.override(["search.training.epochs.choices=[3]"])
    assert {axis.key: axis for axis in narrower.axes()}["training.epochs"].choices == (3,)
    none = recipe.override([f"{key}=1" for key in ("training.epochs", "training.batch_size")])
    assert none.search["model"] == recipe.search["model"]


@settings(deadline=None, max_examples=30)
@given(data=st.data(), name=st.sampled_from(["early-stopping", "distorted"]))
def test_all_that_a_shipped_search_proposes_is_a_recipe(data: st.DataObject, name: str) -> None:
    base = load_recipe(name)
    values = {axis.key: data.draw(values_of(axis)) for axis in base.axes()}
    found = base.at(values)
    assert found.search == {}
    assert len(found.model.hidden) == values["model.hidden.depth"]
    assert found.model.hidden[0] == values["model.hidden.width"]
    assert found.training.learning_rate == values["training.learning_rate"]
    assert found.training.early_stopping == base.training.early_stopping
    assert Recipe.from_toml(found.to_toml()) == found


def test_keys_that_stand_for_several() -> None:
    base = recipe("")
    taper = base.at(
        {"model.hidden.width": 90, "model.hidden.depth": 3, "model.hidden.taper": 1 / 3}
    )
    assert taper.model.hidden == (90, 30, 10)
    assert base.at({"model.hidden.depth": 3}).model.hidden == (100, 50, 25)
    assert base.at({"model.hidden.width": 64}).model.hidden == (64, 32)
    assert base.at({"model.hidden.depth": 0}).model.hidden == ()
    strong = base.at({"training.augment.strength": 1.5})
    assert strong.training.augment.rotation == 15.0
    assert strong.training.augment.shift == 0.0


def test_ranges_steps_and_lists_as_choices() -> None:
    found = recipe(
        "[search.model]\nhidden = { choices = [[100], [100, 50]] }\n"
        "dropout = { low = 0, high = 0.5, step = 0.1 }\n"
        "[search.training]\nepochs = { low = 2, high = 8, step = 2 }\n"
    )
    assert found.axes() == (
        Axis("model.dropout", 0.0, 0.5, step=0.1),
        Axis("model.hidden", choices=([100], [100, 50])),
        Axis("training.epochs", 2, 8, whole=True, step=2),
    )
    assert found.at({"model.hidden": [100]}).model.hidden == (100,)
    assert Recipe.from_toml(found.to_toml()) == found
    narrower = found.override(["search.training.epochs.high=4"])
    assert narrower.axes()[2].high == 4


@pytest.mark.parametrize(
    ("search", "complaint"),
    [
        ("[search]\nmodel = 3", "search.model must be a table with low and high, or choices"),
        ("[search.model]\nhidden = 3", "search.model.hidden must be a table"),
        ("[search.model]\ndropot = { low = 0.0, high = 0.5 }", "Did you mean 'model.dropout'"),
        ("[search.data]\nsource = { choices = ['digits'] }", "unknown key 'search.data'"),
        ("[search.training]\nseed = { low = 0, high = 9 }", "unknown key 'search.training.seed'"),
        ("[search.model]\ndropout = 0.3", "search.model.dropout must be a table"),
        ("[search.model]\ndropout = { low = 0.0, hgih = 0.5 }", "'search.model.dropout.hgih'. Did"),
        ("[search.model]\ndropout = { low = 0.0 }", "dropout.high must be a number, got None"),
        ("[search.model]\ndropout = { low = 0.5, high = 0.1 }", "above low (0.5), got 0.1"),
        ("[search.model]\ndropout = { low = 0.0, high = 1.5 }", "0 up to 1, got 1.5"),
        ("[search.model]\ndropout = { low = 'a', high = 1.5 }", "low must be a number, got 'a'"),
        ("[search.model]\ndropout = { low = 0.0, high = nan }", "high must be a number, got nan"),
        ("[search.model]\ndropout = { low = 0.0, high = 0.5, log = true }", "above 0 with log"),
        ("[search.model]\ndropout = { low = 0.1, high = 0.5, log = 1 }", "true or false, got 1"),
        ("[search.model]\ndropout = { low = 0.1, high = 0.5, step = 0.6 }", "step must be 0 up to"),
        ("[search.training]\nepochs = { low = 1.0, high = 8 }", "a whole number, got 1.0"),
        ("[search.training]\nschedule = { low = 1, high = 8 }", "must have choices, it is no num"),
        ("[search.training]\nschedule = { choices = ['linear'] }", "or cosine, got 'linear'"),
        ("[search.training]\nbatch_size = { choices = [] }", "a list of different values"),
        ("[search.training]\nbatch_size = { choices = [8, 8] }", "values, without low, high, log"),
        ("[search.training]\nbatch_size = { choices = [8], low = 1 }", "without low, high, log"),
        ("[search.training]\nbatch_size = { choices = [0] }", "must be 1 or more, got 0"),
        ("[search.model.hidden]\ndepth = { low = -1, high = 3 }", "must be 0–100, got -1"),
        ("[search.model.hidden]\nwidth = { low = 0, high = 3 }", "widths of 1–65536, got [0"),
        ("[search.model.hidden]\nheight = { low = 0, high = 3 }", "unknown key 'search.model.hid"),
    ],
)  # fmt: skip
def test_wrong_searches_say_what_is_wrong(search: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe(search)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
