"""Whole pages: marks of real tables read in the right order, and a made A4 page read quickly.

The folder of real images is given by --paper or INKDIGITS_PAPER; only counts go into the record.
The A4 page, 300 dpi, holds 500 handwritten digits that the project draws; the whole process
`inkdigits read PAGE --json` is timed, from start to exit.
"""

from __future__ import annotations

import csv
import difflib
import json
import os
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from processes import arguments, environment, run
from record import HAIR, Figure, median_figure, write_record

from inkdigits.data.source import load_mnist
from inkdigits.errors import DataUnavailable
from inkdigits.imaging.arrays import as_uint8
from inkdigits.reading.reader import Reader
from inkdigits.synthesis.layout import new_line
from inkdigits.synthesis.numbers import checked_pool, new_writer, write_digits

A4 = (3508, 2480)
ROWS, COLUMNS = 25, 7
DIGITS = 500
HEIGHT = 58
SEED = 0
FOUND_BAR, SECONDS_BAR = 0.9, 2.0


def read_tables(paper: Path, reader: Reader) -> tuple[int, int]:
    """Return how many whole marks the pages hold, and how many were read right and in order.

    Cells with decimals or letters are no numbers: one that is read as one is in the way.
    """
    folder = paper / "marksheet"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "int"]
    total = right = 0
    for page in sorted((folder / "pages").glob("*.png")):
        sheet = "".join(filter(str.isdigit, page.stem)).lstrip("0")
        cells = [row for row in rows if row["sheet"] == sheet]
        cells.sort(key=lambda row: (int(row["row"]), int(row["col"])))
        wanted = [row["label"] for row in cells]
        found = [number.text for number in reader.read(page).numbers]
        matcher = difflib.SequenceMatcher(a=wanted, b=found, autojunk=False)
        total += len(wanted)
        right += sum(block.size for block in matcher.get_matching_blocks())
    return total, right


def made_page() -> tuple[NDArray[np.uint8], list[str]]:
    """Return an A4 page at 300 dpi by one hand, and its numbers in reading order: 500 digits."""
    rng = np.random.default_rng(SEED)
    pool = checked_pool(DIGITS, load_mnist().train, rng)
    page = np.full(A4, 245, np.float32)
    writer = new_writer(HEIGHT, pool, False, rng)
    texts: list[str] = []
    left_over = DIGITS
    step_y, step_x = A4[0] // (ROWS + 1), A4[1] // (COLUMNS + 1)
    for place in range(ROWS * COLUMNS):
        if left_over == 0:
            break
        count = min(left_over, 3)
        left_over -= count
        text = "".join(str(digit) for digit in rng.integers(0, 10, count))
        line = new_line(HEIGHT, count)
        write_digits(text, line, writer, rng)
        ink = line.ink[:, : line.end + 2]
        top = (place // COLUMNS) * step_y + step_y // 2
        left = (place % COLUMNS) * step_x + step_x // 2
        part = page[top : top + ink.shape[0], left : left + ink.shape[1]]
        part -= ink[: part.shape[0], : part.shape[1]] * (210 / 255)
        texts.append(text)
    page += rng.normal(0, 2, A4)
    return as_uint8(np.clip(page, 0, 255)), texts


def time_page(repeats: int) -> tuple[list[float], int, int]:
    """Return the seconds of whole processes, how many numbers the page has, and how many right."""
    page, texts = made_page()
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.png"
        cv2.imwrite(str(path), page)
        command = [sys.executable, "-m", "inkdigits", "read", str(path), "--json"]
        for _ in range(repeats):
            done = run(command, environment())
            seconds.append(done.seconds)
    found = [number["text"] for number in json.loads(done.stdout)["numbers"]]
    matcher = difflib.SequenceMatcher(a=texts, b=found, autojunk=False)
    return seconds, len(texts), sum(block.size for block in matcher.get_matching_blocks())


def main() -> None:
    """Read the pages and write records/pages.json."""
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--paper", type=Path, default=os.environ.get("INKDIGITS_PAPER"))
    options = parser.parse_args()
    if options.paper is None or not Path(options.paper).is_dir():
        raise DataUnavailable(
            f"no folder of real images: {options.paper!r}.", "Give --paper, or set INKDIGITS_PAPER."
        )
    total, right = read_tables(Path(options.paper), Reader(layout="page"))
    seconds, numbers, read = time_page(options.repeats)
    share = right / total
    figures = [
        Figure(
            "`paper/marksheet`, whole pages: marks found, right and in order",
            "share",
            share,
            [share],
            above=FOUND_BAR - HAIR,
        ),
        median_figure(
            "an A4 page of 500 digits, whole process", "seconds", seconds, at_most=SECONDS_BAR
        ),
        Figure(
            "numbers of that page right and in order", "share", read / numbers, [read / numbers]
        ),
    ]
    write_record("pages", figures, options.records, n=total, seeds=[SEED], numbers=numbers)


if __name__ == "__main__":
    main()
