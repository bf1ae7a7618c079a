"""What the tests of adapting share: small networks to start from, and folders to learn."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from inkdigits.data.dataset import Dataset
from inkdigits.models.export import export_onnx
from inkdigits.models.metadata import digit_metadata, line_metadata
from inkdigits.synthesis.numbers import write_numbers
from inkdigits.training.recipe import Recipe

CNN = ["model.kind='cnn'", "model.filters=[16]", "model.depth=[2]", "model.pooled=false"]
LINE = [
    "model.kind='line'",
    "model.filters=[4, 4, 8, 8, 16]",
    "data.numbers=10",
    "data.val_numbers=10",
]


def digit_parent(path: Path) -> Path:
    """Write a digit network that has learnt nothing yet; return its path."""
    from inkdigits.models.cnn import build_cnn

    model = build_cnn([16], [2], seed=1, pooled=False, normalized=False)
    path.write_bytes(export_onnx(model, digit_metadata(recipe=recipe_text(CNN))))
    return path


def line_parent(path: Path) -> Path:
    """Write a line network that has learnt nothing yet; return its path."""
    from inkdigits.models.line import build_line

    model = build_line((4, 4, 8, 8, 16), seed=1, normalized=False)
    path.write_bytes(export_onnx(model, line_metadata(recipe=recipe_text(LINE))))
    return path


def recipe_text(overrides: Sequence[str]) -> str:
    # A line without numbers is refused, so that they come first.
    ordered = sorted(overrides, key=lambda text: not text.startswith("data."))
    return Recipe("mine").override(ordered).to_toml()


def digits_folder(folder: Path, digits: Dataset, n: int, shuffled: bool = False) -> Path:
    """Write `n` of the test digits as dark ink on light paper beside a labels.csv."""
    folder.mkdir()
    labels = digits.test.labels[:n].tolist()
    if shuffled:
        labels = np.random.default_rng(0).permutation(labels).tolist()
    for number, image in enumerate(digits.test.images[:n]):
        page = cv2.resize(np.pad(255 - image, 8, constant_values=255), None, fx=2, fy=2)
        cv2.imwrite(str(folder / f"{number:03}.png"), page)
    return labelled(folder, [(f"{at:03}.png", str(label)) for at, label in enumerate(labels)])


def numbers_folder(folder: Path, digits: Dataset, n: int) -> Path:
    """Write `n` made photos of numbers beside a labels.csv."""
    folder.mkdir()
    rows = []
    for page, text in write_numbers(3 * n, digits.train, np.random.default_rng(5)):
        if text.isdigit() and len(rows) < n:
            name = f"{len(rows):03}.png"
            cv2.imwrite(str(folder / name), page)
            rows.append((name, text))
    return labelled(folder, rows)


def labelled(folder: Path, rows: Sequence[tuple[str, str]]) -> Path:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label"), *rows])
    return folder


@contextmanager
def breaking_off() -> Iterator[None]:
    """Let a lesson be broken off in its second epoch, before that is measured and kept."""
    from inkdigits.training.lesson import Watch

    measured = Watch.on_epoch_end

    def breaks(self: Watch, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt
        measured(self, epoch, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "on_epoch_end", breaks)
        yield
