"""How a network is taught on: its own recipe with the settings of an adaptation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from inkdigits.errors import ModelRefused, UsageError
from inkdigits.training.recipe import Recipe, load_recipe


def recipe_for(
    parent: str, seed: int, settings: Mapping[str, object], changes: Sequence[str] = ()
) -> Recipe:
    """Return how a network with the recipe `parent` (TOML) is taught on.

    `settings` are keys of `training`, `changes` further overrides. Of an ensemble it is the recipe
    of its members. Raises ModelRefused for a network that cannot begin with an artefact's weights.
    """
    overrides = ["model.start='parent'", "model.start_share=0.0", "model.precision='float32'"]
    try:
        known = Recipe.from_toml(parent, "its recipe")
        if known.model.kind == "ensemble" and known.ensemble.recipes:
            known = load_recipe(known.ensemble.recipes[0])
        recipe = known.override([*training_overrides(seed, settings), *overrides, *changes])
    except UsageError as error:
        raise ModelRefused(
            f"this model cannot be adapted: {error.message}",
            "Adapt the bundled one, or one made by a recipe of the kind cnn or line.",
        ) from error
    return replace(recipe, name="adapted", title="", search={})


def described(parent: str, recipe: Recipe, settings: Mapping[str, object]) -> Recipe:
    """Return what an artefact tells that was taught by `recipe`, from a `parent` (TOML).

    An ensemble stays one, and can so be taught again.
    """
    known = Recipe.from_toml(parent, "its recipe")
    if known.model.kind != "ensemble":
        return recipe
    told = known.override(training_overrides(recipe.training.seed, settings))
    return replace(told, name=recipe.name, title="", search={})


def training_overrides(seed: int, settings: Mapping[str, object]) -> list[str]:
    """Return the overrides that give a recipe these settings of `training`."""
    overrides = [f"training.{key}={quoted(value)}" for key, value in settings.items()]
    return [
        *overrides,
        "training.schedule='constant'",
        "training.warmup=0.0",
        f"training.seed={seed}",
    ]


def quoted(value: object) -> str:
    """Return a value as TOML."""
    return f"'{value}'" if isinstance(value, str) else str(value)
