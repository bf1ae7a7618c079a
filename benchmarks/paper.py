"""Real images that no training saw, through the real Reader: drawings, photos, symbols.

The folder is given by --paper or INKDIGITS_PAPER; nothing of it but counts goes into the record.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from record import HAIR, RECORDS, Figure, write_record

from inkdigits.errors import DataUnavailable
from inkdigits.reading.reader import Reader

LOOK_ALIKES = {"/", "(", ")", ",", "|", "omicron", "theta", "sigma"}
NO_DIGIT = {"dash", "blank"}
DOUBTFUL = "?"
# Set → the least share that must hold.
BARS = {"drawings": 0.95, "photos": 0.94, "symbols": 0.90}

Counts = dict[str, Counter[str]]


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paper", type=Path, default=os.environ.get("INKDIGITS_PAPER"))
    parser.add_argument("--model", type=Path, help="an ONNX artefact (default: the bundled one)")
    parser.add_argument("--record", action="store_true", help="write records/paper.json")
    parser.add_argument("--records", type=Path, default=RECORDS)
    return parser.parse_args()


def labelled(folder: Path) -> Iterable[tuple[Path, str]]:
    """Yield path and label of every image of a set that is not doubtful."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if DOUBTFUL not in row["label"]:
                yield folder / row["file"], row["label"]


def group_of(name: str, label: str) -> str:
    """Return under which name an image of the set `name` is counted."""
    if label in LOOK_ALIKES:
        return f"{name}: look-alikes"
    return f"{name}: dashes and blanks" if label in NO_DIGIT else name


def count(reader: Reader, paper: Path) -> Counts:
    """Read every image; return, for each group, how many were read, right, and rejected why."""
    counts: Counts = {}
    for name in BARS:
        for path, label in labelled(paper / name):
            group = counts.setdefault(group_of(name, label), Counter())
            reading = reader.read_or_error(path)
            group["n"] += 1
            group[reading.reason or reading.status] += 1
            group["right"] += reading.status == "ok" and reading.text == label
    return counts


def show(counts: Counts) -> None:
    """Print the counts as a table."""
    columns = ("n", "right", "ok", "blank", "not_a_digit", "unsure", "error")
    print(f"{'':32}" + "".join(f"{column:>13}" for column in columns))
    for name, group in counts.items():
        print(f"{name:32}" + "".join(f"{group[column]:>13}" for column in columns))


def figures_of(counts: Counts) -> list[Figure]:
    """Return the shares that have a bar, and the others beside them."""
    figures = []
    for name, group in counts.items():
        digits = name in ("drawings", "photos")
        share = (group["right"] if digits else group["n"] - group["ok"]) / group["n"]
        what = f"`paper/{name}`, {'read right' if digits else 'rejected'}"
        bar = BARS.get(name)
        above = None if bar is None else bar - HAIR
        figures.append(Figure(what, "share", share, [share], above=above))
    return figures


def main() -> None:
    """Score a model, print the table, and write the record when asked to."""
    asked = options()
    if asked.paper is None or not Path(asked.paper).is_dir():
        raise DataUnavailable(
            f"no folder of real images: {asked.paper!r}.", "Give --paper, or set INKDIGITS_PAPER."
        )
    reader = Reader(asked.model, layout="digit")
    counts = count(reader, Path(asked.paper))
    show(counts)
    if asked.record:
        write_record(
            "paper",
            figures_of(counts),
            asked.records,
            n=sum(group["n"] for group in counts.values()),
            seeds=[],
            model=reader.metadata.recipe,
            counts={name: dict(group) for name, group in counts.items()},
        )


if __name__ == "__main__":
    main()
