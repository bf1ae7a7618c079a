"""The real images that readers are compared on, and how their answers are counted."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paper import DOUBTFUL, LOOK_ALIKES

# Sets of numbers; of `marksheet` those are the cells that hold an integer.
NUMBERS = ("cheques", "numbers", "marksheet", "photos", "drawings")
# Sets of what is no number: counted when something reads it as one all the same.
SYMBOLS = "symbols"
OTHERS = "no numbers"
# Separates the lines of a label: such an image is no single number, nor is it none.
LINES = "|"
MAY_BE_WRONG = 0.01
CONFIDENT = 0.9
"""A score from which on a reader is confident."""


@dataclass(frozen=True)
class Sample:
    """One image: its path, and its number, or None when it shows none."""

    path: Path
    number: str | None


@dataclass(frozen=True)
class Answer:
    """What a reader said, with its score, and whether it stands by it."""

    text: str
    score: float
    sure: bool = True

    @property
    def digits(self) -> str:
        """The text without anything but digits."""
        return re.sub("[^0-9]", "", self.text)


@dataclass(frozen=True)
class Tally:
    """How many of `n` numbers were read right, read wrong, and not read.

    `right_at_all` counts what is right whether or not the reader stands by it; `share_read` is the
    share of all that is read when 1 % of those read may be wrong.
    """

    n: int
    right: int
    wrong: int
    empty: int
    right_at_all: int
    share_read: float

    @property
    def share(self) -> float:
        """The share that was read right, whether or not the reader stands by it."""
        return self.right_at_all / self.n


def load_sets(paper: Path) -> dict[str, list[Sample]]:
    """Return the samples of each set, numbers first; doubtful rows are left out."""
    sets: dict[str, list[Sample]] = {name: [] for name in NUMBERS}
    others: dict[str, list[Sample]] = {}
    for name in (*NUMBERS, SYMBOLS):
        for sample in samples_of(paper / name):
            group = sets[name] if sample.number else others.setdefault(name, [])
            group.append(sample)
    return sets | {f"{name}: {OTHERS}": samples for name, samples in others.items()}


def samples_of(folder: Path) -> list[Sample]:
    """Return a set's samples; without what is doubtful, has several lines or looks like a digit."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    samples = []
    for row in rows:
        label = row["label"]
        doubtful = DOUBTFUL in label or row.get("note") == "doubtful"
        if doubtful or LINES in label or label in LOOK_ALIKES:
            continue
        number = label if label.isascii() and label.isdigit() else None
        samples.append(Sample(folder / row["file"], number))
    return samples


def shows_numbers(name: str) -> bool:
    """Return whether a set of `load_sets` holds numbers."""
    return not name.endswith(OTHERS)


def tally(samples: Sequence[Sample], answers: Sequence[Answer]) -> Tally:
    """Count the answers on images that show a number; everything but digits is ignored."""
    pairs = list(zip(samples, answers, strict=True))
    said = [(sample, answer) for sample, answer in pairs if answer.sure and answer.digits]
    right = sum(answer.digits == sample.number for sample, answer in said)
    at_all = [answer.digits == sample.number for sample, answer in pairs]
    return Tally(
        n=len(pairs),
        right=right,
        wrong=len(said) - right,
        empty=len(pairs) - len(said),
        right_at_all=sum(at_all),
        share_read=share_read(at_all, [answer.score for answer in answers]),
    )


def share_read(right: Sequence[bool], scores: Sequence[float]) -> float:
    """Return the largest share that is read at a score's threshold with 1 % of it wrong."""
    order = sorted(zip(scores, right, strict=True), key=lambda pair: -pair[0])
    best = wrong = 0
    for place, (score, is_right) in enumerate(order, start=1):
        wrong += not is_right
        # Equal scores are read together or not at all.
        last = place == len(order) or order[place][0] < score
        if last and wrong <= MAY_BE_WRONG * place:
            best = place
    return best / len(order)


def read_as_number(answers: Sequence[Answer], least: float = 0.0) -> int:
    """Return how many answers on images without a number are one: digits, and nothing else.

    Those count that the reader stands by, with a score of at least `least`.
    """
    texts = [one.text.strip() for one in answers if one.sure and one.score >= least]
    return sum(text.isascii() and text.isdigit() for text in texts)


def with_digits(answers: Sequence[Answer]) -> int:
    """Return how many answers have digits in them."""
    return sum(bool(answer.digits) for answer in answers if answer.sure)
