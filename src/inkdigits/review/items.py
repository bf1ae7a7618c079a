"""Items: what there is to decide in a table of readings, one number each, and in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from inkdigits.reading.result import Spot
from inkdigits.reading.table_file import Row

OK, REJECTED, ERROR = "ok", "rejected", "error"
RANK = {"unsure": 0, "not_a_digit": 1, None: 2, "blank": 3}
"""What is looked at first: the reason of a rejection, None for a reading; errors come last."""


class Key(NamedTuple):
    """What a decision is about: an image, and a spot in it where it holds several numbers."""

    image: str
    spot: Spot | None


@dataclass(frozen=True, slots=True)
class Item:
    """One number to decide on, or an image in which none was read.

    `text` is what was read, "" for nothing, `confidence` 0–1 how surely; `reason` is why it was
    rejected; `numbers` are the parts of its reading with boxes in source pixels.
    """

    key: Key
    status: str
    reason: str | None
    error: str | None
    text: str
    confidence: float
    numbers: tuple[dict[str, Any], ...]

    @property
    def accepted(self) -> bool:
        """Whether the reader stands to what it read."""
        return self.status == OK


def items_of(rows: Iterable[Row]) -> list[Item]:
    """Return the items of a table's rows, in their order; an image comes once."""
    found: dict[Key, Item] = {}
    for row in rows:
        for item in items_in(row):
            found.setdefault(item.key, item)
    return list(found.values())


def items_in(row: Row) -> list[Item]:
    """Return the items of one image: each of several numbers is one, else it is the image."""
    numbers = row["numbers"]
    if len(numbers) < 2 and not any("page" in number for number in numbers):
        item = Item(
            Key(row["image"], None),
            row["status"],
            row.get("reason"),
            row.get("error"),
            row["text"],
            row["confidence"],
            tuple(numbers),
        )
        return [item]
    return [item_on_page(row["image"], number) for number in numbers]


def item_on_page(image: str, number: dict[str, Any]) -> Item:
    """Return one of several numbers of an image as an item."""
    reason = number.get("reason")
    return Item(
        Key(image, spot_of(number)),
        REJECTED if reason else OK,
        reason,
        None,
        number["text"],
        number["confidence"],
        (number,),
    )


def spot_of(number: dict[str, Any]) -> Spot:
    """Return where a number of an image stands."""
    left, top, width, height = number["box"]
    return Spot(number.get("page", 1), (left, top, width, height))


def doubt_order(items: list[Item]) -> list[int]:
    """Return the indices of `items`, the most doubtful first.

    Those rejected as unsure, then as no digit, then the readings by rising confidence, then what
    seems blank, then what could not be opened; within a kind by rising confidence.
    """

    def place(index: int) -> tuple[int, float, int]:
        item = items[index]
        rank = len(RANK) if item.status == ERROR else RANK[item.reason]
        return rank, item.confidence, index

    return sorted(range(len(items)), key=place)


def random_order(items: list[Item]) -> list[int]:
    """Return the indices of the accepted items in an order that has nothing to do with them.

    It goes by a hash of each key, so that it is the same at every start.
    """

    def place(index: int) -> bytes:
        return hashlib.sha256(repr(items[index].key).encode(errors="surrogatepass")).digest()

    return sorted((n for n, item in enumerate(items) if item.accepted), key=place)
