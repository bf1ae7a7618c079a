"""The `[search]` table of a recipe: which of its keys vary in a search, and how far.

A key is a range, `{ low, high }` with `log` or `step`, or a list of `choices`. Besides the keys of
`[model]` and `[training]` there are four that stand for several at once (DERIVED).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from inkdigits.errors import UsageError
from inkdigits.training.keys import dotted_keys, nearest, require

WIDTH, DEPTH, TAPER = "model.hidden.width", "model.hidden.depth", "model.hidden.taper"
STRENGTH = "training.augment.strength"
# The type of each is that of its value here.
DERIVED: dict[str, Any] = {WIDTH: 128, DEPTH: 2, TAPER: 0.5, STRENGTH: 1.0}
# A search compares trainings of one kind and one seed, on the same data.
FIXED = ("model.kind", "model.start", "training.seed", "training.loss")
SETTINGS = ("low", "high", "log", "step", "choices")
MOST_DEPTH = 100


@dataclass(frozen=True)
class Axis:
    """One key of a search: `choices`, or the numbers from `low` to `high`, both included.

    A range is of whole numbers where `whole`, spread evenly in the logarithm where `log`, and in
    steps of `step` where that is above 0.
    """

    key: str
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False
    step: float = 0.0
    choices: tuple[Any, ...] = ()

    def ends(self) -> tuple[Any, ...]:
        """Return the values that show whether all are allowed: the choices, or both ends."""
        if self.choices:
            return self.choices
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


def axes_of(search: Mapping[str, Any], recipe: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Return the axes of a `[search]` table of the nested table `recipe`, sorted by key.

    Raises UsageError, which names the key and what it got, for an unknown key and a wrong range.
    """
    known = searchable(recipe)
    return tuple(sorted(read_axes(search, known), key=lambda axis: axis.key))


def searchable(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that a search may vary, dotted, each with its value."""
    keys = {
        key: lookup(recipe, key)
        for key in dotted_keys(recipe)
        if key.startswith(("model.", "training.")) and key not in FIXED
    }
    return keys | DERIVED


def lookup(table: Mapping[str, Any], key: str) -> Any:
    """Return the value at a dotted key of a nested table."""
    for name in key.split("."):
        table = table[name]
    return table


def read_axes(
    search: Mapping[str, Any], known: Mapping[str, Any], prefix: str = ""
) -> Iterator[Axis]:
    """Yield the axes of a nested table; one that holds no further table is an axis."""
    for name, value in search.items():
        key = prefix + name
        if not isinstance(value, Mapping):
            raise UsageError(
                f"search.{key} must be a table with low and high, or choices, got {value!r}."
            )
        if key not in known or any(isinstance(inner, Mapping) for inner in value.values()):
            if not any(other.startswith(f"{key}.") for other in known):
                raise UsageError(f"unknown key 'search.{key}'.", nearest(key, list(known), ""))
            yield from read_axes(value, known, f"{key}.")
        else:
            yield read_axis(key, value, known[key])


def read_axis(key: str, table: Mapping[str, Any], value: Any) -> Axis:
    """Return the axis of `key`, whose value in the recipe is `value`."""
    for name in table:
        if name not in SETTINGS:
            told = nearest(name, SETTINGS, f"search.{key}.")
            raise UsageError(f"unknown key 'search.{key}.{name}'.", told)
    if "choices" in table:
        return Axis(key, choices=read_choices(key, table))
    if type(value) not in (int, float):
        raise UsageError(f"search.{key} must have choices, it is no number, got {dict(table)}.")
    return read_range(key, table, whole=type(value) is int)


def read_choices(key: str, table: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the choices of an axis, at least one and each once."""
    choices = table["choices"]
    fits = isinstance(choices, list) and choices and len(table) == 1
    fits = fits and all(choices.count(choice) == 1 for choice in choices)
    told = "a list of different values, without low, high, log and step"
    require(f"search.{key}.choices", choices if len(table) == 1 else dict(table), bool(fits), told)
    return tuple(choices)


def read_range(key: str, table: Mapping[str, Any], *, whole: bool) -> Axis:
    """Return the axis of a range."""
    place = f"search.{key}"
    for name in ("low", "high"):
        require(f"{place}.{name}", table.get(name), is_number(table.get(name), whole), told(whole))
    low, high = float(table["low"]), float(table["high"])
    require(f"{place}.high", table["high"], low < high, f"above low ({table['low']})")
    log, step = table.get("log", False), table.get("step", 0)
    require(f"{place}.log", log, isinstance(log, bool), "true or false")
    require(f"{place}.low", table["low"], low > 0 or not log, "above 0 with log")
    fits = is_number(step, whole) and 0 <= step <= high - low and not (step and log)
    require(f"{place}.step", step, fits, "0 up to high - low, and 0 with log")
    return Axis(key, low, high, whole, log, float(step))


def is_number(value: Any, whole: bool) -> bool:
    """Return whether `value` is a finite number, or a whole one."""
    return type(value) is int or (not whole and type(value) is float and math.isfinite(value))


def told(whole: bool) -> str:
    """Return what a number has to be, in words."""
    return "a whole number" if whole else "a number"


def with_values(recipe: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested table `recipe` with `values` by dotted key, and without its search."""
    table = deepcopy(dict(recipe)) | {"search": {}}
    for key, value in values.items():
        if key not in DERIVED:
            section, _, name = key.rpartition(".")
            lookup(table, section)[name] = value
    if any(key in values for key in (WIDTH, DEPTH, TAPER)):
        table["model"]["hidden"] = layer_widths(table["model"]["hidden"], values)
    if STRENGTH in values:
        augment = table["training"]["augment"]
        augment |= {name: value * values[STRENGTH] for name, value in augment.items()}
    return table


def layer_widths(hidden: list[int], values: Mapping[str, Any]) -> list[int]:
    """Return the widths of dense layers: the first `width`, each next `taper` times as wide."""
    width = values.get(WIDTH, hidden[0] if hidden else DERIVED[WIDTH])
    depth, taper = values.get(DEPTH, len(hidden)), values.get(TAPER, DERIVED[TAPER])
    require(f"search.{DEPTH}", depth, 0 <= depth <= MOST_DEPTH, f"0–{MOST_DEPTH}")
    narrower = [max(1, round(width * taper**number)) for number in range(1, depth)]
    return [width, *narrower][:depth]
