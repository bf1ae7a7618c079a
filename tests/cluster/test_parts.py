"""What a job is divided into, without any cluster: the same each time, nothing lost."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.cluster import fetch as fetching
from inkdigits.cluster import sources
from inkdigits.cluster.fetch import fetch_file
from inkdigits.cluster.parts import PART_BYTES, File, Part, Rows, divide, images_of_a_part
from inkdigits.cluster.sources import find_sources
from inkdigits.cluster.store import Store
from inkdigits.errors import CannotWrite, DataUnavailable, InvalidData, UsageError

FILES = st.lists(st.integers(0, 2 * PART_BYTES), max_size=600).map(
    lambda sizes: [File(f"{index}.png", size) for index, size in enumerate(sizes)]
)
TABLES = st.lists(st.integers(0, 900), max_size=4).map(
    lambda counts: [Rows(f"{index}.parquet", "image", 0, 0, n, 0) for index, n in enumerate(counts)]
)


def inputs_of(part: Part) -> list[object]:
    if isinstance(part.inputs, Rows):
        rows = part.inputs
        assert rows.first == rows.number
        return [(rows.file, rows.number + place) for place in range(rows.count)]
    return list(part.inputs)


@given(FILES, TABLES)
def test_every_input_is_in_one_part_in_order(files: list[File], tables: list[Rows]) -> None:
    parts = divide(files, tables)
    rows = [(table.file, number) for table in tables for number in range(table.count)]
    assert [one for part in parts for one in inputs_of(part)] == [*files, *rows]
    most = images_of_a_part(len(files) + len(rows))
    assert all(1 <= len(part) <= most for part in parts)
    for part in parts:
        if not isinstance(part.inputs, Rows) and len(part) > 1:
            assert sum(file.size for file in part.inputs) <= PART_BYTES
    assert len({part.file for part in parts}) == len(parts)
    assert sorted(part.file for part in parts) == [part.file for part in parts]


def test_a_part_is_called_by_what_it_holds() -> None:
    names = ["a.png", "odd-\udcff.png"]
    part = Part(3, tuple(File(name, 5) for name in names))
    assert part.file.startswith("part-0000003-")
    assert part.file == Part(3, tuple(File(name, 7) for name in names)).file
    assert part.file != Part(3, tuple(File(name, 5) for name in names[:1])).file
    assert part.file != Part(3, (File("a.png\0odd", 5),)).file


@pytest.mark.parametrize(("n", "size"), [(1, 256), (100_000, 256), (10**7, 4882), (10**9, 8192)])
def test_parts_grow_with_the_job(n: int, size: int) -> None:
    assert images_of_a_part(n) == size


def test_the_results_are_no_inputs(tmp_path: Path) -> None:
    table = tmp_path / "images.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": [b"1", b"2"]}), table)
    out = tmp_path / "out"
    out.mkdir()
    (out / "part-0.parquet").write_bytes(table.read_bytes())
    files, rows = find_sources([str(tmp_path)], str(out), None, None)
    assert (files, [row.file for row in rows]) == ([], [str(table)])
    url = tmp_path.as_uri()
    _, rows = find_sources([url], f"{url}/out", None, None)
    assert [row.file for row in rows] == [f"{url}/images.parquet"]


def test_large_row_groups_come_in_pieces_that_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PART_BYTES", 1 << 16)
    cells = [os.urandom(1 << 10)] * 2 + [os.urandom(1 << 12) for _ in range(40)]
    table = tmp_path / "large.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"scan": cells}), table)
    _, rows = find_sources([str(table)], str(tmp_path / "out"), None, None)
    assert [row.column for row in rows] == ["scan"] * len(rows)
    assert len(rows) >= 2
    assert sum(row.count for row in rows) == 42
    assert [row.number for row in rows] == [row.first for row in rows]


@pytest.mark.parametrize(
    ("columns", "wanted", "told"),
    [
        ({"label": [1]}, None, "None of its columns holds bytes"),
        ({"a": [b"1"], "b": [b"2"]}, None, "one of: a, b"),
        ({"image": [b"1"], "b": [b"2"]}, "c", "no column 'c'"),
    ],
)
def test_a_table_without_images_is_refused(
    tmp_path: Path, columns: dict[str, list[object]], wanted: str | None, told: str
) -> None:
    table = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), table)
    with pytest.raises(InvalidData, match=told):
        find_sources([str(table)], str(tmp_path / "out"), wanted, None)


def test_what_is_no_table_and_what_is_no_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    for names, error in (
        ([str(tmp_path / "torn.parquet")], InvalidData),
        (["nonsense://bucket/x"], UsageError),
        ([(tmp_path / "absent").as_uri()], UsageError),
        (["-"], UsageError),
    ):
        with pytest.raises(error):
            find_sources(names, str(tmp_path / "out"), None, None)


def test_storage_that_does_not_answer_ends_the_job_a_missing_file_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "WAIT_SECONDS", 0)
    gone = fetch_file(File((tmp_path / "gone.png").as_uri(), 5))
    assert gone.content is None
    assert gone.error.startswith("no such file: 'file://")
    large = fetch_file(File((tmp_path / "large.png").as_uri(), 1 << 40))
    assert "the limit" in large.error
    with pytest.raises(DataUnavailable, match="in 4 tries"):
        # A file on the way to it stands for a place that fails.
        (tmp_path / "file").write_bytes(b"")
        fetch_file(File(f"{(tmp_path / 'file').as_uri()}/below.png", 5))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotWrite, match="cannot write"):
        Store(str(tmp_path / "file" / "out")).write_json("x.json", {})
