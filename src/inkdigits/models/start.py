"""A network that starts from an artefact's weights, to learn on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from inkdigits.artefact.metadata import Metadata, from_props
from inkdigits.artefact.safety import check_onnx
from inkdigits.errors import ModelRefused
from inkdigits.models.ensemble import MEMBER
from inkdigits.models.half import HALF
from inkdigits.reading.session import read_model

HINT = "Give the network the widths of the model that it starts from."


def start_from(model: keras.Model, path: Path, network: int = 1) -> None:
    """Give `model` the weights of the artefact at `path`, layer by layer of the same name.

    An artefact has batch normalisation folded into its convolutions, so `model` must be built
    without it. Of an artefact with several networks the one of that number, from 1, gives them,
    whether the reader or an ensemble takes their mean. A temperature of the artefact's own stays
    behind. Raises ModelRefused for a file that is missing, unsafe or broken, and for a network of
    another shape.
    """
    constants = constants_of(path)
    in_ensemble = f"{MEMBER}{network}_"
    prefix = "" if network == 1 else f"{network}/"
    if any(name.startswith(in_ensemble) for name in constants):
        prefix = in_ensemble
    take_weights(model, constants, prefix, path)


def take_weights(
    model: keras.Model, constants: Mapping[str, NDArray[Any]], prefix: str, path: Path
) -> None:
    """Give `model` those of an artefact's `constants` whose names are `prefix` and its layers'.

    `path` names the artefact in errors. Raises ModelRefused for a network of another shape.
    """
    # Dropout changes no order.
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.Dropout)]
    for before, layer in pairwise(layers):
        if not layer.weights:
            continue
        names = [f"{prefix}{layer.name}.{part}" for part in ("kernel", "bias")]
        missing = next((name for name in names if name not in constants), None)
        if missing is not None:
            raise ModelRefused(f"{str(path)!r} has no {missing!r} to start from.", HINT)
        kernel = as_keras(constants[names[0]], before)
        wanted = tuple(layer.kernel.shape)
        if kernel.shape != wanted:
            raise ModelRefused(
                f"{names[0]!r} of {str(path)!r} is {kernel.shape}, the network's {wanted}.", HINT
            )
        layer.set_weights([kernel, constants[names[1]]])


def constants_of(path: Path) -> dict[str, NDArray[Any]]:
    """Return the constants of the artefact at `path` by name; raises ModelRefused.

    What is stored as float16 is float32 again.
    """
    arrays = [(one.name, numpy_helper.to_array(one)) for one in parsed(path).graph.initializer]
    return {
        name.removesuffix(HALF): array.astype(np.float32) if name.endswith(HALF) else array
        for name, array in arrays
    }


def metadata_of(path: Path) -> Metadata:
    """Return what the artefact at `path` says about itself; raises ModelRefused."""
    return from_props({prop.key: prop.value for prop in parsed(path).metadata_props})


def parsed(path: Path) -> onnx.ModelProto:
    """Return the artefact at `path`, which is safe; raises ModelRefused."""
    content = read_model(path)
    check_onnx(content)
    return onnx.load_model_from_string(content)


def mix_in(model: keras.Model, start: Sequence[NDArray[Any]], share: float) -> None:
    """Let a `share` (0–1) of the weights of `model` be those of its `start` again."""
    model.set_weights(mixed(start, model.get_weights(), share))


def mixed(
    start: Sequence[NDArray[Any]], learnt: Sequence[NDArray[Any]], share: float
) -> list[NDArray[Any]]:
    """Return weights that are by a `share` (0–1) those of the `start`, else those `learnt`.

    What was learnt first is forgotten less, and what was learnt then stays: the two are connected
    by a road of low loss (Wortsman et al., 2022, *Robust fine-tuning of zero-shot models*).
    """
    return [share * old + (1 - share) * new for old, new in zip(start, learnt, strict=True)]


def as_keras(kernel: NDArray[Any], before: Any) -> NDArray[Any]:
    """Return an artefact's kernel in Keras's order, which has the channels last."""
    if kernel.ndim == 4:
        return np.transpose(kernel, (2, 3, 1, 0))
    if not isinstance(before, keras.layers.Flatten) or len(before.input.shape) != 4:
        return kernel
    _, rows, columns, channels = before.input.shape
    places = kernel.reshape(channels, rows, columns, -1)
    return places.transpose(1, 2, 0, 3).reshape(kernel.shape)
