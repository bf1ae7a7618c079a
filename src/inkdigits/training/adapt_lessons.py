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
from inkdigits.training.careful import with_careful_curve
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
class Learnt:
    """What the lessons left.

    `told` are networks, each with the samples that it did not learn from and is measured on, at the
    epoch that the other lessons chose; `half` is the one that learnt half as many as the first of
    them; `mean` is what they are all together, after so many `epochs`.
    """

    told: list[tuple[Weights, Places]]
    half: Weights
    mean: Weights
    epochs: int


@dataclass(frozen=True)
class Found:
    """The new network, what its artefact says about itself, and what was found."""

    weights: Weights
    metadata: Metadata
    findings: Findings


def learn_and_measure(work: Work, parent: bytes, dataset: Dataset) -> Found:
    """Teach, measure and judge; `parent` is the old model's file."""
    learner, samples = work.learner, work.learner.samples
    train, val = split_val(dataset.train, VAL)
    work.say(f"{len(samples)} images; making what is mixed in, of the digits of {dataset.name}")
    learner.make(train, val, work.folder)
    learnt = learn(work)
    work.say("measuring")
    before = right(read_all(parent, samples, learner.layout), samples)
    metadata = learner.describe(learnt.told, learnt.mean)
    readings = read_apart(work, learnt.told, metadata)
    after = right(readings, samples)
    if isinstance(learner, LineLearner):
        metadata = with_careful_curve(metadata, learner.look(learnt.told, metadata))
    else:
        metadata = with_curve(metadata, readings, after)
    threshold = learner.engine.metadata.reject_threshold
    metadata = replace(metadata, reject_threshold=threshold)
    held_out = compared(f"{len(samples)} images, held out in turn", before, after)
    new = learner.artefact(learnt.mean, metadata)
    old_digits, new_digits = learner.digits_right([parent, new], val[:WATCHED])
    losses_before = losses_on(learner, [(None, np.arange(len(samples)))])
    losses_after = losses_on(learner, learnt.told)
    forgotten = float(old_digits.mean() - new_digits.mean())
    better, why = judge(held_out, losses_before - losses_after, forgotten)
    first = learnt.told[0][1]
    few = right(read_apart(work, [(learnt.half, first)], metadata), samples_at(samples, first))
    count = len(samples) - len(first)
    findings = Findings(
        held_out=held_out,
        digits=compared(
            f"{len(dataset.test):,} test digits of {dataset.name}",
            *learner.digits_right([parent, new], dataset.test),
        ),
        losses=(float(losses_before.mean()), float(losses_after.mean())),
        better=better,
        why=why,
        curve=curve_of(before[first], few, after[first], count),
        advice=advice(after[first], few, count, len(samples)),
        epochs=learnt.epochs,
        temperature=metadata.temperature,
    )
    return Found(learnt.mean, metadata, findings)


def learn(work: Work) -> Learnt:
    """Give the lessons: one without each part, and one with half of what the first had."""
    parts = [work.part == at for at in range(PARTS)]
    lessons = [teach(work, f"lesson {at} of {PARTS}", ~own, own) for at, own in enumerate(parts, 1)]
    half = np.flatnonzero(~parts[0])[::2]
    few = teach(
        work, "lesson with half of the images", np.isin(np.arange(len(work.part)), half), parts[0]
    )
    told = []
    for lesson, own in zip(lessons, parts, strict=True):
        others = [other.losses for other in lessons if other is not lesson]
        told.append((lesson.at(best_epoch(others)), np.flatnonzero(own)))
    epoch = best_epoch([lesson.losses for lesson in lessons])
    mean = mean_weights([lesson.at(epoch) for lesson in lessons])
    return Learnt(told, few.at(epoch), mean, epoch + 1)


def teach(work: Work, name: str, chosen: Bools, watching: Bools) -> Lesson:
    """Give one lesson, or find it where an adaptation that was broken off has given it."""
    path = work.folder / "lessons" / f"{name.replace(' ', '-')}.npz"
    if path.is_file():
        return load_lesson(path)
    state = path.with_suffix(".state.npz")
    places = np.flatnonzero(chosen), np.flatnonzero(watching)
    lesson = work.learner.teach(*places, state)
    save_lesson(lesson, path)
    state.unlink(missing_ok=True)
    losses = ", ".join(f"{loss:.3f}" for loss in lesson.losses.mean(axis=1))
    work.say(f"{name}: {chosen.sum()} learnt, loss on {watching.sum()} others {losses}")
    return lesson


def losses_on(learner: Learner, told: Sequence[tuple[Weights | None, Places]]) -> Floats:
    """Return the loss of each sample by the network that is told of it; None is the old one."""
    losses = np.empty(sum(len(places) for _, places in told))
    for weights, places in told:
        losses[places] = np.minimum(learner.losses(weights, places), WORST)
    return losses


def read_apart(
    work: Work, told: Sequence[tuple[Weights, Places]], metadata: Metadata
) -> list[Reading]:
    """Return the readings of all samples that are told of, each by its network, in order."""
    found: dict[int, Reading] = {}
    for weights, places in told:
        content = work.learner.artefact(weights, metadata)
        samples = samples_at(work.learner.samples, places)
        found |= zip(places.tolist(), read_all(content, samples, work.learner.layout), strict=True)
    return [found[at] for at in sorted(found)]


def read_all(content: bytes, samples: Sequence[Sample], layout: Layout) -> list[Reading]:
    """Return what a reader with the artefact `content` says of each sample."""
    reader = Reader(content, layout=layout)
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(lambda sample: reader.read_or_error(sample.path), samples))


def samples_at(samples: Sequence[Sample], places: Places) -> list[Sample]:
    """Return the samples at `places`."""
    return [samples[at] for at in places.tolist()]


def right(readings: Sequence[Reading], samples: Sequence[Sample]) -> Bools:
    """Return which samples are read right, bool (N,): what is rejected is not."""
    pairs = zip(readings, samples, strict=True)
    return np.array([one.status == "ok" and one.text == sample.text for one, sample in pairs])


def with_curve(metadata: Metadata, readings: Sequence[Reading], right: Bools) -> Metadata:
    """Return `metadata` with the curve of error against coverage on what was held out."""
    asked = np.array([bool(reading.text) for reading in readings])
    if not asked.any():
        return metadata
    confidences = np.array([reading.confidence for reading in readings])
    curve = risk_coverage(confidences[asked], right[asked])
    return replace(metadata, val_curve=curve, val_n=int(asked.sum()))
