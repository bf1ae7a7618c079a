"""The network of a digit artefact as one that can be taught, and as it is saved again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import keras

from inkdigits.artefact.metadata import Metadata
from inkdigits.models.ensemble import MEAN_LAYER, MEMBER, merge
from inkdigits.models.export import export_onnx
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


def network_of(path: Path, member: Recipe, looks: ModelRecipe) -> TaughtNetwork:
    """Return the network of the artefact at `path`, with its weights.

    `member` is the recipe of each network in it, `looks` tells in how many views the artefact sees
    an image, and when its first member answers alone. Raises ModelRefused where they do not fit.
    """
    shares = member_shares(path, looks.views)
    if not shares:
        model = build_model(member)
        start_from(model, path)
        return TaughtNetwork(model, model)
    members = [build_model(member) for _ in shares]
    for number, network in enumerate(members, 1):
        start_from(network, path, number)
    model = merge(members, shares)
    model.layers[-1].trainable = False
    return TaughtNetwork(model, merge(members, shares, looks.views, looks.sure))


def member_shares(path: Path, views: int) -> list[float]:
    """Return the shares of an artefact's members in what it says, none where it has no members."""
    constants = constants_of(path)
    named = [re.match(rf"{MEMBER}(\d+)_", name) for name in constants]
    count = len({found[1] for found in named if found})
    if count == 0:
        return []
    doubting = f"{MEAN_LAYER}.kernel"
    mean = constants[doubting if doubting in constants else "probabilities.kernel"]
    parts = mean.reshape(count, views, -1, mean.shape[1])
    return [float(part[:, 0, 0].sum()) for part in parts]
