"""Every output format, written and read back by a reader that is not ours."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import CannotWrite, UsageError
from inkdigits.reading import table_file
from inkdigits.reading.result import Digit, Number, Reading
from inkdigits.reading.table_file import COLUMNS, CsvTable, write_table

NUMBER = Number("0047", 0.5, (1, 2, 3, 4), (Digit(0, 0.9, (1, 2, 1, 4)),))
READINGS = [
    Reading('in/a, "b";\n=c.png', "ok", "0047\n12", 0.987654321, (NUMBER,)),
    Reading("in/\udce4.png", "rejected", "", 0.0, (), reason="blank"),
    Reading("in/ü.png", "error", "", 0.0, (), error="no such file: 'in/ü.png'. Check the path."),
]
ROWS = [reading.to_dict() for reading in READINGS]


def cells_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_csv_holds_every_cell(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    write_table(out, ROWS)
    content = out.read_bytes()
    assert content.endswith(b"\r\n")
    found = cells_of(content.decode())
    assert [tuple(row) for row in found] == [COLUMNS] * 3
    assert found[0]["image"] == ROWS[0]["image"]
    assert found[0]["text"] == "0047\n12"
    assert float(found[0]["confidence"]) == ROWS[0]["confidence"]
    assert json.loads(found[0]["numbers"]) == ROWS[0]["numbers"]
    assert found[1] | {"image": ""} == {
        "image": "", "status": "rejected", "text": "", "confidence": "0.0", "reason": "blank",
        "error": "", "numbers": "[]",
    }  # fmt: skip
    assert found[1]["image"] == r"in/\udce4.png"
    assert found[2]["error"] == ROWS[2]["error"]


def test_jsonl_is_what_json_prints(tmp_path: Path) -> None:
    out = tmp_path / "r.JSONL"
    write_table(out, ROWS)
    assert [json.loads(line) for line in out.read_text().splitlines()] == ROWS


def test_parquet_holds_every_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "ROWS_IN_MEMORY", 2)
    out = tmp_path / "r.parquet"
    write_table(out, iter(ROWS))
    table = pyarrow.parquet.read_table(out)
    assert tuple(table.column_names) == COLUMNS
    assert {str(table.schema.field(name).type) for name in COLUMNS if name != "confidence"} == {
        "string"
    }
    found = table.to_pylist()
    assert [row["text"] for row in found] == ["0047\n12", "", ""]
    assert [row["reason"] for row in found] == [None, "blank", None]
    assert [row["confidence"] for row in found] == [row["confidence"] for row in ROWS]
    assert json.loads(found[0]["numbers"]) == ROWS[0]["numbers"]
    assert found[1]["image"] == r"in/\udce4.png"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_no_rows_make_a_whole_file(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"r{suffix}"
    write_table(out, [])
    rows = pyarrow.parquet.read_table(out).num_rows if suffix == ".parquet" else None
    assert rows == 0 or out.read_text().count("\n") == (suffix == ".csv")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_what_breaks_off_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"r{suffix}"
    out.write_text("old")

    def broken_off():
        yield ROWS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(CannotWrite, match="No space left"):
        write_table(out, broken_off())
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "old"


@pytest.mark.parametrize("name", ["r.xlsx", "r", "r.csv.gz", ".csv"])
def test_other_suffixes_are_usage_errors(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.jsonl, \.parquet"):
        write_table(tmp_path / name, [])
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_its_package_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'pip install "inkdigits\[parquet\]"'):
        write_table(tmp_path / "r.parquet", [])


@given(st.text(), st.text(alphabet="0123456789\n"), st.text())
def test_csv_of_any_text_is_read_back(image: str, text: str, error: str) -> None:
    file = io.StringIO(newline="")
    row = Reading(image, "error", text, 0.5, (), error=error or None).to_dict()
    CsvTable(file).write([row, row])
    found = cells_of(file.getvalue())
    assert [(row["image"], row["text"], row["error"]) for row in found] == [
        (image, text, error)
    ] * 2
