"""CTC: what the line network says about each step of a crop becomes texts with probabilities.

A text's probability in a view is the sum over all its alignments (Graves et al. 2006), and the mean
over the views. The search extends prefixes by one digit at a time and knows the exact mass of every
prefix, that is of all texts that begin with it. So it can tell when no other text can be better,
and how much probability it has not looked into.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inkdigits.artefact.metadata import OTHER
from inkdigits.errors import InvalidData, UsageError
from inkdigits.reading.constraints import Constraints, too_slow
from inkdigits.reading.lattice import (
    BLANK,
    CLASSES,
    LEAST,
    SIGNS,
    Child,
    Floats,
    Lattice,
    Prefix,
    normalised,
    steps_of,
)

WIDTH, NARROW = 16, 4
"""Prefixes that are extended at once, and after very many were."""
RIVAL = 0.1
"""A prefix with less than this share of the best one's mass waits until the best is followed."""
PREFIXES = 128
"""Prefixes after which a search with a result ends unproven; clean images need one a digit."""
CONSTRAINED_PREFIXES = 512
"""The same with constraints, where the best text may be far from the best road."""
HARD_PREFIXES = 2000
"""The same while no text is accepted."""
REFINING_ROUNDS = 6
"""Rounds beyond the proof, to learn how much probability other accepted texts have."""
SMALL = 1e-3
"""Prefixes with less mass than this share of the best text's are not even counted."""
UNRESOLVED = 0.02
"""Unseen mass, as a share of the accepted one, that is small enough."""
SEARCH_SECONDS = 2.0
"""Processor time that a search with a pattern may take; usual ones take a hundredth of it."""


@dataclass(frozen=True)
class Candidate:
    """One text that an image may show.

    `text` is its digits, with an `OTHER` for each sign that is none; "" is no number.
    `probability`, 0–1, is that of the text given the image alone, mean over the views; over all
    texts it sums to 1. `conditional`, 0–1, is its probability given also that the constraints hold:
    its share of the probability of all accepted texts. What was not looked into counts as accepted
    (a tenth of it with a checksum, which is met by chance so often), so that it is rather too low
    than too high; without constraints it equals `probability`. `view` is the index of the view that
    shows it best, `agreement`, 0–1, the share of `probability` that the view has which shows it
    worst.
    """

    text: str
    probability: float
    conditional: float
    view: int
    agreement: float


class Span(NamedTuple):
    """Where one digit lies: its first and last step, from 0, and its confidence 0–1."""

    first: int
    last: int
    confidence: float


def decode(
    views: Sequence[NDArray[np.float32]], top: int = 1, constraints: Constraints | None = None
) -> list[Candidate]:
    """Return the most probable texts, best first, at most `top`, accepted by `constraints`.

    Each view is float (T, 12), T ≥ 1: at each step the probabilities of the digits 0–9, of another
    sign and of the blank; T may differ. The list is empty when no accepted text was found. The
    result is exact unless very many texts are about equally probable; then it is that of a beam
    search. Raises InvalidData for other arrays, UsageError for `top` below 1 and for a pattern that
    is too slow.
    """
    if top < 1:
        raise UsageError(f"top must be at least 1, got {top}.")
    search = _Search(Lattice(views), top, None if constraints == Constraints() else constraints)
    search.run()
    return search.candidates()


