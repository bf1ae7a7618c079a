"""Whether a folder is that of a search, and a recipe one that can be searched; without Keras."""

from __future__ import annotations

from pathlib import Path

from inkdigits.errors import UsageError
from inkdigits.training.recipe import Recipe

SEARCH_FILE = "search.json"
CLUSTER = "cluster"
"""True in that file for a search on a cluster."""
KINDS = ("ann", "cnn")


def require_search(folder: Path) -> None:
    """Raise UsageError unless `folder` is that of a search."""
    if not (folder / SEARCH_FILE).is_file():
        raise UsageError(
            f"{str(folder)!r} is no folder of a search: it has no {SEARCH_FILE}.",
            "Start one with `inkdigits tune RECIPE`.",
        )


def require_searchable(recipe: Recipe) -> None:
    """Raise UsageError for a recipe that no search can vary."""
    if recipe.model.kind not in KINDS:
        raise UsageError(f"tune is for an ann or a cnn, got a recipe of {recipe.model.kind!r}.")
    if not recipe.axes():
        raise UsageError(
            f"the recipe {recipe.name!r} has no [search] table.",
            "Say in it what varies, as in [search.model] dropout = { low = 0.0, high = 0.5 }.",
        )
