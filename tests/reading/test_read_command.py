"""`inkdigits read` of folders: to stdout in every form, to a table, and drawn; in this process."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from inkdigits.cli.main import main
from inkdigits.errors import ExitCode
from inkdigits.reading.table_file import COLUMNS


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A folder of a one, a blank page and a broken file; the names of its images."""
    monkeypatch.chdir(tmp_path)
    page = np.full((90, 70), 225, np.uint8)
    (tmp_path / "scans" / "deep").mkdir(parents=True)
    cv2.imwrite("scans/blank.png", page)
    cv2.line(page, (35, 15), (35, 75), 50, 7)
    cv2.imwrite("scans/deep/one.bmp", page)
    Path("scans/=broken.png").write_bytes(b"")
    return ["scans/=broken.png", "scans/blank.png", "scans/deep/one.bmp"]


def read(*arguments: str) -> int:
    return main(["read", "--layout", "digit", *arguments])


def test_a_folder_goes_to_stdout_in_order(
    scans: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert read("scans") == ExitCode.INPUT
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == "scans/blank.png: rejected (blank)"
    assert lines[1].startswith("scans/deep/one.bmp: 1 (")
    assert captured.err.startswith("inkdigits: error: scans/=broken.png: ")
    assert read("scans", "--json") == ExitCode.INPUT
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["image"] for row in rows] == scans


def test_csv_on_stdout_is_what_out_writes(
    scans: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert read("scans", "--csv") == ExitCode.INPUT
    printed = capsysbinary.readouterr().out.decode()
    rows = list(csv.DictReader(io.StringIO(printed, newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert [row["status"] for row in rows] == ["error", "rejected", "ok"]
    assert read("scans", "--out", "r.csv") == ExitCode.INPUT
    captured = capsysbinary.readouterr()
    assert captured.out == b""
    assert captured.err == b"inkdigits: 3 images in 'r.csv': 1 ok, 1 rejected, 1 error.\n"
    assert Path("r.csv").read_bytes().decode() == printed


def test_a_job_without_errors_is_0_and_is_not_done_twice(
    scans: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert read("scans/deep", "--out", "new/r.jsonl") == ExitCode.DONE
    assert json.loads(Path("new/r.jsonl").read_text())["text"] == "1"
    capsys.readouterr()
    assert read("scans/deep", "--out", "new/r.jsonl") == ExitCode.USAGE
    assert "is there already" in capsys.readouterr().err


def test_drawings_by_both_roads_are_the_same_and_are_no_inputs(
    scans: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["scans/drawn", "there"]
    read("scans", "--annotate", places[0])
    read("scans", "--annotate", places[0])
    assert capsys.readouterr().out.count("\n") == 4
    Path(places[0]).rename("first")
    read("scans", "--annotate", places[1], "--out", "r.csv")
    found = [
        {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*.png")}
        for folder in ("first", "there")
    ]
    assert found[0] == found[1]
    assert sorted(found[0]) == ["blank.png", "deep/one.bmp.png"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["scans", "--csv", "--json"], "--json and --csv exclude each other"),
        (["scans", "--json", "--out", "r.jsonl"], "--json and --out exclude each other"),
        (["scans", "--out", "r.xlsx"], "cannot tell the format of 'r.xlsx'"),
        (["-", "--out", "r.csv"], "standard input cannot be read with --out"),
        (["empty"], "no images to read in 'empty'"),
        (["scans/blank.png", "--annotate", "scans"], "would overwrite the input"),
        (["", "scans"], "the name of an image is empty"),
    ],
)
def test_wrong_calls_write_nothing(
    scans: list[str], arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    assert read(*arguments) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert complaint in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(os.listdir()) == ["empty", "scans"]
