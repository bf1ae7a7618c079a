"""Trust: how probably a number that was seen in all looks is right."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inkdigits.reading.ctc import Candidate
from inkdigits.reading.number import is_number

LOOKED_AT = 4
"""So many candidates of a number are looked at, at least, where more than the best one matters."""
SLOPE, SHIFT = 0.9, 2.42
"""Of the odds' logarithm, so that what is told is how often it is right (Platt, 1999).

Fitted to 10,000 made pages, of digits that no network learnt, read by the bundled networks;
`benchmarks/trust.py` fits them to others and tells how far they hold.
"""
TINY = 1e-6


def confidences(candidates: Sequence[Candidate]) -> list[float]:
    """Return how probably each number among a number's candidates is the right one, 0–1.

    Candidates come best first, and the best one is a number. The other numbers share what it
    leaves, and have no more than it.
    """
    best = candidates[0]
    rivals = [other for other in candidates[1:LOOKED_AT] if is_number(other)]
    trust = calibrated(reliance(best, rivals[0] if rivals else None))
    left = max(1 - best.conditional, TINY)
    others = [other for other in candidates[1:] if is_number(other)]
    return [trust, *(min(trust, (1 - trust) * other.conditional / left) for other in others)]


def calibrated(score: float) -> float:
    """Return how often what has this score, 0–1, is right, 0–1."""
    share = min(1 - TINY, max(TINY, score))
    return 1 / (1 + math.exp(-SLOPE * math.log(share / (1 - share)) - SHIFT))


def reliance(best: Candidate, rival: Candidate | None) -> float:
    """Return a score of the best number, 0–1, that orders the right ones first.

    Its probability, of which counts half what the look does not see that shows it worst, less the
    share by which its `rival` comes near: what one look is sure of is doubtful where another sees
    something else.
    """
    other = 0.0 if rival is None else rival.conditional
    nearness = min(1.0, other / best.conditional) if best.conditional else 1.0
    return best.conditional * (1 + best.agreement) / 2 * (1 - nearness)
