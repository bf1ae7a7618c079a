"""The network of a digit artefact as one that can be taught, and as it is saved again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from inkdigits.artefact.metadata import Metadata
from inkdigits.models.ensemble import MEAN_LAYER, MEMBER, merge
from inkdigits.models.export import export_onnx
from inkdigits.models.members import Constants, member_numbers, members_in
from inkdigits.models.start import constants_of, start_from
from inkdigits.training.lesson import Weights, with_weights
from inkdigits.training.network import build_model
from inkdigits.training.recipe import ModelRecipe, Recipe


@dataclass(frozen=True)
class TaughtNetwork:
    """A network to teach, `model`, and the one that is `saved` with its weights.

    They differ where the artefact holds several members, or sees an image in several views: all
    members are taught together, on the image as it is.
    """

    model: keras.Model
    saved: keras.Model

    def artefact(self, weights: Weights, metadata: Metadata) -> bytes:
        """Return the artefact with these weights of `model`, whose own stay as they are."""
        with with_weights(self.model, weights):
            if self.saved is not self.model:
                for layer in self.model.layers:
                    if layer.weights and layer.name.startswith(MEMBER):
                        self.saved.get_layer(layer.name).set_weights(layer.get_weights())
            return export_onnx(self.saved, metadata)


def network_of(path: Path, recipe: Recipe, looks: ModelRecipe) -> TaughtNetwork:
    """Return the network of the artefact at `path`, with its weights.

    A single one is built as `recipe` says, several as their weights show; `looks` tells in how many
    views the artefact sees an image, and when its first member answers alone. Raises ModelRefused
    where they do not fit.
    """
    constants = constants_of(path)
    if not member_numbers(constants):
        model = build_model(recipe)
        start_from(model, path)
        return TaughtNetwork(model, model)
    members = members_in(path)
    classes = [network.output_shape[-1] for network in members]
    shares = member_shares(constants, classes, looks.views)
    model = merge(members, shares)
    model.layers[-1].trainable = False
    return TaughtNetwork(model, merge(members, shares, looks.views, looks.sure))


def member_shares(constants: Constants, classes: Sequence[int], views: int) -> list[float]:
    """Return the shares of an artefact's members, of so many classes, in what it says."""
    doubting = f"{MEAN_LAYER}.kernel"
    mean = constants[doubting if doubting in constants else "probabilities.kernel"]
    ends = np.cumsum([views * count for count in classes])
    parts = np.split(mean, ends[:-1])
    return [float(part[::count, 0].sum()) for part, count in zip(parts, classes, strict=True)]
