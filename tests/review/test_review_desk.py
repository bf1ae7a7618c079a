"""The desk: doubtful items first, none to two reviewers at once, and random checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reviewing import row_of

from inkdigits.errors import Conflict, UsageError
from inkdigits.review.decisions import Decisions
from inkdigits.review.desk import CHECK_EVERY, LEASE_SECONDS, Desk, Filter
from inkdigits.review.items import Item, doubt_order, items_of, random_order

OPEN = Filter()


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made_items() -> list[Item]:
    rows = [row_of(f"{n}.png", "7", round(0.9 + 0.001 * n, 3)) for n in range(40)]
    rows.append(row_of("blank.png", "", 0.0, status="rejected", reason="blank"))
    rows.append(row_of("unsure.png", "3", 0.4, status="rejected", reason="unsure"))
    rows.append(row_of("broken.png", "", 0.0, status="error", error="no image."))
    rows.append(row_of("sign.png", "", 0.0, status="rejected", reason="not_a_digit"))
    return items_of(rows)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    with Decisions(tmp_path / "d") as decisions:
        yield Desk(made_items(), decisions, clock)


def names(desk: Desk, indices: list[int]) -> list[str]:
    return [desk.items[index].key.image for index in indices]


def take(desk: Desk, reviewer: str, count: int, wanted: Filter = OPEN) -> list[int]:
    return [one.index for one in desk.hand_out(reviewer, wanted, count)]


def test_doubtful_first() -> None:
    items = made_items()
    order = [items[index].key.image for index in doubt_order(items)]
    assert order[:4] == ["unsure.png", "sign.png", "0.png", "1.png"]
    assert order[-3:] == ["39.png", "blank.png", "broken.png"]


def test_one_in_five_is_drawn_at_random_among_the_accepted(desk: Desk) -> None:
    handed = desk.hand_out("a", OPEN, 20)
    checks = [one.index for one in handed if one.check]
    assert [n for n, one in enumerate(handed, 1) if one.check] == [5, 10, 15, 20]
    assert len(handed) // CHECK_EVERY == len(checks)
    drawn = [n for n in random_order(desk.items) if n in checks]
    assert drawn == checks and all(desk.items[n].accepted for n in checks)
    assert random_order(desk.items) == random_order(made_items()), "the same at every start"


def test_nobody_gets_what_another_has_until_they_are_not_heard_of(desk: Desk, clock: Clock) -> None:
    first, second = take(desk, "a", 8), take(desk, "b", 8)
    assert not set(first) & set(second)
    clock.now += LEASE_SECONDS - 1
    assert desk.hold("a", dict.fromkeys(first)) == []
    clock.now += 2
    third = take(desk, "c", 50)
    assert set(second) <= set(third) and not set(first) & set(third)
    assert desk.hold("b", dict.fromkeys(second)) == second, "they are told"


def test_the_first_decision_counts_whoever_has_the_item(desk: Desk) -> None:
    (index,) = take(desk, "a", 1)  # as a service hands out anew what b had before it was killed
    desk.decide("b2", "b", index, "read", "7")
    with pytest.raises(Conflict, match="decided otherwise"):
        desk.decide("a1", "a", index, "read", "8")
    assert desk.hold("a", {index: None}) == [index]
    assert index not in take(desk, "a", 50)


def test_the_same_id_again_is_answered_as_before(desk: Desk) -> None:
    (index,) = take(desk, "a", 1)
    for _ in range(2):
        desk.decide("a1", "a", index, "read", "7")
    for _ in range(2):
        desk.undo("a2", "a", "a1")
    assert desk.decided(index) is None
    with pytest.raises(Conflict):
        desk.decide("a1", "a", index, "read", "8")


def test_what_was_taken_back_is_the_reviewers_again(desk: Desk) -> None:
    (index,) = take(desk, "a", 1)
    desk.decide("a1", "a", index, "unreadable")
    desk.undo("a2", "a", "a1")
    assert index not in take(desk, "b", 50)
    desk.decide("a3", "a", index, "read", "5")
    decision = desk.decided(index)
    assert decision is not None and decision.text == "5"
    with pytest.raises(Conflict, match="does not stand"):
        desk.undo("a4", "a", "a1")
    with pytest.raises(UsageError, match="no decision 'x'"):
        desk.undo("a5", "a", "x")


def test_a_decided_item_is_changed_only_by_who_saw_it_decided(desk: Desk) -> None:
    (index,) = take(desk, "a", 1)
    desk.decide("a1", "a", index, "read", "7")
    decided = Filter(show="decided")
    assert take(desk, "b", 5, decided) == [index]
    with pytest.raises(Conflict):
        desk.decide("b1", "b", index, "read", "8")
    desk.decide("b2", "b", index, "read", "8", replaces="a1")
    assert take(desk, "b", 5, decided) == [], "not again to who has just changed it"


def test_passed_over_and_released_items_come_back(desk: Desk) -> None:
    first = take(desk, "a", 3)
    desk.pass_over("a", first[:1])
    assert first[0] not in take(desk, "a", 50)
    desk.release("a")
    assert set(first) <= set(take(desk, "a", 50))


def test_what_was_left_for_later_comes_once_nothing_else_is_left(desk: Desk) -> None:
    (later,) = take(desk, "a", 1)
    desk.pass_over("a", [later])
    rest = take(desk, "a", 50)
    assert later not in rest
    assert take(desk, "a", 5) == [later]
    assert take(desk, "a", 5) == [], "it is looked at"


def test_who_left_is_handed_nothing_that_was_asked_for_before(desk: Desk) -> None:
    take(desk, "a", 3)
    desk.release("a", leaves=True)
    assert take(desk, "a", 3) == []
    assert len(take(desk, "b", 50)) == len(desk.items)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(reason="blank"), {"blank.png"}),
        (Filter(status="error"), {"broken.png"}),
        (Filter(status="rejected"), {"blank.png", "unsure.png", "sign.png"}),
        (Filter(status="ok", low=0.9, high=0.902), {"0.png", "1.png", "2.png"}),
    ],
)
def test_filters(desk: Desk, wanted: Filter, expected: set[str]) -> None:
    assert desk.left(wanted) == len(expected)
    assert set(names(desk, take(desk, "a", 50, wanted))) == expected


@pytest.mark.parametrize(
    ("verdict", "text"), [("read", ""), ("read", "4x"), ("read", "٣"), ("none", ""), ("none", "4")]
)
def test_what_cannot_be_said_is_refused(desk: Desk, verdict: str, text: str) -> None:
    (index,) = take(desk, "a", 1)
    with pytest.raises(UsageError):
        desk.decide("a1", "a", index, verdict, text)  # type: ignore[arg-type]
    assert desk.decided(index) is None


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    moves=st.lists(
        st.tuples(
            st.sampled_from("abc"), st.sampled_from(["take", "decide", "undo", "wait", "leave"])
        ),
        max_size=60,
    )
)
def test_whatever_reviewers_do_no_item_is_decided_by_two(
    tmp_path: Path, moves: list[tuple[str, str]]
) -> None:
    path, clock = tmp_path / "d", Clock()
    path.unlink(missing_ok=True)
    with Decisions(path) as decisions:
        desk = Desk(made_items()[:6], decisions, clock)
        has: dict[str, list[int]] = {"a": [], "b": [], "c": []}
        said: dict[str, list[str]] = {"a": [], "b": [], "c": []}
        standing: dict[int, str] = {}
        for n, (who, move) in enumerate(moves):
            if move == "take":
                has[who] += take(desk, who, 2)
            elif move == "decide" and has[who]:
                index = has[who].pop(0)
                try:
                    desk.decide(f"m{n}", who, index, "read", "7")
                except Conflict:
                    continue
                assert index not in standing, "it was decided already"
                standing[index] = f"m{n}"
                said[who].append(f"m{n}")
            elif move == "undo" and said[who]:
                name = said[who].pop()
                desk.undo(f"m{n}", who, name)
                index = next(item for item, told in standing.items() if told == name)
                del standing[index]
                has[who].insert(0, index)
            elif move == "wait":
                clock.now += LEASE_SECONDS * 0.7
            elif move == "leave":
                desk.release(who)
                has[who].clear()
        told = {n: decision.id for n in range(6) if (decision := desk.decided(n))}
        assert told == standing
    with Decisions(path) as again:
        desk = Desk(made_items()[:6], again, clock)
        assert {n: d.id for n in range(6) if (d := desk.decided(n))} == standing
