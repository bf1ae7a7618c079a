"""The file of decisions: nothing kept is lost or doubled, whatever became of its end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inkdigits.errors import CannotWrite, Conflict, InvalidData, UsageError
from inkdigits.reading.result import Spot
from inkdigits.review.decisions import Book, Decision, Decisions, Undo, load
from inkdigits.review.items import Key

SPOT = Spot(2, (3, 4, 50, 60))


def decision(
    name: str, image: str = "a.png", text: str = "7", spot: Spot | None = None
) -> Decision:
    return Decision(name, image, spot, "read", text, "1", "someone", "2026-01-01T00:00:00+00:00")


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "r.csv.decisions"
    with Decisions(path) as decisions:
        decisions.add(decision("one", "b\udcff.png", spot=SPOT))
        decisions.add(Undo("two", "none", "someone", "now"))
    with Decisions(path) as again:
        assert again.book.of(Key("b\udcff.png", SPOT)) == decision("one", "b\udcff.png", spot=SPOT)
        assert list(again.book.entries) == ["one", "two"]
    assert path.read_bytes().isascii()


@pytest.mark.parametrize("torn", [b'{"id": "two", "ima', b'{"id": "two"}', b"\0\0\0"])
def test_a_torn_last_line_is_cut_off_and_the_next_is_whole(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "d"
    with Decisions(path) as decisions:
        decisions.add(decision("one"))
    good = path.read_bytes()
    path.write_bytes(good + torn)
    assert [entry.id for entry in load(path)[0]] == ["one"]
    assert path.read_bytes() == good + torn, "looking at it changes nothing"
    with Decisions(path) as decisions:
        assert path.read_bytes() == good
        decisions.add(decision("two"))
    assert [entry.id for entry in load(path)[0]] == ["one", "two"]


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(cut=st.integers(0, 10_000))
def test_cut_off_anywhere_it_has_each_whole_line_once(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "d"
    path.unlink(missing_ok=True)
    with Decisions(path) as decisions:
        for name in "abcde":
            decisions.add(decision(name, f"{name}.png"))
    content = path.read_bytes()
    kept = content[: cut % (len(content) + 1)]
    path.write_bytes(kept)
    with Decisions(path) as decisions:
        whole = max(0, kept.count(b"\n") - 1)
        assert list(decisions.book.entries) == list("abcde")[:whole]


def test_the_same_id_is_kept_once_and_another_of_that_id_is_refused(tmp_path: Path) -> None:
    with Decisions(tmp_path / "d") as decisions:
        for _ in range(3):
            decisions.add(decision("one"))
        with pytest.raises(Conflict, match="'one' is taken"):
            decisions.add(decision("one", text="8"))
    assert (tmp_path / "d").read_bytes().count(b"\n") == 2


def test_a_broken_line_in_the_midst_is_told_and_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with Decisions(path) as decisions:
        decisions.add(decision("one"))
        decisions.add(decision("two"))
    lines = path.read_bytes().splitlines(keepends=True)
    for broken in (b"nonsense\n", b'{"id": "one"}\n', lines[1].replace(b'"read"', b'"guessed"')):
        path.write_bytes(lines[0] + broken + lines[2])
        before = path.read_bytes()
        with pytest.raises(InvalidData, match="line 2 is no decision"):
            Decisions(path)
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"hello", b'{"a": 1}\n', b'{"inkdigits": "1"}\n', b"a,b\n1,2\n"]
)
def test_a_foreign_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="in the way"):
        Decisions(path)
    assert path.read_bytes() == content


def test_a_torn_header_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(b'{"inkdig')
    with Decisions(tmp_path / "d") as decisions:
        decisions.add(decision("one"))
    assert [entry.id for entry in load(tmp_path / "d")[0]] == ["one"]


def test_a_second_writer_is_refused_in_one_line(tmp_path: Path) -> None:
    with Decisions(tmp_path / "d"), pytest.raises(UsageError) as caught:
        Decisions(tmp_path / "d")
    assert "another process" in str(caught.value) and "\n" not in str(caught.value)
    Decisions(tmp_path / "d").__exit__(None, None, None)


def test_what_a_full_disk_tore_is_gone_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d"
    with Decisions(path) as decisions:
        decisions.add(decision("one"))
        monkeypatch.setattr(os, "fsync", lambda _file: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(CannotWrite, match="full"):
            decisions.add(decision("a-long-name-that-was-not-kept", text="7" * 90))
        monkeypatch.undo()
        assert "a-long-name-that-was-not-kept" not in decisions.book.entries
        decisions.add(decision("two"))
    assert [entry.id for entry in load(path)[0]] == ["one", "two"]


def test_undo_brings_back_what_stood_before() -> None:
    key = Key("a.png", None)
    first, second = decision("one", text="1"), decision("two", text="2")
    book = Book([first, second])
    assert book.of(key) == second
    book.take(Undo("three", "two", "someone", "now"))
    assert book.of(key) == first
    book.take(Undo("three", "two", "someone", "now"))
    assert book.of(key) == first, "the same once more changes nothing"
    book.take(Undo("four", "one", "someone", "now"))
    assert book.of(key) is None


def test_each_line_is_one_object(tmp_path: Path) -> None:
    with Decisions(tmp_path / "d") as decisions:
        decisions.add(decision("one", "two\nlines.png", spot=SPOT))
    (_, line) = (tmp_path / "d").read_text().splitlines()
    assert json.loads(line)["spot"] == {"page": 2, "box": [3, 4, 50, 60]}
