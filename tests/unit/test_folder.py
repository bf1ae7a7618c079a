from pathlib import Path

import cv2
import numpy as np
import pytest

from inkdigits.data.folder import load_image_folder
from inkdigits.data.source import load_dataset
from inkdigits.errors import InvalidData, UsageError


def draw(path: Path, digit: int, thickness: int) -> None:
    page = np.full((120, 90), 235, np.uint8)
    place = (12 + thickness % 5, 90 + thickness % 3)
    cv2.putText(
        page, str(digit), place, cv2.FONT_HERSHEY_SIMPLEX, 2 + thickness / 12, 30, thickness
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), page)


@pytest.fixture
def by_class(tmp_path: Path) -> Path:
    for digit in range(10):
        for thickness in range(4, 12):
            draw(tmp_path / str(digit) / f"{thickness}.png", digit, thickness)
    return tmp_path


def test_classes_by_folder(by_class: Path) -> None:
    (by_class / "3" / "notes.txt").write_text("not an image")
    dataset = load_dataset(str(by_class))
    assert len(dataset.train) + len(dataset.test) == 80
    assert 5 <= len(dataset.test) <= 30
    assert not dataset.comparable
    assert dataset.train.images.max(axis=(1, 2)).min() > 100


def test_split_is_stable_when_images_are_added(by_class: Path) -> None:
    before = load_image_folder(by_class)
    draw(by_class / "0" / "new.png", 0, 20)
    after = load_image_folder(by_class)
    known = {image.tobytes() for image in before.test.images}
    assert known <= {image.tobytes() for image in after.test.images}


@pytest.mark.parametrize("header", ["file,label", "image,label", "\ufefffile,label"])
def test_labels_csv(by_class: Path, header: str) -> None:
    rows = [f"{d}/{t}.png,{d}" for d in range(10) for t in range(4, 12)]
    (by_class / "labels.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    assert len(load_image_folder(by_class).train) > 40


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("0/4.png,twelve", "line 2: label must be 0–9, got 'twelve'"),
        ("0/4.png,12", "got '12'"),
        ("0/4.png", "needs `file` and `label`"),
        ("0/absent.png,0", "cannot read .*absent.png"),
    ],
)
def test_bad_rows_are_named(by_class: Path, row: str, complaint: str) -> None:
    (by_class / "labels.csv").write_text(f"file,label\n{row}\n")
    with pytest.raises(InvalidData, match=complaint):
        load_image_folder(by_class)


def test_unreadable_image_is_named(by_class: Path) -> None:
    (by_class / "7" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    with pytest.raises(InvalidData, match=r"7/broken\.png"):
        load_image_folder(by_class)


def test_empty_folder_and_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="0 training and 0 test"):
        load_dataset(str(tmp_path))
    with pytest.raises(UsageError, match="'nist' is no data set and no folder"):
        load_dataset("nist")
