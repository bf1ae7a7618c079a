"""Keys of a recipe: a nested table of plain values becomes frozen dataclasses, strictly.

A key that is not known is an error that names the nearest known one.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, cast, get_args, get_origin, get_type_hints

from inkdigits.errors import UsageError


def assign(table: dict[str, Any], assignment: str) -> list[str]:
    """Set one `key=value` in the nested `table` and return the key's parts; it must exist."""
    key, equals, text = assignment.partition("=")
    if not equals:
        raise UsageError(f"an override is KEY=VALUE, got {assignment!r}.")
    *sections, last = key.strip().split(".")
    place = table
    for name in sections:
        place = place.get(name, {}) if isinstance(place.get(name, {}), dict) else {}
    if last not in place or isinstance(place[last], dict):
        raise UsageError(f"unknown key {key.strip()!r}.", nearest(key.strip(), dotted_keys(table)))
    place[last] = parse_value(text.strip())
    return [*sections, last]


def parse_value(text: str) -> Any:
    """Return `text` as a TOML value, or as the text itself where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def dotted_keys(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return all leaf keys of a nested table, dotted."""
    keys = []
    for name, value in table.items():
        dotted = f"{prefix}{name}"
        keys += dotted_keys(value, f"{dotted}.") if isinstance(value, dict) else [dotted]
    return keys


def build(kind: type[Any], table: Mapping[str, Any], prefix: str = "") -> Any:
    """Build the dataclass `kind` from a table, refusing unknown keys and wrong types."""
    hints = hints_of(cast("Hashable", kind))
    known = [f.name for f in fields(kind)]
    for name in table:
        if name not in known:
            raise UsageError(f"unknown key {prefix + name!r}.", nearest(name, known, prefix))
    values = {name: convert(hints[name], value, prefix + name) for name, value in table.items()}
    return kind(**values)


@cache
def hints_of(kind: Any) -> dict[str, Any]:
    """Return the types of a dataclass's fields; a search builds thousands of recipes."""
    return get_type_hints(kind)


def convert(hint: Any, value: Any, key: str) -> Any:
    """Return `value` as the type `hint` asks for; raises UsageError when it is another."""
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UsageError(f"{key} must be a table, got {value!r}.")
        return build(hint, value, f"{key}.")  # type: ignore[arg-type]
    if get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            raise UsageError(f"{key} must be a table, got {value!r}.")
        return dict(value)
    if get_args(hint):
        inner = get_args(hint)[0]
        if not isinstance(value, (list, tuple)):
            raise UsageError(f"{key} must be a list, got {value!r}.")
        return tuple(convert(inner, item, key) for item in value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise UsageError(f"{key} must be {hint.__name__}, got {value!r}.")
    return value


def nearest(name: str, known: Sequence[str], prefix: str = "") -> str:
    """Return the sentence that names the nearest of `known`, or all of them.

    A dotted key counts as near, too, when its last part is: `epochs` finds `training.epochs`.
    """
    by_last_part = {key.rpartition(".")[2]: key for key in known}
    close = difflib.get_close_matches(name, known, n=1)
    if not close:
        parts = difflib.get_close_matches(name.rpartition(".")[2], list(by_last_part), n=1)
        close = [by_last_part[part] for part in parts]
    if close:
        return f"Did you mean {prefix + close[0]!r}? "
    return f"Known: {', '.join(known)}. "


def require(key: str, value: object, fits: bool, expected: str) -> None:
    """Raise UsageError unless `fits`, telling the key, what it expects and what it got."""
    if not fits:
        raise UsageError(f"{key} must be {expected}, got {value!r}.")