class _Search:
    """The search for the most probable texts: a beam first, then whatever could still be better."""

    def __init__(self, lattice: Lattice, top: int, constraints: Constraints | None) -> None:
        self.lattice, self.top, self.constraints = lattice, top, constraints
        self.accepted: dict[str, tuple[float, Floats]] = {}  # probability: the mean, and by view
        self.best: list[float] = []  # the greatest probabilities, a heap of at most `top`
        self.waiting: list[Child] = []
        self.resolved = 0.0  # mass of all texts that were met or that cannot be accepted
        self.visited = self.refined = 0
        self.is_spent = False
        # Asking for processor time is a call of the system: only a pattern can take long.
        timed = constraints is not None and constraints.pattern is not None
        self.started = (time.perf_counter(), time.thread_time()) if timed else (0.0, 0.0)

    def run(self) -> None:
        """Search until nothing better can be left, or the number of visits is used up."""
        root, probabilities = self.lattice.root()
        fresh = self.grow([root], [1.0], probabilities)
        while batch := self.follow(fresh) or self.resume():
            self.visited += len(batch)
            prefixes, probabilities = self.lattice.extend(batch)
            fresh = self.grow(prefixes, [-child[0] for child in batch], probabilities)

    def candidates(self) -> list[Candidate]:
        """Return the best accepted texts that were met."""
        known = sum(probability for probability, _ in self.accepted.values())
        whole = 1.0 if self.constraints is None else known + self.unresolved
        order = sorted(self.accepted.items(), key=lambda item: (-item[1][0], item[0]))
        return [
            Candidate(
                text,
                min(1.0, p),
                min(1.0, p / whole),
                int(views.argmax()),
                min(1.0, float(views.min()) / max(p, LEAST)),
            )
            for text, (p, views) in order[: self.top]
        ]

    @property
    def bound(self) -> float:
        """The mass that a prefix must exceed to lead to one of the best texts."""
        return self.best[0] if len(self.best) == self.top else LEAST

    @property
    def matters(self) -> float:
        """The mass that counts: with constraints, also less than could change the best texts."""
        return self.bound if self.constraints is None else max(LEAST, SMALL * self.bound)

    @property
    def unresolved(self) -> float:
        """The mass that accepted texts may have among those that were not met."""
        chance = 1.0 if self.constraints is None else self.constraints.chance
        return chance * max(0.0, 1 - self.resolved)

    def follow(self, fresh: list[Child]) -> list[Child]:
        """Return the best of the prefixes that have just grown, a beam; let the others wait.

        A beam is followed to its end, with less width when very many prefixes were visited.
        """
        fresh.sort()
        width = 0 if self.is_spent else WIDTH if self.visited < PREFIXES else NARROW
        batch: list[Child] = []
        least = self.bound
        for index, child in enumerate(fresh):
            if -child[0] <= least or len(batch) == width:
                for other in fresh[index:]:
                    heapq.heappush(self.waiting, other)
                break
            if self.may_begin(child):
                batch.append(child)
                least = max(least, -RIVAL * batch[0][0])
        return batch

    def resume(self) -> list[Child]:
        """Return the best of the prefixes that wait, none when they can change nothing any more."""
        batch: list[Child] = []
        least = 0.0
        while self.waiting and len(batch) < WIDTH and -self.waiting[0][0] > least:
            if not batch and self.is_settled(-self.waiting[0][0]):
                break
            child = heapq.heappop(self.waiting)
            if self.may_begin(child):
                batch.append(child)
                least = -RIVAL * batch[0][0]
        self.refined += bool(batch) and (self.is_spent or -batch[0][0] <= self.bound)
        return batch

    def is_settled(self, greatest: float) -> bool:
        """Tell whether the best texts stand and the share of others is known, or costs too much.

        `greatest` is the mass of the greatest prefix that waits.
        """
        most = PREFIXES if self.constraints is None else CONSTRAINED_PREFIXES
        self.is_spent = self.visited >= (most if self.accepted else HARD_PREFIXES)
        if greatest > self.bound and not self.is_spent:
            return False
        if self.constraints is None or not self.accepted or self.refined >= REFINING_ROUNDS:
            return True
        known = sum(probability for probability, _ in self.accepted.values())
        return self.unresolved <= UNRESOLVED * known

    def may_begin(self, child: Child) -> bool:
        """Tell whether an accepted text may begin so; if none does, its mass is resolved."""
        if self.constraints is None:
            return True
        if OTHER not in child[1] and self.constraints.may_begin(child[1]):
            return True
        self.resolved -= child[0]
        self.check_time()
        return False

    def grow(
        self, prefixes: list[Prefix], masses: list[float], probabilities: Floats
    ) -> list[Child]:
        """Meet the texts `prefixes` and return the prefixes that grow out of them.

        `masses` are theirs, `probabilities`, (W, V), those of their texts. Where a text is accepted
        and more probable than all that begin with it, what grows out of it waits.
        """
        growing: list[Prefix] = []
        ended: list[Prefix] = []
        for prefix, mass, views in zip(prefixes, masses, probabilities, strict=True):
            probability = sum(views.tolist()) / len(views)
            accepted = self.meet(prefix.text, probability, views)
            if mass - probability > self.matters:
                (ended if accepted and 2 * probability > mass else growing).append(prefix)
        for child in self.children(ended):
            heapq.heappush(self.waiting, child)
        return self.children(growing)

    def meet(self, text: str, probability: float, views: Floats) -> bool:
        """Count the probability of `text`, the mean and by view; tell whether it is accepted."""
        if self.constraints is not None:
            self.check_time()
            if probability <= self.matters:
                return False
        self.resolved += probability
        if self.constraints is not None and not self.constraints.accepts(text):
            return False
        self.accepted[text] = probability, views
        if len(self.best) < self.top:
            heapq.heappush(self.best, probability)
        else:
            heapq.heappushpop(self.best, probability)
        return True

    def children(self, prefixes: list[Prefix]) -> list[Child]:
        """Return the prefixes that are one sign longer and have mass that counts."""
        if not prefixes:
            return []
        least = self.matters
        return [
            (-mass, prefix.text + SIGNS[label], prefix)
            for prefix, masses in zip(prefixes, self.lattice.masses(prefixes).tolist(), strict=True)
            for label, mass in enumerate(masses)
            if mass > least
        ]

    def check_time(self) -> None:
        """Raise UsageError when comparing with the pattern has taken too long in all."""
        if self.constraints is None or self.constraints.pattern is None:
            return
        wall, processor = self.started
        if (
            time.perf_counter() - wall > SEARCH_SECONDS
            and time.thread_time() - processor > SEARCH_SECONDS
        ):
            raise too_slow(self.constraints.pattern)


