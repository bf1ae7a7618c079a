"""The networks that a digit artefact consists of, as Keras models with its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import keras
from numpy.typing import NDArray

from inkdigits.errors import ModelRefused
from inkdigits.models.cnn import build_cnn
from inkdigits.models.ensemble import MEMBER
from inkdigits.models.start import constants_of, take_weights

Constants: TypeAlias = Mapping[str, NDArray[Any]]


def members_in(path: Path) -> list[keras.Model]:
    """Return the convolutional networks of the digit artefact at `path`, with its weights.

    Each is a plain chain of layers without batch normalisation, which an artefact holds folded in,
    and says what that network says of one view, without the artefact's temperature. Raises
    ModelRefused for a file that is missing, unsafe or broken, and for other networks.
    """
    constants = constants_of(path)
    prefixes = [f"{MEMBER}{number}_" for number in member_numbers(constants)] or [""]
    members = []
    for prefix in prefixes:
        network = member_of(constants, prefix)
        if network is None:
            raise ModelRefused(
                f"{str(path)!r} holds no convolutional network for single digits.",
                "Name a model of a recipe of the kind cnn or ensemble.",
            )
        take_weights(network, constants, prefix, path)
        members.append(network)
    return members


def member_numbers(constants: Constants) -> list[int]:
    """Return the numbers of an artefact's members, sorted; none where it is a single network."""
    named = [re.match(rf"{MEMBER}(\d+)_", name) for name in constants]
    return sorted({int(found[1]) for found in named if found})


def member_of(constants: Constants, prefix: str) -> keras.Model | None:
    """Return the untrained network whose constants' names begin so, by their shapes.

    None where they are not those of a convolutional network.
    """
    last = constants.get(f"{prefix}probabilities.kernel")
    filters: list[int] = []
    depth: list[int] = []
    while (name := f"{prefix}stage_{len(filters) + 1}_halving.kernel") in constants:
        filters.append(len(constants[name]))
        stage = rf"{prefix}stage_{len(filters)}_\d+\.kernel"
        depth.append(1 + sum(re.fullmatch(stage, one) is not None for one in constants))
    if last is None or not filters:
        return None
    pooled = len(last) == filters[-1]
    return build_cnn(filters, depth, classes=last.shape[1], pooled=pooled, normalized=False)
