"""A folder of labelled images: `FOLDER/<digit>/*.png`, or images beside a `labels.csv`."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from inkdigits.data.dataset import IMAGE_SHAPE, Dataset, Examples
from inkdigits.errors import InputError, InvalidData
from inkdigits.files import sha256
from inkdigits.imaging.clean import clean
from inkdigits.imaging.decode import decode
from inkdigits.imaging.frame import frame

LABELS_FILE = "labels.csv"
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
TEST_FRACTION = 0.2
MOST_DIGITS = 512
DELIMITERS = ",;\t"
"""What may stand between the columns: spreadsheets of many countries write semicolons."""


def load_image_folder(folder: Path) -> Dataset:
    """Read `folder` as a Dataset; about a fifth of the images becomes the test split.

    The split goes by the SHA-256 of each file's bytes, so it never changes when images are
    added, and copies of one image never stand on both sides. Every image is framed the MNIST
    way. Raises InvalidData for an unreadable image, a label that is no digit, or no image.
    """
    train: list[tuple[np.ndarray, int]] = []
    test: list[tuple[np.ndarray, int]] = []
    for share, content, path, label in by_content(folder):
        part = test if share < TEST_FRACTION else train
        part.append((frame_file(path, content), label))
    if not train or not test:
        raise InvalidData(
            f"{str(folder)!r} gives {len(train)} training and {len(test)} test images.",
            f"Put more images into {folder.name}/0 … {folder.name}/9, or beside a {LABELS_FILE}.",
        )
    warn_of_missing_digits(folder, [label for _, label in train])
    return Dataset(folder.name, stack(train), stack(test), comparable=False)


def by_content(folder: Path) -> list[tuple[float, bytes, Path, int]]:
    """Return each image of `folder` with a share 0–1 drawn from its bytes, ordered by it.

    The order mixes the digits, so that val, the last part of train, holds all of them.
    """
    found = []
    for path, label in labelled_paths(folder):
        content = read_file(path)
        found.append((int(sha256(content)[:8], 16) / 2**32, content, path, label))
    return sorted(found, key=lambda image: image[0])


def warn_of_missing_digits(folder: Path, labels: list[int]) -> None:
    """Warn when a digit has no training image: the model can never answer it rightly."""
    missing = sorted(set(range(10)) - set(labels))
    if missing:
        warnings.warn(
            f"{str(folder)!r} has no training image of the digits {missing}.", stacklevel=3
        )


def labelled_paths(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield each image of `folder` with its label, in a fixed order."""
    table = folder / LABELS_FILE
    yield from table_paths(table) if table.is_file() else class_paths(folder)


def labelled_texts(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield each image of `folder`, the number that it shows, and its source, in a fixed order.

    A `labels.csv` may name numbers of 1–512 digits and, as `source`, what each image was cut from;
    else that is empty. Raises InvalidData for any other label.
    """
    table = folder / LABELS_FILE
    if not table.is_file():
        yield from ((path, str(label), "") for path, label in class_paths(folder))
        return
    for path, row, number in table_rows(table):
        yield path, number_label(row["label"], table, number), (row.get("source") or "").strip()


def class_paths(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the images in `folder/0` … `folder/9`."""
    for label in range(10):
        for path in sorted((folder / str(label)).glob("*")):
            if path.suffix.lower() in SUFFIXES:
                yield path, label


def table_paths(table: Path) -> Iterator[tuple[Path, int]]:
    """Yield the images that `labels.csv` names: columns `file` (or `image`) and `label`."""
    for path, row, number in table_rows(table):
        yield path, digit_label(row["label"], table, number)


def table_rows(table: Path) -> Iterator[tuple[Path, dict[str, str], int]]:
    """Yield each image that `labels.csv` names, its row, which has a `label`, and its line."""
    try:
        rows = rows_of(table.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData(
            f"{str(table)!r} cannot be read as CSV in UTF-8: {error}.",
            "Its first line names the columns `file` and `label`.",
        ) from error
    for number, row in enumerate(rows, start=2):
        name = row.get("file") or row.get("image")
        if not name or row.get("label") is None:
            raise InvalidData(
                f"{str(table)!r} line {number} needs `file` and `label`, got {row!r}."
            )
        yield table.parent / name, row, number


def rows_of(lines: list[str]) -> list[dict[str, str]]:
    """Return the rows of a table, whatever spreadsheets put between its columns."""
    readers = [csv.DictReader(lines, delimiter=between) for between in DELIMITERS]
    fitting = (one for one in readers if "label" in (one.fieldnames or ()))
    return list(next(fitting, readers[0]))


def digit_label(text: str, table: Path, number: int) -> int:
    """Return the digit that `text` writes; raises InvalidData naming the line otherwise."""
    if text.strip() not in {str(digit) for digit in range(10)}:
        raise InvalidData(f"{str(table)!r} line {number}: label must be 0–9, got {text!r}.")
    return int(text)


def number_label(text: str, table: Path, number: int) -> str:
    """Return the number that `text` writes; raises InvalidData naming the line otherwise."""
    label = text.strip()
    if not (label.isascii() and label.isdigit() and len(label) <= MOST_DIGITS):
        raise InvalidData(
            f"{str(table)!r} line {number}: label must be 1–{MOST_DIGITS} digits, got {text!r}.",
            "Leave out images without a number.",
        )
    return label


def read_file(path: Path) -> bytes:
    """Return the bytes of `path`; raises InvalidData when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidData(f"cannot read {str(path)!r}: {error.strerror}.") from error


def frame_file(path: Path, content: bytes) -> np.ndarray:
    """Return the uint8 (28, 28) framed image of one file; a blank image becomes all zeros."""
    try:
        framed = frame(clean(decode(content)))
    except InputError as error:
        raise InvalidData(f"{str(path)!r}: {error.message}", error.hint) from error
    return framed.image if framed else np.zeros(IMAGE_SHAPE, np.uint8)


def stack(pairs: list[tuple[np.ndarray, int]]) -> Examples:
    """Return the pairs as Examples."""
    images, labels = zip(*pairs, strict=True)
    return Examples(np.stack(images), np.array(labels, np.uint8))
