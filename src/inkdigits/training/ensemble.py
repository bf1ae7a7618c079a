"""An ensemble: candidates trained by other recipes, members chosen and weighted on val."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.data.dataset import Examples
from inkdigits.errors import UsageError
from inkdigits.evaluation.calibration import (
    as_logits,
    cross_entropies,
    cross_entropy,
    fit_temperature,
)
from inkdigits.evaluation.model_file import find_model
from inkdigits.models.ensemble import kept_layers, member_name, merge
from inkdigits.models.half import folded
from inkdigits.models.members import members_in
from inkdigits.models.predict import make_predictor
from inkdigits.models.saved import load_model
from inkdigits.models.start import metadata_of
from inkdigits.reading.models import BUNDLED_MODEL, bundled
from inkdigits.training.folder import RECIPE_FILE
from inkdigits.training.network import build_full
from inkdigits.training.recipe import BUNDLED, EnsembleRecipe, Recipe, load_recipe

Floats = NDArray[np.float64]
# Rounds of adding one more member; weights come out as multiples of its reciprocal.
ROUNDS = 20
# Random halvings of val that the choice is tried on.
HALVINGS = 10
# Standard errors that a gain on val must have, to be more than chance.
SURELY = 2.0
KERAS_FILES, ARTEFACT = ("model.keras", "model.h5"), "model.onnx"


def candidate_folders(
    recipe: EnsembleRecipe, folder: Path, seed: int = 0
) -> list[tuple[Path, str, int]]:
    """Return (folder, recipe, seed) of each candidate that the ensemble in `folder` trains.

    Ensembles of other seeds have no candidate in common.
    """
    first = recipe.first_seed + seed * recipe.seeds
    return [
        (folder / "members" / f"{name}-{number}", name, first + number)
        for name in recipe.recipes
        for number in range(recipe.seeds)
    ]


def build_ensemble(
    recipe: EnsembleRecipe,
    folder: Path,
    val: Examples,
    train_member: Callable[[Path, str, int], None],
    say: Callable[[str], None],
    views: int = 1,
    seed: int = 0,
    sure: float = 1.0,
) -> keras.Model:
    """Return the ensemble of the recipe's candidates, trained by `train_member` where it must be.

    Each member sees so many `views` of an image, but for one that the best member is so `sure` of
    at first sight. `say` is told which members got which weight. Where some candidates know an
    eleventh class and others do not, the ensemble does not. Raises UsageError when there is no
    candidate, and for one that is itself an ensemble.
    """
    runs = list(recipe.runs)
    for place, name, own_seed in candidate_folders(recipe, folder, seed):
        train_member(place, name, own_seed)
        runs.append(str(place))
    if not runs:
        raise UsageError("an ensemble needs candidates: ensemble.runs or ensemble.recipes.")
    names, models = named_networks(runs)
    alone = [as_logits(make_predictor(model)(val.images)) for model in models]
    # Chosen by what they will say: over all views.
    seen = alone if views == 1 else [in_views(model, views, val) for model in models]
    weights = weigh_members(seen, val.labels)
    best_first = sorted(weights, key=lambda number: calibrated_loss(alone[number], val.labels))
    for number in best_first:
        say(f"member {names[number]}  weight {weights[number]:.2f}")
    members = [models[number] for number in best_first]
    return merge(members, [weights[number] for number in best_first], views, sure)


def require_unseen_val(recipe: Recipe) -> None:
    """Raise UsageError where a candidate learnt some of the val that it would be chosen by.

    Val is the last part of train; so a candidate must leave at least as much of train to it as the
    ensemble of `recipe` does.
    """
    recipes = {name: load_recipe(name) for name in recipe.ensemble.recipes}
    recipes |= {run: told for run in recipe.ensemble.runs if (told := recipe_of_run(run))}
    kept = recipe.data.val_fraction
    for name, candidate in recipes.items():
        own = candidate.data.val_fraction
        if own < kept:
            raise UsageError(
                f"{name} learnt from images that it would be chosen by: its data.val_fraction is "
                f"{own:g}, the ensemble's {kept:g}.",
                f"Add --set data.val_fraction={own:g}.",
            )


def recipe_of_run(run: str) -> Recipe | None:
    """Return the recipe that made the candidate `run`; None where nothing tells.

    Raises ModelRefused where there is no model, or an unsafe one.
    """
    path = candidate_file(run)
    beside = path.with_name(RECIPE_FILE)
    if beside.is_file():
        return load_recipe(str(beside))
    if path.suffix != ".onnx":
        return None
    told = metadata_of(path).recipe
    return Recipe.from_toml(told, f"the recipe in {str(path)!r}") if told else None


def weigh_members(logits: Sequence[Floats], labels: NDArray[np.uint8]) -> dict[int, float]:
    """Return the members by number with the weights of their logits (N, C), which sum to 1.

    They are chosen calibrated: else one weighs the more, the surer of itself it is.
    """
    temperatures = [fit_temperature(rows, labels) for rows in logits]
    calibrated = [rows / own for rows, own in zip(logits, temperatures, strict=True)]
    parts = {
        number: weight / temperatures[number]
        for number, weight in choose_members(calibrated, labels).items()
    }
    return {number: part / sum(parts.values()) for number, part in parts.items()}


def calibrated_loss(logits: Floats, labels: NDArray[np.uint8]) -> float:
    """Return the cross-entropy of logits (N, C) against `labels` (N,) at their best temperature."""
    return cross_entropy(logits / fit_temperature(logits, labels), labels)


def in_views(model: keras.Model, views: int, val: Examples) -> Floats:
    """Return the logits (N, 10) of the mean over so many views of val."""
    return as_logits(make_predictor(merge([model], [1.0], views))(val.images))


def named_networks(runs: Sequence[str]) -> tuple[list[str], list[keras.Model]]:
    """Return the networks of all candidates, and how they are called."""
    names: list[str] = []
    models: list[keras.Model] = []
    for run in runs:
        found = networks_of(run)
        names += [run] if len(found) == 1 else [f"{run}, {n}" for n in range(1, len(found) + 1)]
        models += found
    return names, models


def networks_of(run: str) -> list[keras.Model]:
    """Return the networks of a candidate, plain chains of layers: of an artefact all, else one.

    Raises UsageError for the Keras model of a run that is an ensemble itself, and ModelRefused for
    what is no model.
    """
    path = candidate_file(run)
    return members_in(path) if path.suffix == ".onnx" else [single_network(path)]


def candidate_file(run: str) -> Path:
    """Return the model file of a candidate; raises ModelRefused where there is none.

    A run that holds nothing but its artefact will do.
    """
    if run == BUNDLED:
        return bundled(BUNDLED_MODEL)
    return find_model(Path(run), (*KERAS_FILES, ARTEFACT))


def single_network(path: Path) -> keras.Model:
    """Return the network in a Keras file of a run, also where it was saved with views."""
    saved = load_model(path)
    if isinstance(saved, keras.Sequential):
        return saved
    recipe = required_single(load_recipe(str(path.with_name(RECIPE_FILE))))
    network = build_full(recipe)
    if recipe.save.weights == "float16":
        network = folded(network)
    for layer in kept_layers(network):
        layer.set_weights(saved.get_layer(member_name(1, layer)).get_weights())
    return network


def required_single(recipe: Recipe) -> Recipe:
    """Return `recipe`; raises UsageError unless it is of a single convolutional network."""
    if recipe.model.kind != "cnn":
        raise UsageError(
            "an ensemble's candidates must be single networks.",
            "Name the runs of its members, or its artefact.",
        )
    return recipe


def choose_members(logits: Sequence[Floats], labels: NDArray[np.uint8]) -> dict[int, float]:
    """Return the members by number, with weights that sum to 1, of candidates' logits (N, C).

    All candidates alike, unless those that forward selection picks are better by more than chance:
    over random halves of `labels` (N,), on the half that they were not chosen by, their
    cross-entropy is less by more than SURELY standard errors. A small val tells good candidates
    from bad ones, but hardly good ones from each other.
    """
    alike = {number: 1 / len(logits) for number in range(len(logits))}
    draws = np.random.default_rng(0)
    gains = np.zeros(len(labels))
    for _ in range(HALVINGS):
        halves = np.array_split(draws.permutation(len(labels)), 2)
        for seen, unseen in (halves, halves[::-1]):
            picked = select_forward([rows[seen] for rows in logits], labels[seen])
            held_out = [rows[unseen] for rows in logits]
            losses = [weighted_losses(held_out, labels[unseen], way) for way in (alike, picked)]
            gains[unseen] += (losses[0] - losses[1]) / HALVINGS
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return select_forward(logits, labels) if gains.mean() > SURELY * error else alike


def weighted_losses(
    logits: Sequence[Floats], labels: NDArray[np.uint8], weights: dict[int, float]
) -> Floats:
    """Return the cross-entropy (N,) against `labels` of the weighted mean of the logits."""
    mean = sum(weight * logits[number] for number, weight in weights.items())
    return cross_entropies(np.asarray(mean), labels)


def select_forward(
    logits: Sequence[Floats], labels: NDArray[np.uint8], rounds: int = ROUNDS
) -> dict[int, float]:
    """Return the members that forward selection with replacement picks (Caruana et al., 2004).

    Starting from nothing, it adds in each round the candidate with which the mean of the logits
    (N, C) has the least cross-entropy against `labels` (N,). The best mean over all rounds is kept.
    """
    total = np.zeros_like(logits[0])
    chosen: list[int] = []
    losses: list[float] = []
    for count in range(1, rounds + 1):
        after = [cross_entropy((total + rows) / count, labels) for rows in logits]
        best = int(np.argmin(after))
        total = total + logits[best]
        chosen.append(best)
        losses.append(after[best])
    kept = chosen[: int(np.argmin(losses)) + 1]
    return {number: times / len(kept) for number, times in sorted(Counter(kept).items())}
