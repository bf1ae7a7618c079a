"""The desk: hands items to reviewers, none to two of them at once, and takes their decisions."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from inkdigits.errors import Conflict, UsageError
from inkdigits.review.decisions import Book, Decision, Decisions, Undo, Verdict
from inkdigits.review.items import Item, doubt_order, random_order

LEASE_SECONDS = 180.0
"""An item that was handed out waits so long for its reviewer to be heard of."""
CHECK_EVERY = 5
"""One of so many items is drawn at random among the accepted readings."""
MOST_DIGITS = 100


@dataclass(frozen=True)
class Filter:
    """Which items are wanted; confidence from `low` to `high`, 0–1."""

    show: Literal["open", "decided"] = "open"
    status: str | None = None
    reason: str | None = None
    low: float = 0.0
    high: float = 1.0

    def takes(self, item: Item) -> bool:
        """Return whether an item is of the kind that is wanted."""
        return (
            self.status in {None, item.status}
            and self.reason in {None, item.reason}
            and self.low <= item.confidence <= self.high
        )


@dataclass(frozen=True)
class Handed:
    """An item that is handed out; `check` says that it was drawn at random."""

    index: int
    check: bool


@dataclass
class Reviewer:
    """What the desk knows of someone: what they passed over, and how many items they got."""

    passed: set[int] = field(default_factory=set)
    handed: int = 0


class Desk:
    """The items of one table, who has which, and what was decided.

    `table` is a name that no other table has: an item is but its number in this one.

    An item that is handed out is leased: nobody else gets it until it is decided or its reviewer
    was not heard of for LEASE_SECONDS. Not safe for threads: one call at a time.
    """

    def __init__(
        self,
        items: Sequence[Item],
        decisions: Decisions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.items = list(items)
        self._decisions, self._clock = decisions, clock
        self._doubt, self._random = doubt_order(self.items), random_order(self.items)
        self._leases: dict[int, tuple[str, float]] = {}
        self._reviewers: dict[str, Reviewer] = {}
        self._left: set[str] = set()
        keys = repr([item.key for item in self.items])
        self.table = hashlib.sha256(keys.encode(errors="backslashreplace")).hexdigest()[:16]

    @property
    def book(self) -> Book:
        """What was decided so far."""
        return self._decisions.book

    def decided(self, index: int) -> Decision | None:
        """Return the decision that stands for an item, if any."""
        return self._decisions.book.of(self.items[index].key)

    def hold(self, reviewer: str, seen: Mapping[int, str | None]) -> list[int]:
        """Lease items anew to who had them; return those that someone else has, or has decided.

        `seen` has for each item the id of the decision that its reviewer saw, None for none.
        """
        lost = []
        for index, decision in seen.items():
            if self._is_free(index, reviewer) and self._stands(index, decision):
                self._lease(index, reviewer)
            else:
                lost.append(index)
        return lost

    def hand_out(self, reviewer: str, wanted: Filter, count: int) -> list[Handed]:
        """Lease up to `count` items to a reviewer, the most doubtful first, and return them.

        Among what is open, one in CHECK_EVERY is drawn at random among the accepted readings. What
        was passed over comes again once nothing else is left. Who left gets nothing.
        """
        if reviewer in self._left:
            return []
        handed = self._hand_out(reviewer, wanted, count)
        known = self._reviewers[reviewer]
        if handed or not known.passed or wanted.show != "open":
            return handed
        known.passed.clear()
        return self._hand_out(reviewer, wanted, count)

    def _hand_out(self, reviewer: str, wanted: Filter, count: int) -> list[Handed]:
        """Lease up to `count` items that were not passed over."""
        known = self._reviewers.setdefault(reviewer, Reviewer())
        fresh = (index for index in self._order(wanted) if self._is_new(index, reviewer, wanted))
        drawn = (index for index in self._random if self._is_new(index, reviewer, wanted))
        handed: list[Handed] = []
        while len(handed) < count:
            check = wanted.show == "open" and (known.handed + 1) % CHECK_EVERY == 0
            index = next(drawn, None) if check else None
            check = index is not None
            index = index if check else next(fresh, None)
            if index is None:
                break
            self._lease(index, reviewer)
            known.handed += 1
            handed.append(Handed(index, check))
        return handed

    def coming(self, reviewer: str, wanted: Filter, count: int) -> list[int]:
        """Return what would be handed out next, so that it can be made ready."""
        fresh = (index for index in self._order(wanted) if self._is_new(index, reviewer, wanted))
        return [index for index, _ in zip(fresh, range(count), strict=False)]

    def left(self, wanted: Filter) -> int:
        """Return how many items there are of the kind that is wanted, whoever has them."""
        return sum(
            (self.decided(index) is not None) == (wanted.show == "decided")
            for index, item in enumerate(self.items)
            if wanted.takes(item)
        )

    def pass_over(self, reviewer: str, indices: Sequence[int]) -> None:
        """Give items back that a reviewer does not want to see again for now."""
        self._reviewers.setdefault(reviewer, Reviewer()).passed.update(indices)
        self._give_back(reviewer, indices)

    def release(self, reviewer: str, leaves: bool = False) -> None:
        """Give back everything that a reviewer has, and forget what they passed over.

        What one who `leaves` asked for before, and is only heard now, is not handed out any more.
        """
        self._reviewers.pop(reviewer, None)
        if leaves:
            self._left.add(reviewer)
        mine = [index for index, (who, _) in self._leases.items() if who == reviewer]
        self._give_back(reviewer, mine)

    def decide(
        self,
        name: str,
        reviewer: str,
        index: int,
        verdict: Verdict,
        text: str = "",
        replaces: str | None = None,
    ) -> Decision:
        """Keep what a reviewer says of an item under the id `name`; on the disk when it returns.

        Given again with the same id it changes nothing. `replaces` is the id of the decision that
        the reviewer saw, None for none. Who has the item is not asked: a service that was started
        anew does not know it. Raises Conflict when another has decided since, UsageError for a text
        that is no number, CannotWrite.
        """
        item = self.items[index]
        check_text(verdict, text, item)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        image, spot = item.key
        made = Decision(name, image, spot, verdict, text, item.text, reviewer, now)
        if name not in self._decisions.book.entries and not self._stands(index, replaces):
            raise Conflict("that item was decided otherwise meanwhile.", "Look at it again.")
        self._decisions.add(made)
        self._leases.pop(index, None)
        if replaces is not None:  # else it would be handed out again among the decided
            self._reviewers.setdefault(reviewer, Reviewer()).passed.add(index)
        return made

    def undo(self, name: str, reviewer: str, undoes: str) -> None:
        """Take the reviewer's decision of id `undoes` back; the item is theirs again.

        Raises Conflict when it does not stand any more, UsageError when there is none, CannotWrite.
        """
        entries = self._decisions.book.entries
        undone = entries.get(undoes)
        if not isinstance(undone, Decision):
            raise UsageError(f"there is no decision {undoes[:60]!r}.")
        if name not in entries and self._decisions.book.of(undone.key) != undone:
            raise Conflict("that decision does not stand any more.", "Look at the decided ones.")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._decisions.add(Undo(name, undoes, reviewer, now))
        for index in self._indices_of(undone):
            self._reviewers.setdefault(reviewer, Reviewer()).passed.discard(index)
            if self._is_free(index, reviewer):
                self._lease(index, reviewer)

    def _indices_of(self, decision: Decision) -> Iterator[int]:
        return (n for n, item in enumerate(self.items) if item.key == decision.key)

    def _order(self, wanted: Filter) -> Sequence[int]:
        """Return the items in the order in which they are handed out."""
        if wanted.show == "open":
            return self._doubt
        found = [(decision.at, n) for n in self._doubt if (decision := self.decided(n))]
        return [index for _, index in sorted(found, reverse=True)]

    def _is_new(self, index: int, reviewer: str, wanted: Filter) -> bool:
        """Return whether an item can be handed to a reviewer who does not have it."""
        lease = self._leases.get(index)
        return (
            wanted.takes(self.items[index])
            and (self.decided(index) is not None) == (wanted.show == "decided")
            and index not in self._reviewers.setdefault(reviewer, Reviewer()).passed
            and (lease is None or lease[1] < self._clock())
        )

    def _is_free(self, index: int, reviewer: str) -> bool:
        """Return whether nobody else has an item."""
        who, until = self._leases.get(index, (reviewer, 0.0))
        return who == reviewer or until < self._clock()

    def _stands(self, index: int, decision: str | None) -> bool:
        """Return whether the decision of that id, None for none, is what stands for an item."""
        standing = self.decided(index)
        return (standing.id if standing else None) == decision

    def _lease(self, index: int, reviewer: str) -> None:
        self._leases[index] = reviewer, self._clock() + LEASE_SECONDS

    def _give_back(self, reviewer: str, indices: Sequence[int]) -> None:
        for index in indices:
            if self._leases.get(index, ("", 0.0))[0] == reviewer:
                del self._leases[index]


def check_text(verdict: Verdict, text: str, item: Item) -> None:
    """Raise UsageError unless a verdict and its text go together."""
    if verdict != "read":
        if text:
            raise UsageError(f"a verdict {verdict!r} has no text, got {text[:60]!r}.")
        if verdict == "none" and item.text:
            raise UsageError("something was read there.", "Say what it is.")
        return
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise UsageError(
            f"a number has 1–{MOST_DIGITS} digits and nothing else, got {text[:60]!r}.",
            "What is no number is marked as unreadable.",
        )
