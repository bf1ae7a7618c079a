"""Tables of readings, read again: what was written comes back, what is no reading is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inkdigits.errors import InvalidData, UsageError
from inkdigits.reading.table_file import write_table
from inkdigits.reading.table_rows import read_table

NUMBER = {"text": "007", "confidence": 0.5, "box": [1, 2, 30, 40], "digits": [], "page": 2}
ROWS = [
    {
        "image": 'a, "b"\n.png',
        "status": "ok",
        "text": "007",
        "confidence": 0.5,
        "numbers": [NUMBER],
    },
    {
        "image": "c.png",
        "status": "rejected",
        "text": "",
        "confidence": 0.0,
        "reason": "blank",
        "numbers": [],
    },
    {"image": "d", "status": "error", "text": "", "confidence": 0.0, "error": "no.", "numbers": []},
]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_what_was_written_comes_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r{suffix}"
    write_table(path, ROWS)
    assert list(read_table(path)) == ROWS


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("content", [b"nothing", b"\xff\xfe\n1", b'"image"\n"a"\n', b"[1]\n"])
def test_what_is_no_table_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"r{suffix}"
    path.write_bytes(content)
    with pytest.raises(InvalidData, match="r"):
        list(read_table(path))


@pytest.mark.parametrize(
    "change",
    [
        {"image": ""},
        {"image": 3},
        {"status": "fine"},
        {"confidence": 2},
        {"confidence": "0.5"},
        {"text": None},
        {"reason": "odd"},
        {"numbers": [{**NUMBER, "box": [1, 2, 3]}]},
        {"numbers": [{**NUMBER, "text": 7}]},
        {"numbers": ["7"]},
    ],
)
def test_a_row_that_is_no_reading_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (ROWS[0], {**ROWS[0], **change})))
    with pytest.raises(InvalidData, match="row 2 is no reading"):
        list(read_table(path))


def test_an_unfinished_job_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no results .* Make them"):
        list(read_table(tmp_path / "r.csv"))
    (tmp_path / "r.csv.part").touch()
    with pytest.raises(UsageError, match="it continues"):
        list(read_table(tmp_path / "r.csv"))
