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
from inkdigits.evaluation.calibration import as_logits, cross_entropy
from inkdigits.evaluation.model_file import find_model
from inkdigits.models.ensemble import kept_layers, member_name, merge
from inkdigits.models.predict import make_predictor
from inkdigits.models.saved import load_model
from inkdigits.training.folder import RECIPE_FILE
from inkdigits.training.network import build_full
from inkdigits.training.recipe import EnsembleRecipe, load_recipe

Floats = NDArray[np.float64]
# Rounds of adding one more member; weights come out as multiples of its reciprocal.
ROUNDS = 20
KERAS_FILES = ("model.keras", "model.h5")


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
) -> keras.Model:
    """Return the ensemble of the recipe's candidates, trained by `train_member` where it must be.

    Each member sees so many `views` of an image. `say` is told which members got which weight.
    Raises UsageError when there is no candidate, for one that is itself an ensemble, and when some
    know an eleventh class and others do not.
    """
    runs = [Path(run) for run in recipe.runs]
    for place, name, own_seed in candidate_folders(recipe, folder, seed):
        train_member(place, name, own_seed)
        runs.append(place)
    if not runs:
        raise UsageError("an ensemble needs candidates: ensemble.runs or ensemble.recipes.")
    models = [single_network(run) for run in runs]
    if len({model.output_shape[-1] for model in models}) > 1:
        raise UsageError(
            "an ensemble's candidates must tell the same classes apart.",
            "Give runs that all know what is no digit (data.negatives), or none.",
        )
    logits = [as_logits(make_predictor(model)(val.images)) for model in models]
    weights = choose_members(logits, val.labels)
    for number, weight in weights.items():
        say(f"member {runs[number]}  weight {weight:.2f}")
    return merge([models[number] for number in weights], list(weights.values()), views)


def single_network(run: Path) -> keras.Model:
    """Return the network of a run as a plain chain of layers, also where it was saved with views.

    Raises UsageError for a run that is an ensemble itself.
    """
    saved = load_model(find_model(run, KERAS_FILES))
    if isinstance(saved, keras.Sequential):
        return saved
    recipe = load_recipe(str(run / RECIPE_FILE))
    if recipe.model.kind != "cnn":
        raise UsageError(
            "an ensemble's candidates must be single networks.", "Name the runs of its members."
        )
    network = build_full(recipe)
    for layer in kept_layers(network):
        layer.set_weights(saved.get_layer(member_name(1, layer)).get_weights())
    return network


def choose_members(
    logits: Sequence[Floats], labels: NDArray[np.uint8], rounds: int = ROUNDS
) -> dict[int, float]:
    """Return the members by number, with weights that sum to 1.

    Forward selection with replacement (Caruana et al., 2004): starting from nothing, add in each
    round the candidate with which the mean of the logits (N, C) has the least cross-entropy against
    `labels` (N,). The best mean over all rounds is kept.
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
