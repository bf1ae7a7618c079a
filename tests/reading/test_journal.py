"""The journal: what a kill may leave of it, and who may continue it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkdigits.errors import CannotWrite, UsageError
from inkdigits.reading.journal import Journal, line_of

HEADER = {"inkdigits": "1", "model": "abc", "target_error": None}
INPUTS = ["a.png", "b.png", "c\n\udce4.png", "d.png"]


def row(name: str, status: str = "ok") -> bytes:
    return line_of({"image": name, "status": status, "text": "7"})


def fill(path: Path, *indices: int, finish: bool = False) -> bytes:
    with Journal(path, HEADER, INPUTS) as journal:
        for index in indices:
            journal.add(index, "ok", row(INPUTS[index]))
        if finish:
            journal.finish()
    return path.read_bytes()


def test_rows_come_in_input_order_whenever_they_were_added(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.csv.part"
    fill(path, 3, 0)
    with Journal(path, HEADER, INPUTS) as journal:
        assert list(journal.missing()) == [1, 2]
        assert journal.n_missing() == 2
        journal.add(2, "error", row(INPUTS[2], "error"))
        journal.add(1, "ok", row(INPUTS[1]))
        journal.add(1, "ok", row("never"))
        assert [found["image"] for found in journal.rows()] == INPUTS
        assert journal.counts == {"ok": 3, "error": 1}
        journal.remove()
    assert not path.exists()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_journal_cut_anywhere_is_continued(data: st.DataObject, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("cut") / "r.part"
    whole = fill(path, 2, 0, 1, finish=data.draw(st.booleans()))
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    complete = whole[:cut].count(b"\n")
    with Journal(path, HEADER, INPUTS) as journal:
        had = [index for index in range(4) if journal.has(index)]
        assert had == sorted([2, 0, 1][: max(0, min(3, complete - 1))])
        for index in journal.missing():
            journal.add(index, "ok", row(INPUTS[index]))
        assert [found["image"] for found in journal.rows()] == INPUTS
        assert journal.counts.total() == 4
    with Journal(path, HEADER, INPUTS) as journal:
        assert journal.n_missing() == 0


@pytest.mark.parametrize(
    "torn", [b'{"image": "d.p', b"\x00\x00\n", b"\xff\n", b"[]\n", b'{"image": "d.png"}\n', b"7\n"]
)
def test_what_stands_after_a_torn_line_is_read_again(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "r.part"
    whole = fill(path, 0)
    path.write_bytes(whole + torn + row("b.png"))
    with Journal(path, HEADER, INPUTS) as journal:
        assert list(journal.missing()) == [1, 2, 3]
    assert path.read_bytes() == whole


def test_a_row_that_stands_there_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "r.part"
    path.write_bytes(fill(path, 0, 1) + row("a.png", "error"))
    with Journal(path, HEADER, INPUTS) as journal:
        assert journal.counts == {"ok": 2}
        assert journal.n_missing() == 2


def test_other_settings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.part"
    whole = fill(path, 0)
    with pytest.raises(UsageError) as caught:
        Journal(path, HEADER | {"model": "def", "layout": "line"}, INPUTS)
    message = str(caught.value)
    assert "model (then 'abc', now 'def')" in message
    assert "layout (then None, now 'line')" in message
    assert "target_error" not in message
    assert "delete that file" in message
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "content", [b"mine", b"mine\n", b'{"a": 1}\n', b"\x89PNG\r\n\x1a\n", b"{}\n"]
)
def test_a_file_of_another_kind_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.part"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is no journal"):
        Journal(path, HEADER, INPUTS)
    assert path.read_bytes() == content


def test_rows_of_images_that_are_gone_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "r.part"
    fill(path, 0, 1)
    with Journal(path, HEADER, ["b.png", "new.png"]) as journal:
        assert (journal.strangers, journal.counts, list(journal.missing())) == (1, {"ok": 1}, [1])
    with pytest.raises(UsageError, match="holds 2 readings, none of these images"):
        Journal(path, HEADER, ["x.png"])


def test_the_end_is_remembered_until_something_follows(tmp_path: Path) -> None:
    path = tmp_path / "r.part"
    fill(path, 0, 1, 2, 3, finish=True)
    with Journal(path, HEADER, INPUTS) as journal:
        assert journal.finished
    with Journal(path, HEADER, [*INPUTS, "new.png"]) as journal:
        journal.add(4, "ok", row("new.png"))
    with Journal(path, HEADER, [*INPUTS, "new.png"]) as journal:
        assert not journal.finished
        assert journal.n_missing() == 0


def test_only_one_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "r.part"
    with Journal(path, HEADER, INPUTS):
        with pytest.raises(UsageError, match="another process"):
            Journal(path, HEADER, INPUTS)
    Journal(path, HEADER, INPUTS).__exit__(None, None, None)


def test_where_nobody_may_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "r.part", Path("/proc/r.part")):
        with pytest.raises(CannotWrite):
            Journal(path, HEADER, INPUTS)


def test_the_header_is_the_first_line(tmp_path: Path) -> None:
    assert json.loads(fill(tmp_path / "r.part").splitlines()[0]) == HEADER
