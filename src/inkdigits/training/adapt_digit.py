"""Teaching the digit network digits of one's own, beside MNIST's and made ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import Metadata
from inkdigits.data.dataset import CLASSES, Examples
from inkdigits.evaluation.calibration import fit_temperature
from inkdigits.imaging.clean import clean
from inkdigits.imaging.frame import frame
from inkdigits.models.metadata import digit_metadata
from inkdigits.models.start import mixed
from inkdigits.reading.engine import Engine
from inkdigits.reading.reader import Layout
from inkdigits.synthesis.batch import synthesise
from inkdigits.training.adapt_data import Places, Sample
from inkdigits.training.adapt_network import network_of
from inkdigits.training.adapt_recipe import described, recipe_for
from inkdigits.training.calibrate import rejection_threshold
from inkdigits.training.checkpoint import StateKeeper
from inkdigits.training.lesson import (
    Floats,
    Lesson,
    Rate,
    Watch,
    Weights,
    begin,
    values_of,
)
from inkdigits.training.loop import compile_model, compile_training, fit
from inkdigits.training.material import Material, joined

OWN = 1000
"""So many digits of one's own an epoch has, each as often as it takes."""
REAL, MADE = 500, 500
"""Beside them: digits of MNIST, and as many made ones as images of no digit."""
PROVEN = 2000
"""So many of MNIST's last training digits have a say in temperature and threshold."""
SETTINGS = {
    "optimizer": "adam",
    "learning_rate": 0.0005,
    "batch_size": 128,
    "epochs": 5,
    "loss": "sparse_categorical_crossentropy",
}
OLD_SHARE = 0.35
"""So much of the parent's weights stays in the new ones (`docs/design-notes.md`)."""
TINY = 1e-7


class DigitLearner:
    """The digit network of the artefact at `parent`, about to learn what `samples` show.

    `seed` fixes everything random.
    """

    layout: Layout = "digit"

    def __init__(self, parent: Path, samples: Sequence[Sample], seed: int) -> None:
        self.engine = Engine(parent, threads=2)
        told = self.engine.metadata.recipe
        changes = ["distillation.teacher=''", "model.dropout=0.0"]
        self.recipe = recipe_for(told, seed, SETTINGS, changes)
        self.described = described(told, self.recipe, SETTINGS)
        framed = [(sample, frame(clean(sample.page()))) for sample in samples]
        seen = [(sample, found.image) for sample, found in framed if found is not None]
        self.samples = [sample for sample, _ in seen]
        self.images = np.array([image for _, image in seen], np.uint8).reshape(-1, 28, 28)
        self.labels = np.array([int(sample.text) for sample in self.samples], np.uint8)
        self.beside = Material(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8))
        self.proof = Examples(self.beside.images, self.beside.labels)
        self.network = network_of(parent, self.recipe, self.described.model)
        self.model = self.network.model
        n = OWN + REAL + MADE
        compile_model(self.model, self.recipe.training, n)
        self.knows_others = self.model.output_shape[-1] > CLASSES
        self.old = self.model.get_weights()
        self.beginning = values_of(self.model)
        on_jax = keras.backend.backend() == "jax"
        training = self.recipe.training
        self.programs = compile_training(self.model, training, n) if on_jax else None

    def make(self, train: Examples, val: Examples, _work: Path) -> None:
        """Make and choose what is mixed in, of `train`; keep what calibrates of `val`."""
        rng = np.random.default_rng(self.recipe.training.seed)
        chosen = np.sort(rng.permutation(len(train))[:REAL])
        negatives = MADE // 2 if self.knows_others else 0
        made = synthesise(MADE - negatives, negatives, train, self.recipe.training.seed)
        real = Material(train.images[chosen], train.labels[chosen])
        missing = rng.integers(0, len(real), REAL - len(real))
        extra = Material(real.images[missing], real.labels[missing])
        self.beside = joined([real, extra, Material(*made)])
        self.proof = val[:PROVEN]

    def teach(self, chosen: Places, watching: Places, state: Path) -> Lesson:
        """Teach the parent's network the samples `chosen`, measured on those `watching`."""
        own = np.resize(chosen, OWN)
        material = joined([Material(self.images[own], self.labels[own]), self.beside])
        held_out = Examples(self.images[watching], self.labels[watching])
        settings = self.recipe.training
        watch = Watch(
            lambda weights: self.losses(weights, watching),
            lambda learnt: mixed(self.old, learnt, OLD_SHARE),
        )
        saved = begin(self.model, self.beginning, state)
        rate = Rate(settings.learning_rate, settings.epochs)
        fit(
            self.model,
            material,
            held_out,
            settings,
            [rate, watch, StateKeeper(state, [watch], saved)],
            first_epoch=saved.epoch if saved else 0,
            stopped=saved.stopped if saved else False,
            compiled=self.programs,
        )
        return watch.lesson()

    def artefact(self, weights: Weights, metadata: Metadata | None = None) -> bytes:
        """Return the network with these weights as an artefact."""
        return self.network.artefact(weights, metadata or digit_metadata())

    def losses(self, weights: Weights | None, watching: Places) -> Floats:
        """Return the losses (N,) of samples, by the parent where there are no weights."""
        engine = self.engine if weights is None else Engine(self.artefact(weights), threads=2)
        digits, others = engine.predict_with_rejection(self.images[watching])
        told = digits[np.arange(len(watching)), self.labels[watching]] * (1 - others)
        return np.asarray(-np.log(told.astype(np.float64) + TINY))

    def describe(self, told: Sequence[tuple[Weights, Places]], weights: Weights) -> Metadata:
        """Return what the adapted artefact says about itself.

        Its temperature and threshold come from samples that each network of `told` did not learn,
        and, by the network with `weights`, from digits that none did.
        """
        asked = [(one, self.images[places], self.labels[places]) for one, places in told]
        asked.append((weights, self.proof.images, self.proof.labels))
        digits = np.concatenate(
            [Engine(self.artefact(one)).predict_proba(images) for one, images, _ in asked]
        )
        labels = np.concatenate([part for _, _, part in asked])
        temperature = fit_temperature(digits, labels.astype(np.int64))
        threshold = 1.0
        if self.knows_others:
            warm = digit_metadata(temperature=temperature)
            others = [
                Engine(self.artefact(one, warm)).predict_with_rejection(images)[1]
                for one, images, _ in asked
            ]
            threshold = rejection_threshold(np.concatenate(others).astype(np.float64))
        return digit_metadata(
            recipe=self.described.to_toml(),
            temperature=temperature,
            not_a_digit_threshold=threshold,
        )

    def digits_right(self, contents: Sequence[bytes], digits: Examples) -> list[NDArray[np.bool_]]:
        """Return for each artefact which of `digits` it reads right, bool (N,)."""
        return [
            Engine(content, threads=2).predict_proba(digits.images).argmax(axis=1) == digits.labels
            for content in contents
        ]
