"""A small folder job's results, to be reviewed."""

from __future__ import annotations

from pathlib import Path

import pytest
from reviewing import row_of, sevens

from inkdigits.reading.table_file import write_table

COUNT = 24


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of 24 images of one or two sevens: surer from one to the next, the first rejected."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    rows = []
    for n in range(COUNT):
        name = f"scans/{n:02}.png"
        sevens(tmp_path / name, 1 + n % 2)
        rows.append(row_of(name, "7" * (1 + n % 2), round(0.5 + 0.02 * n, 2)))
    rows[0] |= {"status": "rejected", "reason": "unsure"}
    rows[0]["numbers"][0]["reason"] = "unsure"
    rows[1] = row_of("scans/01.png", "", 0.0, status="rejected", reason="not_a_digit")
    write_table(tmp_path / "r.jsonl", rows)
    return tmp_path / "r.jsonl"
