"""Pages into numbers, on real images: line or page, table cells in order, lines of several numbers.

The folder is given by --paper or INKDIGITS_PAPER; nothing but counts is printed, but for --wrong.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np

from inkdigits.errors import DataUnavailable
from inkdigits.imaging.decode import decode
from inkdigits.imaging.segment import layout_of, segment

SETS = ("cheques", "marksheet", "photos", "drawings", "numbers")
TABLES = "marksheet"
Row = dict[str, str]


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paper", type=Path, default=os.environ.get("INKDIGITS_PAPER"))
    parser.add_argument("--wrong", action="store_true", help="name the images judged wrong")
    return parser.parse_args()


def labelled(folder: Path) -> list[Row]:
    """Return the rows of a set's label file that are not doubtful."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if "?" not in row["label"] and row.get("note") != "doubtful"]


def count_layouts(folder: Path) -> tuple[Counter[str], list[str]]:
    """Return how many images of a set are judged line or page, rightly or not, and which wrongly.

    A label of several lines is a page, anything else a line. Times are in milliseconds.
    """
    counts: Counter[str] = Counter()
    wrong = []
    for row in labelled(folder):
        grey = decode(folder / row["file"])
        start = time.perf_counter()
        found = layout_of(grey)
        counts["microseconds"] += round(1e6 * (time.perf_counter() - start))
        right = found == ("page" if "|" in row["label"] else "line")
        counts["n"] += 1
        counts["right"] += right
        if not right:
            wrong.append(f"{row['file']} {row['label']} → {found}")
    return counts, wrong


def count_cells(folder: Path) -> tuple[Counter[str], list[str]]:
    """Return how many labelled cells of whole tables have a region in their place of the grid."""
    cells: dict[int, set[tuple[int, int]]] = {}
    for row in labelled(folder):
        cells.setdefault(int(row["sheet"]), set()).add((int(row["row"]), int(row["col"])))
    counts: Counter[str] = Counter()
    wrong = []
    for path in sorted((folder / "pages").glob("*.png")):
        expected = cells[int("".join(filter(str.isdigit, path.stem)))]
        found = [(region.row + 1, region.column + 1) for region in segment(decode(path))]
        counts["n"] += len(expected)
        counts["found"] += len(expected & set(found))
        counts["missed"] += len(expected - set(found))
        counts["extra"] += len(found) - len(expected & set(found))
        in_order = found == sorted(expected)
        counts["pages in order"] += in_order
        if not in_order:
            wrong.append(f"{path.name}: {len(found)} regions")
    return counts, wrong


def count_numbers(folder: Path) -> tuple[Counter[str], list[str]]:
    """Return for how many images of one or more numbers the count of regions is right."""
    counts: Counter[str] = Counter()
    wrong = []
    for row in labelled(folder):
        expected, found = row["label"].count("|") + 1, len(segment(decode(folder / row["file"])))
        kind = "several lines" if expected > 1 else "one line"
        counts[f"{kind}: n"] += 1
        counts[f"{kind}: right"] += expected == found
        if expected != found:
            wrong.append(f"{row['file']} {row['label']} → {found} regions")
    return counts, wrong


def main() -> None:
    """Count, and print the tables."""
    asked = options()
    if asked.paper is None or not Path(asked.paper).is_dir():
        raise DataUnavailable(
            f"no folder of real images: {asked.paper!r}.", "Give --paper, or set INKDIGITS_PAPER."
        )
    paper = Path(asked.paper)
    layout_of(np.full((40, 40), 255, np.uint8))
    mistakes: list[str] = []
    print(f"{'line or page':24}{'n':>8}{'right':>8}{'share':>9}{'ms':>8}")
    for name in SETS:
        counts, wrong = count_layouts(paper / name)
        n, right = counts["n"], counts["right"]
        print(f"{name:24}{n:>8}{right:>8}{right / n:>9.2%}{counts['microseconds'] / n / 1e3:>8.2f}")
        mistakes += wrong
    for name, count in ((TABLES, count_cells), ("numbers", count_numbers)):
        counts, wrong = count(paper / name)
        print(f"{name}: " + ", ".join(f"{what} {counts[what]}" for what in counts))
        mistakes += wrong
    if asked.wrong:
        print(*mistakes, sep="\n")


if __name__ == "__main__":
    main()
