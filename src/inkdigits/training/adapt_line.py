"""Teaching the whole-number network numbers of one's own, beside made ones so that none is lost."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import LINE_BLANK, OTHER, POINT, Metadata
from inkdigits.artefact.points import POINT_CLASS, without_points
from inkdigits.data.dataset import Examples
from inkdigits.errors import ModelRefused
from inkdigits.evaluation.numbers import as_reading
from inkdigits.imaging.line import LOOKS, Place, cut, find_number, side_by_side
from inkdigits.models.ctc import forward_backward, greedy_texts, strip_loss
from inkdigits.models.export import export_onnx
from inkdigits.models.join import join_networks, split_networks
from inkdigits.models.line import CLASSES
from inkdigits.models.metadata import line_metadata
from inkdigits.models.start import mixed, start_from
from inkdigits.reading.cores import cores
from inkdigits.reading.line_engine import LineEngine
from inkdigits.reading.reader import Layout
from inkdigits.reading.session import read_model
from inkdigits.training.adapt_data import Places, Sample
from inkdigits.training.adapt_recipe import recipe_for
from inkdigits.training.careful import Looked, look_carefully, together
from inkdigits.training.checkpoint import StateKeeper
from inkdigits.training.lesson import (
    Floats,
    Lesson,
    Rate,
    Watch,
    Weights,
    begin,
    values_of,
    with_weights,
)
from inkdigits.training.line import build, compile_line
from inkdigits.training.line_batches import LineBatches
from inkdigits.training.numbers import Crop, Numbers, Order, make_numbers
from inkdigits.training.recipe import Recipe, TrainingRecipe
from inkdigits.training.strips import Batch, as_labels

OLD_SHARE = 0.25
"""Of the parent's weights in what is saved: fewer usual digits are forgotten, no amounts lost."""
MADE = 600
"""Made numbers that are mixed in, at most: as many as half of the crops of one's own."""
MADE_PART = 150
CROPS = 600
"""So many crops of one's own an epoch has, about: few images are seen in more views."""
TEMPERATURES = np.geomspace(1, 4, 29)
"""Those tried: an adapted network is never surer than its weights make it."""
TINY = 1e-7
SETTINGS = {
    "optimizer": "adam",
    "learning_rate": 0.0015,
    "weight_decay": 0.01,
    "batch_size": 8,
    "epochs": 4,
    "augment.rotation": 4.0,
    "augment.scale": 0.1,
    "augment.shear": 0.15,
    "augment.shift": 1.5,
    "augment.pen": 0.3,
    "augment.blur": 0.3,
    "augment.contrast": 0.25,
    "augment.noise": 0.06,
}
CHUNK = 100
SEED_STEP = 1_000_003
"""Apart from the seeds that users give."""


