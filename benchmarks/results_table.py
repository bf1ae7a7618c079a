"""The README's results table, written from records/*.json between its two markers.

`--check` changes nothing and exits 1 when README.md is out of date or a record is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from inkdigits.files import write_text

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- results -->", "<!-- /results -->"
HEAD = ("what", "figure", "published or bar", "record")
# Records appear in this order, any others after them by name.
ORDER = (
    "accuracy-early-stopping",
    "accuracy-ten-epochs",
    "accuracy-checkpointed",
    "accuracy-quickstart",
    "epoch",
    "whole-process",
    "read-start",
    "prng",
)
# Figures that this version promises; without their records it is not done.
REQUIRED = tuple(name for name in ORDER if name != "accuracy-quickstart")


def load_records(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return each record of `folder` that has figures, with its path, in the table's order."""
    records = []
    for path in sorted(folder.glob("*.json"), key=place):
        content = json.loads(path.read_text(encoding="utf-8"))
        # Other parts of the project keep records of other forms here.
        if isinstance(content, dict) and isinstance(content.get("figures"), list):
            records.append((path, content))
    return records


def place(path: Path) -> tuple[int, str]:
    """Return what a record is sorted by."""
    name = path.stem
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def make_table(records: Iterable[tuple[Path, Mapping[str, Any]]], base: Path) -> str:
    """Return the Markdown table, its links relative to the folder `base`."""
    lines = [row(HEAD), row(["---"] * len(HEAD))]
    for path, record in records:
        link = f"[{path.name}]({Path(os.path.relpath(path, base)).as_posix()})"
        lines += [
            row([figure["what"], figure_text(figure), beside_text(figure), link])
            for figure in record["figures"]
            if figure.get("in_table", True)
        ]
    return "\n".join(lines)


def row(cells: Iterable[str]) -> str:
    """Return one line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def figure_text(figure: Mapping[str, Any]) -> str:
    """Return a figure with its spread: mean ± std, or median with the range of all values."""
    kind, value, values = figure["kind"], figure["value"], figure["values"]
    n = len(values)
    if n == 1:
        return f"{number(value, kind)} (n = 1)"
    if figure.get("std") is not None:
        digits = number(value, kind).removesuffix(" %")
        unit = " %" if kind == "share" else ""
        return f"{digits} ± {number(figure['std'], kind).removesuffix(' %')}{unit} (n = {n})"
    low, high = number(min(values), kind), number(max(values), kind)
    return f"{number(value, kind)} (median of {n}, {low} – {high})"


def number(value: float, kind: str) -> str:
    """Return a value as its kind is written: 97.87 %, 0.24 (a ratio), or 1.23 s."""
    if kind == "share":
        return f"{100 * value:.2f} %"
    if kind == "ratio":
        return f"{value:.3f}"
    if kind == "seconds":
        return f"{value:.1f} s" if value >= 10 else f"{value:.3g} s"
    raise ValueError(f"a figure's kind is share, ratio or seconds, got {kind!r}.")


def beside_text(figure: Mapping[str, Any]) -> str:
    """Return the published figure or the bar, and say so where it is not reached."""
    words = {"published": "published {}", "at_most": "at most {}", "above": "above {}"}
    found = [
        text.format(number(figure[key], figure["kind"]))
        for key, text in words.items()
        if figure.get(key) is not None
    ]
    if not found:
        return "–"
    return found[0] + ("" if figure.get("met") else " (**not reached**)")


def put_into(readme: str, table: str) -> str:
    """Return the README's text with the table between the markers; ValueError without them."""
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the README has no {START} … {END}.")
    return f"{before}{START}\n{table}\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Write the table, or with --check only compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when out of date")
    parser.add_argument("--records", type=Path, default=ROOT / "records")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    options = parser.parse_args(arguments)
    old = options.readme.read_text(encoding="utf-8")
    try:
        new = put_into(old, make_table(load_records(options.records), options.readme.parent))
    except (ValueError, KeyError) as error:
        print(f"results_table: {error}", file=sys.stderr)
        return 1
    missing = [name for name in REQUIRED if not (options.records / f"{name}.json").is_file()]
    if options.check and missing:
        print(f"no record of {', '.join(missing)}: see benchmarks/README.md", file=sys.stderr)
        return 1
    if options.check and new != old:
        print("README.md is out of date: run `python benchmarks/results_table.py`", file=sys.stderr)
        return 1
    if new != old:
        write_text(options.readme, new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
