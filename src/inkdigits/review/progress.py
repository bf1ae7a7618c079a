"""Progress: how much was decided, and how much error is left if the review ends now."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.review.decisions import Decision
from inkdigits.review.desk import Desk
from inkdigits.review.export import word_of
from inkdigits.review.items import Item
from inkdigits.review.remaining import remaining


def tally(desk: Desk) -> dict[str, Any]:
    """Return how many items there are, how many wait, and what was said of the others."""
    said = {"accepted": 0, "corrected": 0, "unreadable": 0}
    for index, item in enumerate(desk.items):
        decision = desk.decided(index)
        if decision is not None:
            said[word_of(decision, item.text)] += 1
    return {"items": len(desk.items), "open": len(desk.items) - sum(said.values()), **said}


@dataclass(frozen=True)
class Evidence:
    """What `remaining` estimates from: its first four arguments."""

    unseen: NDArray[np.float64]
    seen: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    n: int


def evidence(desk: Desk) -> Evidence:
    """Return what is known of the readings.

    They are those that the corrected results hold: what the reader accepted and nobody looked at,
    and what people read.
    """
    unseen: list[float] = []
    seen: list[float] = []
    wrong: list[bool] = []
    read = 0
    for index, item in enumerate(desk.items):
        decision = desk.decided(index)
        read += decision is not None and decision.verdict == "read"
        if not item.accepted:
            continue
        if decision is None:
            unseen.append(item.confidence)
        else:
            seen.append(item.confidence)
            wrong.append(is_wrong(item, decision))
    readings = max(1, len(unseen) + read)
    return Evidence(np.array(unseen), np.array(seen), np.array(wrong, bool), readings)


def is_wrong(item: Item, decision: Decision) -> bool:
    """Return whether an accepted reading was misread; what nobody can read should not have been."""
    return decision.verdict != "read" or decision.text != item.text


async def progress(desk: Desk, target: float) -> dict[str, Any]:
    """Return the tally and, as `remaining`, the estimate for the share 0–1 that is wanted."""
    told, known = tally(desk), evidence(desk)
    left = await asyncio.to_thread(
        remaining, known.unseen, known.seen, known.wrong, known.n, target
    )
    return told | {"target": target, "remaining": asdict(left)}