def align(view: NDArray[np.float32], text: str) -> list[Span]:
    """Return where each digit of `text` lies in `view`, float (T, 12), on its best alignment.

    Spans are in steps, from left to right, and do not overlap. The confidence of a digit is the
    probability that it is the first to be read between its neighbours' spans, over all alignments
    there; what the digit before still adds to its own span is left out of account. Raises
    InvalidData for another array and for a text that needs more steps than there are.
    """
    if not set(text) <= set(SIGNS):
        raise InvalidData(f"only digits and {OTHER!r} can be aligned, got {text!r}.")
    digits = [SIGNS.index(sign) for sign in text]
    needed = len(digits) + sum(a == b for a, b in pairwise(digits))
    if needed > steps_of(view):
        raise InvalidData(f"{text!r} needs {needed} steps, got a view of {len(view)}.")
    classes = normalised(view.T.astype(np.float64))
    places = best_alignment(np.log(np.maximum(classes, LEAST)), digits)
    edges = [(-1, -1), *places, (len(view), len(view))]
    return [
        Span(*place, first_read(classes[:, before[1] + 1 : after[0]], digit, previous))
        for digit, previous, place, before, after in zip(
            digits, [BLANK, *digits], places, edges, edges[2:], strict=False
        )
    ]


def best_alignment(logs: Floats, digits: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and last step of each digit on the most probable alignment (Viterbi).

    `logs` is (12, T). Each digit is one pass over all steps: staying at it from step s to t costs
    the difference of two sums, so that the best s for every t is a running maximum.
    """
    sums = np.zeros((CLASSES, logs.shape[1] + 1))
    np.cumsum(logs, axis=1, out=sums[:, 1:])
    blank = sums[BLANK]
    closed, ending = blank, np.full_like(blank, -np.inf)
    entries: list[tuple[Floats, Floats, Floats]] = []
    for previous, digit in zip([BLANK, *digits], digits, strict=False):
        before = closed if digit == previous else np.maximum(closed, ending)
        from_blank = closed >= before
        entered = before - sums[digit]
        ending = np.full_like(blank, -np.inf)
        ending[1:] = np.maximum.accumulate(entered[:-1]) + sums[digit, 1:]
        left = ending - blank
        closed = np.full_like(blank, -np.inf)
        closed[1:] = np.maximum.accumulate(left[:-1]) + blank[1:]
        entries.append((from_blank, entered, left))
    places: list[tuple[int, int]] = []
    stop, in_blank = logs.shape[1], bool(closed[-1] > ending[-1])
    for from_blank, entered, left in reversed(entries):
        if in_blank:
            stop = int(left[:stop].argmax())
        start = int(entered[:stop].argmax())
        places.append((start, stop - 1))
        stop, in_blank = start, bool(from_blank[start])
    return places[::-1]


def first_read(window: Floats, digit: int, previous: int) -> float:
    """Return the probability that `digit` is read first in `window`, (12, steps), 0–1.

    `previous` may still be read before it, unless it is the same digit.
    """
    silent = window[BLANK].copy()
    if previous not in (BLANK, digit):
        silent += window[previous]
    silent[1:] = silent[:-1].cumprod()
    silent[0] = 1
    return min(1.0, float(silent @ window[digit]))
