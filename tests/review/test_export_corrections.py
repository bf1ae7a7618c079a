"""Corrected results, and labelled images that training takes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import pytest
from reviewing import row_of, sevens

from inkdigits.cli.main import main
from inkdigits.evaluation.labelled_numbers import labelled_numbers
from inkdigits.reading.table_file import write_table
from inkdigits.reading.table_rows import read_table
from inkdigits.review.decisions import Book, Decision, Decisions, decisions_path, load
from inkdigits.review.export import corrected, write_labels
from inkdigits.review.items import Key, items_of

Row = dict[str, Any]


def number(text: str, left: int, **more: Any) -> Row:
    return {"text": text, "confidence": 0.9, "box": [left, 10, 50, 60], "digits": [], **more}


PAGE: Row = {
    "image": "page.png",
    "status": "ok",
    "text": "77\n7",
    "confidence": 0.9,
    "numbers": [number("77", 8), number("7", 120), number("5", 200, reason="unsure")],
}
ROWS = [
    row_of("a.png", "77", 0.8),
    row_of("b.png", "77", 0.8),
    row_of("c.png", "7", 0.8),
    row_of("d.png", "", 0.0, status="rejected", reason="not_a_digit"),
    row_of("e.png", "", 0.0, status="rejected", reason="blank"),
    PAGE,
    row_of("f.png", "7", 0.99),
]


def decide(table: Path, *said: tuple[int, str, str]) -> None:
    items = items_of(ROWS)
    with Decisions(decisions_path(table)) as decisions:
        for n, (index, verdict, text) in enumerate(said):
            image, spot = items[index].key
            told = (f"id{n}", image, spot, verdict, text, items[index].text, "me", "now")
            decisions.add(Decision(*told))  # type: ignore[arg-type]


@pytest.fixture
def reviewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in "abcdef":
        sevens(tmp_path / f"{name}.png", 2)
    sevens(tmp_path / "page.png", 9)
    write_table(tmp_path / "r.csv", ROWS)
    decide(
        tmp_path / "r.csv",
        (0, "read", "77"),
        (1, "read", "74"),
        (2, "unreadable", ""),
        (3, "read", "42"),
        (4, "none", ""),
        (5, "read", "78"),
        (6, "unreadable", ""),
    )
    return tmp_path / "r.csv"


def test_items_are_numbers_where_an_image_has_several() -> None:
    items = items_of([*ROWS, ROWS[0]])
    assert [item.key.image for item in items].count("page.png") == 3
    assert len(items) == len({item.key for item in items}) == 9
    assert [item.status for item in items[5:8]] == ["ok", "ok", "rejected"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_corrected_results(reviewed: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    assert main(["review", str(reviewed), "--export", str(out)]) == 0
    if suffix == ".parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(out).to_pylist()
    elif suffix == ".csv":
        rows = list(csv.DictReader(out.read_text().splitlines()))
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    told = [(row["image"], row["status"], row["text"], row["review"] or "") for row in rows]
    assert told == [
        ("a.png", "ok", "77", "accepted"),
        ("b.png", "ok", "74", "corrected"),
        ("c.png", "rejected", "", "unreadable"),
        ("d.png", "ok", "42", "corrected"),
        ("e.png", "rejected", "", "accepted"),
        ("page.png", "ok", "78", "partly"),
        ("f.png", "ok", "7", ""),
    ]
    assert [row.get("reason") or None for row in rows[2:5]] == ["unreadable", None, "blank"]
    assert [float(row["confidence"]) for row in rows] == [1, 1, 0, 1, 0, 1, 0.99]
    assert main(["review", str(reviewed), "--export", str(out)]) == 2, "nothing is overwritten"


def test_digits_keep_their_boxes_where_there_are_as_many(reviewed: Path) -> None:
    book = Book(load(decisions_path(reviewed))[0])
    row = corrected(next(row for row in read_table(reviewed) if row["image"] == "b.png"), book)
    (number_,) = row["numbers"]
    assert [digit["digit"] for digit in number_["digits"]] == [7, 4]
    assert number_["box"] == ROWS[1]["numbers"][0]["box"]
    assert book.of(Key("f.png", None)) is None


def test_labels_are_what_people_read(reviewed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    assert main(["review", str(reviewed), "--export-labels", str(folder)]) == 0
    paths, labels = labelled_numbers(folder)
    assert labels == ["77", "74", "42", "78"]
    assert (folder / "labels.csv").read_text().splitlines()[0] == "file,label,source"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        sources = [row["source"] for row in csv.DictReader(file)]
    assert sources[0] == "a.png" and sources[-1].endswith(", page 1")
    assert paths[0].read_bytes() == Path("a.png").read_bytes()
    crop = cv2.imread(str(paths[-1]), cv2.IMREAD_GRAYSCALE)
    assert 50 <= crop.shape[1] < 120, "one number of the page, with a little around it"
    assert main(["review", str(reviewed), "--export-labels", str(folder)]) == 6


def test_an_image_that_is_gone_is_left_out_and_told(
    reviewed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("b.png").unlink()
    assert main(["review", str(reviewed), "--export-labels", str(tmp_path / "labels")]) == 3
    assert labelled_numbers(tmp_path / "labels")[1] == ["77", "42", "78"]
    told = capfd.readouterr().err
    assert "'b.png' is left out" in told and "3 labelled images" in told


def test_an_image_that_no_program_opens_is_left_out(reviewed: Path, tmp_path: Path) -> None:
    (reviewed.parent / "a.png").write_bytes(b"no image")
    count, failed = write_labels(
        reviewed, Book(load(decisions_path(reviewed))[0]), tmp_path / "out"
    )
    assert "a.png" in failed[0]
    assert "a.png" not in (tmp_path / "out" / "labels.csv").read_text()
    assert len(labelled_numbers(tmp_path / "out")[0]) == count


def test_no_number_there_stands_where_one_is_read_later() -> None:
    empty, filled = (row_of("d.png", text, 0.9) for text in ("", "3"))
    said = Decision("id", "d.png", None, "none", "", "", "me", "now")
    book = Book([said])
    assert corrected(empty, book)["review"] == "accepted"
    row = corrected(filled, book)
    assert (row["status"], row["text"], row["review"]) == ("rejected", "", "corrected")


def test_single_digits_load_as_a_folder_of_labelled_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inkdigits.data.folder import labelled_paths

    monkeypatch.chdir(tmp_path)
    sevens(tmp_path / "a.png", 1)
    write_table(tmp_path / "r.csv", [row_of("a.png", "7", 0.5)])
    with Decisions(tmp_path / "r.csv.decisions") as decisions:
        decisions.add(Decision("x", "a.png", None, "read", "7", "7", "me", "now"))
    assert main(["review", "r.csv", "--export-labels", "labels"]) == 0
    assert [label for _, label in labelled_paths(tmp_path / "labels")] == [7]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["absent.csv"], "there are no results"),
        (["r.csv", "--export", "x.txt"], "suffix"),
        (["r.csv", "--export", "x.csv"], "nothing was decided"),
        (["r.csv", "--target-error", "2"], "between 0 and 1"),
        (["r.csv", "--layout", "odd"], "unknown layout 'odd'"),
        (["gone.csv"], "Run this from the folder where they were read"),
    ],
)
def test_a_wrong_call_is_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    sevens(tmp_path / "a.png", 1)
    write_table(tmp_path / "r.csv", [row_of("a.png", "7", 0.5)])
    write_table(tmp_path / "gone.csv", [row_of("gone.png", "7", 0.5)])
    assert main(["review", *arguments]) in {2, 3}
    error = capfd.readouterr().err
    assert told in error and error.count("\n") == 1
