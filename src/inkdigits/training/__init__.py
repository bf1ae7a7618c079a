"""Recipe in, run folder out: what to train, the one training loop, exact resume.

Public names are resolved lazily, so that reading a recipe does not import Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# Keras settles its engine at its first import, and that room chooses it.
import inkdigits.models  # noqa: F401
from inkdigits.training.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from inkdigits.training.run import Run, train

__all__ = ["Recipe", "Run", "load_recipe", "train"]


def __getattr__(name: str) -> Any:
    if name not in {"Run", "train"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from inkdigits.training import run

    return getattr(run, name)
