"""The labelled images that an adaptation takes, and those that it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adapting import digits_folder, labelled
from reviewing import row_of, sevens

from inkdigits.cli.main import main
from inkdigits.data.dataset import Dataset
from inkdigits.data.digits import load_offline_digits
from inkdigits.errors import InvalidData
from inkdigits.reading.table_file import write_table
from inkdigits.review.decisions import Decision, Decisions, decisions_path
from inkdigits.review.items import items_of
from inkdigits.training.adapt_data import (
    Sample,
    data_sha256,
    keeps_sources,
    load_samples,
    parted,
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_offline_digits()


def test_each_image_once_whatever_it_is_called(digits: Dataset, tmp_path: Path) -> None:
    folder = digits_folder(tmp_path / "one", digits, 25)
    other = tmp_path / "other"
    for number, (path, label) in enumerate(
        zip(sorted(folder.glob("*.png")), digits.test.labels, strict=False)
    ):
        place = other / str(label)
        place.mkdir(parents=True, exist_ok=True)
        for copy in range(2):
            (place / f"{99 - number}-{copy}.png").write_bytes(path.read_bytes())
    samples, again = load_samples(folder), load_samples(other)
    assert len(again) == 25
    assert [one.text for one in again] == [one.text for one in samples]
    assert data_sha256(again) == data_sha256(samples)


def test_parts_are_of_one_size_and_fixed_by_the_seed(digits: Dataset, tmp_path: Path) -> None:
    samples = load_samples(digits_folder(tmp_path / "one", digits, 25))
    part = parted(samples, 3, seed=4)
    assert sorted(np.bincount(part).tolist()) == [8, 8, 9]
    np.testing.assert_array_equal(part, parted(samples, 3, seed=4))
    assert (part != parted(samples, 3, seed=5)).any()


def test_what_was_cut_from_one_page_is_in_one_part() -> None:
    pages = [f"page {number}" for number in range(12) for _ in range(5)]
    samples = [Sample(Path("x"), str(at), "7", page) for at, page in enumerate(pages)]
    part = parted(samples, 3, seed=2)
    assert sorted(np.bincount(part).tolist()) == [20, 20, 20]
    assert all(len(set(part[at : at + 5])) == 1 for at in range(0, 60, 5))
    assert keeps_sources(samples, part)
    one_page = [Sample(Path("x"), str(at), "7", "page") for at in range(20)]
    apart = parted(one_page, 3, seed=2)
    assert sorted(np.bincount(apart).tolist()) == [6, 7, 7]
    assert not keeps_sources(one_page, apart)


@pytest.mark.parametrize("seed", range(20))
def test_large_pages_and_single_images_are_parted_evenly(seed: int) -> None:
    sources = ["a"] * 10 + ["b"] * 10 + [""] * 10
    samples = [Sample(Path("x"), str(at), "7", source) for at, source in enumerate(sources)]
    part = parted(samples, 3, seed)
    assert np.bincount(part).tolist() == [10, 10, 10]
    assert keeps_sources(samples, part)


@pytest.mark.parametrize("between", [";", "\t"])
def test_a_table_of_a_spreadsheet_is_read(digits: Dataset, tmp_path: Path, between: str) -> None:
    folder = digits_folder(tmp_path / "one", digits, 25)
    table = folder / "labels.csv"
    expected = load_samples(folder)
    text = table.read_text(encoding="utf-8").replace(",", between)
    table.write_text(f"\ufeff{text}", encoding="utf-8")
    assert load_samples(folder) == expected


@pytest.mark.parametrize(
    ("label", "told"),
    [("x", "line 3: label must be"), ("", "line 3: label must be"), ("1.5", "got '1.5'")],
)
def test_a_label_that_is_no_number_is_told_with_its_line(
    digits: Dataset, tmp_path: Path, label: str, told: str
) -> None:
    folder = digits_folder(tmp_path / "one", digits, 20)
    labelled(folder, [("000.png", "12"), ("001.png", label)])
    with pytest.raises(InvalidData, match=told):
        load_samples(folder)


def test_what_cannot_be_learnt_from_is_told(digits: Dataset, tmp_path: Path) -> None:
    folder = digits_folder(tmp_path / "one", digits, 19)
    with pytest.raises(InvalidData, match="has 19 labelled images; adapting needs 20 or more"):
        load_samples(folder)
    with pytest.raises(InvalidData, match="is no folder"):
        load_samples(tmp_path / "nowhere")
    labelled(folder, [("000.png", "1"), ("nowhere.png", "2")])
    with pytest.raises(InvalidData, match=r"cannot read .*nowhere\.png"):
        load_samples(folder)
    (folder / "torn.png").write_bytes(b"torn")
    labelled(folder, [("torn.png", "1")])
    with pytest.raises(InvalidData, match=r"torn\.png"):
        load_samples(folder)


def test_one_image_with_two_labels_is_told(digits: Dataset, tmp_path: Path) -> None:
    folder = digits_folder(tmp_path / "one", digits, 20)
    (folder / "copy.png").write_bytes((folder / "000.png").read_bytes())
    labelled(folder, [("000.png", "1"), ("copy.png", "2")])
    with pytest.raises(InvalidData, match="are the same image, labelled '1' and '2'"):
        load_samples(folder)


def test_what_a_review_exports_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = []
    for number in range(22):
        sevens(tmp_path / f"{number}.png", 1 + number % 3)
        # No two images are the same bytes.
        with (tmp_path / f"{number}.png").open("ab") as file:
            file.write(bytes([number]))
        rows.append(row_of(f"{number}.png", "1" * (1 + number % 3), 0.8))
    table = tmp_path / "results.jsonl"
    write_table(table, rows)
    with Decisions(decisions_path(table)) as decisions:
        for number, item in enumerate(items_of(rows)):
            image, spot = item.key
            text = "7" * (1 + number % 3)
            told = (f"id{number}", image, spot, "read", text, item.text, "me", "now")
            decisions.add(Decision(*told))
    assert main(["review", str(table), "--export-labels", str(tmp_path / "labels")]) == 0
    samples = load_samples(tmp_path / "labels")
    assert len(samples) == 22
    assert {one.text for one in samples} == {"7", "77", "777"}
    assert {one.source for one in samples} == {f"{number}.png" for number in range(22)}
