"""What an adaptation found: before and after, with intervals, and what more images would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.selective import Z_95, wilson_interval
from inkdigits.evaluation.paired import Paired, compare_models

Bools = NDArray[np.bool_]
Z_90 = 1.6448536269514722
"""The standard normal deviate of a one-sided test at 5 %."""
MOST_FORGOTTEN = 0.003
"""A new model that loses more than this share of the usual digits, of 2,000, is not taken."""
SANE = 0.5
"""Labels that the old model agrees with less often than this may be wrong ones."""
SURE = 0.02
"""Then the new one must be better with a p value (McNemar) of at most this."""
WORTH = 0.01
"""A doubling of the images that brings less than this is not worth the trouble."""


@dataclass(frozen=True)
class Measured:
    """How many of `n` images two models read right, the old one and the new one."""

    name: str
    n: int
    before: int
    after: int
    paired: Paired

    def line(self) -> str:
        """Return what is printed of it."""
        low, high = self.paired.interval
        return (
            f"{self.name}: {shown(self.before, self.n)} before, {shown(self.after, self.n)} after; "
            f"difference {100 * self.paired.difference:+.2f} points "
            f"(95 % interval {100 * low:+.2f} to {100 * high:+.2f})"
        )


@dataclass(frozen=True)
class CurvePoint:
    """So many images learnt: how many of `n` others are read right then."""

    learnt: int
    right: int
    n: int


@dataclass(frozen=True)
class Findings:
    """What was measured, and what follows from it.

    `held_out` counts each image as read by a network that did not learn it; `digits` are those of
    MNIST's test, or of what stood in for it. `better` says whether the new model is taken, `why`
    what decided it; `losses` are the mean losses on the images held out, before and after; `epochs`
    is how long the networks learnt whose mean the new model is.
    """

    held_out: Measured
    digits: Measured
    losses: tuple[float, float]
    better: bool
    why: str
    curve: tuple[CurvePoint, ...]
    advice: str
    epochs: int
    temperature: float

    @property
    def scores(self) -> dict[str, float]:
        """What the artefact carries of it."""
        parts = {"held_out": self.held_out, "digits": self.digits}
        return {f"{name}_accuracy": part.after / part.n for name, part in parts.items()} | {
            f"parent_{name}_accuracy": part.before / part.n for name, part in parts.items()
        }


@dataclass(frozen=True)
class Report:
    """What an adaptation came to; `model` is the file that is there now.

    `left_out` images show no ink. The hashes are those of the old model's file and of the images
    with their labels.
    """

    model: Path
    kind: str
    findings: Findings
    left_out: int
    seconds: float
    parent_sha256: str
    data_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Return every field as plain numbers, texts, lists and dicts, ready for JSON."""
        return {**asdict(self), "model": str(self.model)}

    def lines(self) -> Iterator[str]:
        """Yield what is printed."""
        found = self.findings
        if self.left_out:
            yield f"left out, since they show no ink: {self.left_out}"
        yield found.held_out.line()
        yield found.digits.line()
        points = ", ".join(
            f"{point.learnt} learnt {point.right / point.n:.1%}" for point in found.curve
        )
        yield f"learning curve, {found.curve[0].n} images held out: {points}"
        yield found.advice
        yield f"{'adapted' if found.better else 'the old model is kept'}: {found.why}"
        yield f"{self.seconds:.0f} s  model  {self.model}"


def shown(right: int, n: int) -> str:
    """Return a share with its interval as text."""
    low, high = wilson_interval(right, n)
    return f"{right / n:.2%} ({low:.2%}–{high:.2%}) of {n:,} right"


def compared(name: str, before: Bools, after: Bools) -> Measured:
    """Return the comparison of two models on the same images."""
    paired = compare_models(after, before, np.ones(len(before), bool))
    return Measured(name, len(before), int(before.sum()), int(after.sum()), paired)


def judge(held_out: Measured, fall: NDArray[np.float64], forgotten: float) -> tuple[bool, str]:
    """Return whether the new model is better, and what decided it.

    It must read more of the images held out, and the loss on them must `fall` (N,) by more than
    chance explains: that tells more than counts where images are few. Where the old one agrees with
    few labels, the counts must be sure: a network that learns wrong labels gets less wrong about
    them. `forgotten` is the share of usual digits that it reads no more.
    """
    if held_out.after <= held_out.before:
        return False, (
            f"the new one reads {held_out.after} of {held_out.n} images right that it did not "
            f"learn from, the old one {held_out.before}."
        )
    if held_out.before < SANE * held_out.n and held_out.paired.p_value > SURE:
        return False, (
            f"the old one reads {held_out.before} of {held_out.n} images as they are labelled, the "
            f"new one hardly more, {held_out.after}. Check the labels."
        )
    mean, spread = float(fall.mean()), float(fall.std(ddof=1)) / sqrt(len(fall))
    if mean <= Z_90 * spread:
        return False, "the new one is not better by more than chance explains."
    if forgotten > MOST_FORGOTTEN:
        return False, f"the new one reads {100 * forgotten:.2f} points less of the usual digits."
    return True, (
        f"{held_out.after - held_out.before} more of {held_out.n} images are read right by "
        "networks that did not learn from them."
    )


def advice(whole: Bools, half: Bools, learnt: int, n: int) -> str:
    """Return whether more images are worth collecting, by what the last doubling brought.

    `whole` and `half` (N,) say which images are read right by networks that learnt `learnt` others,
    and half as many; `n` images are there.
    """
    gain = whole.astype(float) - half
    mean = float(gain.mean())
    error = float(gain.std(ddof=1)) / sqrt(len(gain)) if len(gain) > 1 else 0.0
    told = (
        f"twice as many images, {learnt} instead of {learnt // 2}, brought {100 * mean:+.1f} points"
    )
    if mean >= WORTH and mean > error:
        return f"{told}: some {n} more are worth collecting."
    if mean + Z_95 * error < WORTH:
        return f"{told}: more images of this kind would bring little."
    return f"{told} (± {196 * error:.1f}): too few to say what more would bring."


def curve_of(before: Bools, half: Bools, whole: Bools, learnt: int) -> tuple[CurvePoint, ...]:
    """Return the learning curve: nothing learnt, half, and all."""
    parts: Sequence[tuple[int, Bools]] = ((0, before), (learnt // 2, half), (learnt, whole))
    return tuple(CurvePoint(count, int(right.sum()), len(right)) for count, right in parts)
