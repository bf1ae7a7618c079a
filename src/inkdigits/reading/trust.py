"""Trust: how far a number that was seen in all looks can be relied on."""

from __future__ import annotations

from collections.abc import Sequence

from inkdigits.reading.ctc import Candidate


def confidences(numbers: Sequence[Candidate]) -> list[float]:
    """Return how far each of some numbers, best first, can be relied on, 0–1.

    What no two looks agree on counts half, and the best loses by how near the next best comes: what
    one look is sure of is doubtful where another sees something else. The others are relied on no
    more than the best one. `benchmarks/trust.py` tells what it is worth.
    """
    best, *others = numbers
    rival = others[0].conditional if others else 0.0
    nearness = rival / best.conditional if best.conditional else 1.0
    trust = agreed(best) * (1 - nearness)
    return [trust, *(min(trust, agreed(other)) for other in others)]


def agreed(candidate: Candidate) -> float:
    """Return a candidate's probability, what no two looks agree on counted half."""
    return candidate.conditional * (1 + candidate.agreement) / 2
