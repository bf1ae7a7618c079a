"""Trust: how probably a number that was seen in all looks is right."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inkdigits.reading.ctc import Candidate

SLOPE, SHIFT = 0.9, 2.42
"""Of the odds' logarithm, so that what is told is how often it is right (Platt, 1999).

Fitted to made numbers that no network learnt; `benchmarks/trust.py` fits them anew and tells how
far they hold.
"""
TINY = 1e-6


def confidences(numbers: Sequence[Candidate]) -> list[float]:
    """Return how probably each of some numbers, best first, is the right one, 0–1.

    The others share what the best one leaves, and have no more than it.
    """
    best, *others = numbers
    trust = calibrated(reliance(numbers))
    left = max(1 - best.conditional, TINY)
    return [trust, *(min(trust, (1 - trust) * other.conditional / left) for other in others)]


def calibrated(reliance: float) -> float:
    """Return how often what has this `reliance`, 0–1, is right, 0–1."""
    share = min(1 - TINY, max(TINY, reliance))
    return 1 / (1 + math.exp(-SLOPE * math.log(share / (1 - share)) - SHIFT))


def reliance(numbers: Sequence[Candidate]) -> float:
    """Return a score of the best of some numbers, 0–1, that orders the right ones first.

    Its probability, of which counts half what no two looks agree on, less the share by which the
    next number comes near: what one look is sure of is doubtful where another sees something else.
    """
    best = numbers[0]
    rival = numbers[1].conditional if len(numbers) > 1 else 0.0
    nearness = rival / best.conditional if best.conditional else 1.0
    return best.conditional * (1 + best.agreement) / 2 * (1 - nearness)
