"""How much a model's configuration would build, counted before anything is built.

A configuration of a few lines can ask for layers that take all memory while they are built, long
before any weight is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, prod
from typing import Any

from inkdigits.imaging.line import MAX_WIDTH

Shape = tuple[int, ...]
MAX_RANK = 4


def count_numbers(config: Mapping[str, Any]) -> int:
    """Return how many weights a model has, plus what its largest layer puts out for one image.

    `config` is that of a Sequential or Functional model whose layers are on the list of safe ones.
    Raises ValueError, LookupError or TypeError where it is not consistent.
    """
    shapes: dict[str, Shape] = {}
    weights, widest, before = 0, 0, ""
    for layer in config["layers"]:
        settings = layer["config"]
        sources = list(history(layer.get("inbound_nodes", []))) or [before]
        inputs = [shapes[name] for name in sources if name in shapes]
        own, shape = build(layer["class_name"], settings, inputs)
        if len(shape) > MAX_RANK:
            raise ValueError(f"a layer of rank {len(shape)}")
        weights, widest = weights + own, max(widest, prod(shape))
        before = str(settings["name"])
        shapes[before] = shape
    return weights + widest


def history(value: Any) -> Iterator[str]:
    """Yield the names of the layers that the nodes of a Functional configuration come from."""
    if isinstance(value, Mapping):
        if "keras_history" in value:
            yield str(value["keras_history"][0])
        for inner in value.values():
            yield from history(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from history(inner)


def build(kind: str, settings: Mapping[str, Any], inputs: Sequence[Shape]) -> tuple[int, Shape]:
    """Return how many weights a layer of `kind` has, and the shape of its output for one image."""
    if kind == "InputLayer":
        return 0, tuple(int(side or MAX_WIDTH) for side in settings["batch_shape"][1:])
    shape, channels = inputs[0], inputs[0][-1]
    weights = 0
    match kind:
        case "Flatten":
            shape = (prod(shape),)
        case "Reshape":
            shape = reshaped(shape, settings["target_shape"])
        case "Add":
            shape = max(inputs, key=prod)
        case "GlobalAveragePooling2D":
            shape = (channels,)
        case "ZeroPadding2D":
            shape = resized(shape, settings["padding"], 1)
        case "Cropping2D":
            shape = resized(shape, settings["cropping"], -1)
        case "Concatenate":
            shape = (*shape[:-1], sum(each[-1] for each in inputs))
        case "BatchNormalization":
            weights = 4 * channels
        case "Dense":
            weights = (channels + 1) * settings["units"]
            shape = (*shape[:-1], settings["units"])
        case "Conv2D":
            weights = (prod(settings["kernel_size"]) * channels + 1) * settings["filters"]
            down, right = settings["strides"]
            shape = (ceil(shape[0] / down), ceil(shape[1] / right), settings["filters"])
    return weights, shape


def resized(shape: Shape, margins: Sequence[Sequence[int]], sign: int) -> Shape:
    """Return `shape` with margins around rows and columns, or without them where `sign` is -1.

    Negative ones, or a crop that leaves nothing, are a ValueError.
    """
    if min(side for pair in margins for side in pair) < 0:
        raise ValueError(f"margins of {margins}")
    down, right = (side + sign * sum(pair) for side, pair in zip(shape, margins, strict=False))
    if min(down, right) < 1:
        raise ValueError(f"a crop by {margins}")
    return (down, right, *shape[2:])


def reshaped(shape: Shape, target: Sequence[int]) -> Shape:
    """Return `target`, with its free side worked out; two free sides are a ValueError."""
    known = prod(side for side in target if side != -1)
    if list(target).count(-1) > 1 or known < 1:
        raise ValueError(f"a reshape to {tuple(target)}")
    return tuple(ceil(prod(shape) / known) if side == -1 else side for side in target)