class LineLearner:
    """The whole-number networks of the artefact at `parent`, about to learn what `samples` show.

    Those that are built like the first learn beside it, each from batches of its own; others stay
    as they are. `seed` fixes everything random.
    """

    layout: Layout = "auto"

    def __init__(self, parent: Path, samples: Sequence[Sample], seed: int) -> None:
        self.engine = LineEngine(parent, threads=2)
        self.recipe = recipe_for(self.engine.metadata.recipe, seed, SETTINGS)
        places = [find_number(sample.page()) for sample in samples]
        seen = [(one, at) for one, at in zip(samples, places, strict=True) if at is not None]
        self.samples = [sample for sample, _ in seen]
        self.texts = [sample.text for sample in self.samples]
        rng = np.random.default_rng(seed)
        looks = int(np.clip(CROPS // max(1, len(seen)), 1, len(LOOKS)))
        self.crops = [views_of(place, looks, rng) for _, place in seen]
        self.first = [crops[0] for crops in self.crops]
        said = greedy(self.engine, self.first)
        self.targets = [with_points(*pair) for pair in zip(self.texts, said, strict=True)]
        self.made = Numbers([], [])
        self.networks, self.others = networks_of(parent, self.recipe)
        self.model = beside_each_other(self.networks)
        compile_line(self.model, self.recipe.training, 1, opinions_loss)
        self.beginning = values_of(self.model)
        self.old = self.model.get_weights()

    def make(self, train: Examples, _val: Examples, work: Path) -> None:
        """Make the numbers that are mixed in of `train`, or find them in `work`."""
        n = min(MADE, max(1, sum(map(len, self.crops)) // 2))
        order = Order(n, train, self.recipe.training.seed, work / "made", MADE_PART)
        self.made = make_numbers(order, lambda _: None)

    def teach(self, chosen: Places, watching: Places, state: Path) -> Lesson:
        """Teach the parent's network the samples `chosen`, measured on those `watching`."""
        own = [(crop, self.targets[at]) for at in chosen for crop in self.crops[at]]
        share = len(chosen) / len(self.crops)
        count = max(1, round(share * len(self.made)))
        numbers = Numbers(
            [crop for crop, _ in own] + self.made.images[:count],
            [text for _, text in own] + self.made.texts[:count],
        )
        settings = self.recipe.training
        watch = Watch(
            lambda weights: self.losses(weights, watching),
            lambda learnt: mixed(self.old, learnt, OLD_SHARE),
        )
        saved = begin(self.model, self.beginning, state)
        first = saved.epoch if saved else 0
        self.model.stop_training = False
        with closing(OwnBatches(numbers, settings, first, len(self.networks))) as batches:
            self.model.fit(
                batches,
                epochs=settings.epochs if not (saved and saved.stopped) else first,
                initial_epoch=first,
                shuffle=False,
                callbacks=[
                    Rate(settings.learning_rate, settings.epochs),
                    watch,
                    StateKeeper(state, [watch], saved),
                ],
                verbose=0,
            )
        return watch.lesson()

    def artefact(self, weights: Weights, metadata: Metadata | None = None) -> bytes:
        """Return the network with these weights, and the parent's others, as an artefact."""
        told = metadata or line_metadata()
        with with_weights(self.model, weights):
            taught = [export_onnx(network, told) for network in self.networks]
        parts = [*taught, *self.others]
        return join_networks(parts, told) if len(parts) > 1 else parts[0]

    def losses(self, weights: Weights | None, watching: Places) -> Floats:
        """Return the losses (N,) of samples, by the parent where there are no weights."""
        engine = self.engine if weights is None else LineEngine(self.artefact(weights), threads=2)
        steps = steps_of(engine, [self.first[at] for at in watching])
        return text_losses(steps, [self.texts[at] for at in watching])

    def describe(self, told: Sequence[tuple[Weights, Places]], _weights: Weights) -> Metadata:
        """Return what the adapted artefact says about itself.

        Its temperature, of the networks that learn, is that of the least loss on samples that they
        did not learn.
        """
        steps, texts = [], []
        for weights, places in told:
            engine = LineEngine(self.artefact(weights), threads=2)
            steps += steps_of(engine, [self.first[at] for at in places])
            texts += [self.texts[at] for at in places]
        taught = len(self.networks)
        losses = [
            text_losses([tempered(one, float(t), taught) for one in steps], texts).mean()
            for t in TEMPERATURES
        ]
        temperature = float(TEMPERATURES[int(np.argmin(losses))])
        return line_metadata(recipe=self.recipe.to_toml(), temperature=temperature)

    def look(self, told: Sequence[tuple[Weights, Places]], metadata: Metadata) -> Looked:
        """Look carefully at samples with networks that did not learn them."""
        looked: list[Looked] = []
        for weights, places in told:
            engine = LineEngine(self.artefact(weights, metadata))
            parts = np.array_split(places, cores())
            with ThreadPoolExecutor(cores()) as pool:
                looked += pool.map(self.look_at, [engine] * len(parts), parts)
        return together(looked)

    def look_at(self, engine: LineEngine, places: Places) -> Looked:
        """Look carefully at the samples at `places` with one network."""
        pages = (self.samples[at].page() for at in places)
        return look_carefully(engine, pages, [self.texts[at] for at in places])

    def digits_right(self, contents: Sequence[bytes], digits: Examples) -> list[NDArray[np.bool_]]:
        """Return for each artefact which of `digits` it reads right, bool (N,), from one crop."""
        with ThreadPoolExecutor(cores()) as pool:
            places = list(pool.map(find_number, digits.images))
        crops = {at: cut(place, LOOKS[0]).image for at, place in enumerate(places) if place}
        answers = []
        for content in contents:
            right = np.zeros(len(digits), bool)
            said = greedy(LineEngine(content, threads=2), list(crops.values()))
            for at, text in zip(crops, said, strict=True):
                right[at] = as_reading(text.replace(POINT, "")) == str(digits.labels[at])
            answers.append(right)
        return answers


def networks_of(parent: Path, recipe: Recipe) -> tuple[list[keras.Model], list[bytes]]:
    """Return the networks of an artefact that are built as `recipe` says, and the other ones.

    The first must be; raises ModelRefused.
    """
    networks: list[keras.Model] = []
    others: list[bytes] = []
    for number, content in enumerate(split_networks(read_model(parent)), start=1):
        network = build(recipe)
        try:
            start_from(network, parent, number)
        except ModelRefused:
            if not networks:
                raise
            others.append(content)
        else:
            networks.append(network)
    return networks, others


class OwnBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches for several networks, each with its own order and distortion, so that they err apart.

    Strips uint8 (B, K, 32, 640) and their parts, int32 (B, K, P, 2 + L): as `LineBatches` makes
    them for each of K networks.
    """

    def __init__(
        self, numbers: Numbers, recipe: TrainingRecipe, first_epoch: int, networks: int
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        seeds = [recipe.seed + SEED_STEP * network for network in range(networks)]
        self.of_each = [
            LineBatches(numbers, replace(recipe, seed=seed), first_epoch) for seed in seeds
        ]

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's orders; Keras calls it."""
        for batches in self.of_each:
            batches.on_epoch_end()

    def __len__(self) -> int:
        return min(map(len, self.of_each))

    def __getitem__(self, step: int) -> Batch:
        strips, parts = zip(*[batches[step] for batches in self.of_each], strict=True)
        return np.stack(strips, axis=1), np.stack(parts, axis=1)

    def close(self) -> None:
        """End the processes that make batches, where there are any."""
        for batches in self.of_each:
            batches.close()


def beside_each_other(networks: Sequence[keras.Model]) -> keras.Model:
    """Return one model of K networks: strips (N, K, 32, W) in, what each tells of its own out.

    (N, K, T, 13).
    """
    _, height, width = networks[0].input_shape
    strips = keras.Input(shape=(len(networks), height, width), name="strips")
    opinions = []
    for at, network in enumerate(networks):
        named = keras.Model(network.input, network.output, name=f"network_{at + 1}")
        alone = keras.layers.Reshape((1, -1, CLASSES), name=f"opinion_{at + 1}")
        opinions.append(alone(named(strips[:, at])))
    if len(opinions) == 1:
        return keras.Model(strips, opinions[0])
    return keras.Model(strips, keras.layers.Concatenate(axis=1, name="opinions")(opinions))


def opinions_loss(parts: Any, opinions: Any) -> Any:
    """Return the loss (B,) of strips, as `strip_loss` tells it, summed over K networks.

    `parts` (B, K, P, 2 + L), `opinions` (B, K, T, 13). Each network learns as it would alone: they
    share nothing.
    """
    networks = opinions.shape[1]
    told = keras.ops.reshape(opinions, (-1, keras.ops.shape(opinions)[2], CLASSES))
    asked = keras.ops.reshape(parts, (-1, *parts.shape[2:]))
    return keras.ops.sum(keras.ops.reshape(strip_loss(asked, told), (-1, networks)), axis=1)


def views_of(place: Place, looks: int, rng: np.random.Generator) -> list[Crop]:
    """Return so many crops of a number, first that which a reader looks at first."""
    others = rng.choice(np.arange(1, len(LOOKS)), looks - 1, replace=False).tolist()
    return [cut(place, LOOKS[at]).image for at in (0, *others)]


def with_points(text: str, said: str) -> str:
    """Return the number `text` with the points that a network sees in it, where it reads it."""
    return said if said.replace(POINT, "") == text and OTHER not in said else text


def greedy(engine: LineEngine, crops: Sequence[Crop]) -> list[str]:
    """Return the text of each crop's most probable path in any network, points included."""
    found = []
    for steps in steps_of(engine, crops):
        surest = np.log(steps.max(axis=2) + TINY).sum(axis=1).argmax()
        found.append(greedy_texts(steps[surest][None])[0])
    return found


def steps_of(engine: LineEngine, crops: Sequence[Crop]) -> list[NDArray[np.float32]]:
    """Return the steps of each crop, (K, T, 13): the opinions of all networks."""
    order = np.argsort([crop.shape[1] for crop in crops], kind="stable").tolist()
    found: dict[int, NDArray[np.float32]] = {}
    for start in range(0, len(order), CHUNK):
        chosen = order[start : start + CHUNK]
        told = engine.predict_steps(side_by_side([crops[at] for at in chosen]))
        opinions = told.reshape(len(chosen), -1, *told.shape[1:])
        found |= dict(zip(chosen, opinions, strict=True))
    return [found[at] for at in range(len(crops))]


def text_losses(steps: Sequence[NDArray[np.float32]], texts: Sequence[str]) -> Floats:
    """Return how improbable each text is, its negative log-likelihood (N,), points told first.

    As a reader tells it: by the mean of the likelihoods under each of the K opinions.
    """
    networks, _, classes = steps[0].shape
    longest = max(one.shape[1] for one in steps)
    filled = np.zeros((len(steps), networks, longest, classes), np.float32)
    filled[..., LINE_BLANK] = 1
    for row, one in zip(filled, steps, strict=True):
        row[:, : one.shape[1]] = np.insert(without_points(one), POINT_CLASS, 0, axis=2) + TINY
    labels = np.repeat(as_labels(texts), networks, axis=0)
    losses, _ = forward_backward(filled.reshape(-1, longest, classes), labels)
    alone = losses.astype(np.float64).reshape(-1, networks)
    return np.asarray(np.log(networks) - np.logaddexp.reduce(-alone, axis=1))


def tempered(steps: NDArray[np.float32], temperature: float, taught: int) -> NDArray[np.float32]:
    """Return steps (K, T, 13), those of the first `taught` networks at another temperature."""
    changed = (steps[:taught] + TINY) ** (1 / temperature)
    first = np.asarray(changed / changed.sum(axis=2, keepdims=True), np.float32)
    return np.concatenate([first, steps[taught:]])
