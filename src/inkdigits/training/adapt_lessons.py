"""The lessons of an adaptation, and what they find: is the new model better, and where?"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from rich.console import Console

from inkdigits.artefact.metadata import Metadata
from inkdigits.artefact.selective import risk_coverage
from inkdigits.data.dataset import Dataset, split_val
from inkdigits.reading.cores import cores
from inkdigits.reading.reader import Layout, Reader
from inkdigits.reading.result import Reading
from inkdigits.training.adapt_data import Places, Sample
from inkdigits.training.adapt_digit import DigitLearner
from inkdigits.training.adapt_line import LineLearner
from inkdigits.training.adapt_report import Bools, Findings, advice, compared, curve_of, judge
from inkdigits.training.lesson import (
    WORST,
    Floats,
    Lesson,
    Weights,
    best_epoch,
    load_lesson,
    mean_weights,
    save_lesson,
)

Learner: TypeAlias = LineLearner | DigitLearner
PARTS = 3
VAL = 0.1
WATCHED = 2000
"""So many of MNIST's last training digits tell whether something is forgotten."""


@dataclass(frozen=True)
class Work:
    """What an adaptation works with: its learner, the images' parts, its folder, its console."""

    learner: Learner
    part: Places
    folder: Path
    console: Console

    def say(self, text: str) -> None:
        """Tell how far it is."""
        self.console.print(text, soft_wrap=True, highlight=False)


@dataclass(frozen=True)
class Found:
    """The mean network, what its artefact says about itself, and what was found."""

    weights: Weights
    metadata: Metadata
    findings: Findings


def learn_and_measure(work: Work, parent: bytes, dataset: Dataset) -> Found:
    """Teach, measure and judge; `parent` is the old model's file."""
    learner, part = work.learner, work.part
    train, val = split_val(dataset.train, VAL)
    work.say(f"{len(part)} images; making what is mixed in, of the digits of {dataset.name}")
    learner.make(train, val, work.folder)
    lessons = [teach(work, f"part-{at}", part != at, part == at) for at in range(PARTS)]
    half = teach(work, "half", halved(part != 0), part == 0)
    work.say("measuring")
    epochs = best_epoch([lesson.losses for lesson in lessons])
    # What a lesson is measured at, the others chose.
    chosen = [
        lesson.at(best_epoch([other.losses for other in lessons if other is not lesson]))
        for lesson in lessons
    ]
    told = [(weights, np.flatnonzero(part == at)) for at, weights in enumerate(chosen)]
    weights = mean_weights([lesson.at(epochs) for lesson in lessons])
    metadata = learner.describe(told, weights)
    before = read_all(parent, learner.samples, learner.layout)
    after = read_apart(work, told, metadata)
    right_before, right_after = right(before, learner.samples), right(after, learner.samples)
    confidences = np.array([reading.confidence for reading in after])
    asked = np.array([bool(reading.text) for reading in after])
    metadata = replace(
        metadata,
        val_curve=risk_coverage(confidences[asked], right_after[asked]),
        val_n=int(asked.sum()),
    )
    losses_before = np.minimum(learner.losses(None, np.arange(len(part))), WORST)
    losses_after = np.empty(len(part))
    for one, places in told:
        losses_after[places] = np.minimum(learner.losses(one, places), WORST)
    new = learner.artefact(weights, metadata)
    held_out = compared(f"{len(part)} images held out in turn", right_before, right_after)
    old_digits, new_digits = learner.digits_right([parent, new], val[:WATCHED])
    forgotten = float(old_digits.mean() - new_digits.mean())
    better, why = judge(held_out, losses_before - losses_after, forgotten)
    first = part == 0
    half_right = right(read_apart(work, [(half.at(epochs), np.flatnonzero(first))], metadata), [
        sample for sample, own in zip(learner.samples, first, strict=True) if own
    ])
    learnt = int((~first).sum())
    findings = Findings(
        held_out=held_out,
        digits=compared(
            f"{len(dataset.test):,} test digits of {dataset.name}",
            *learner.digits_right([parent, new], dataset.test),
        ),
        losses=(float(losses_before.mean()), float(losses_after.mean())),
        better=better,
        why=why,
        curve=curve_of(right_before[first], half_right, right_after[first], learnt),
        advice=advice(right_after[first], half_right, learnt, len(part)),
        epochs=epochs + 1,
        temperature=metadata.temperature,
    )
    return Found(weights, metadata, findings)
