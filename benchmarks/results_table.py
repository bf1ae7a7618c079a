"""The results tables, written from records/*.json between two markers of each page.

README.md has what is promised, docs/results.md what it was decided by: records that name it as
their page. `--check` changes nothing and exits 1 when a page is out of date or a record is missing.
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
README, RESULTS = "README.md", "docs/results.md"
HEAD = ("what", "figure", "published or bar", "record")
# Records appear in this order, any others after them by name.
ORDER = (
    "accuracy-early-stopping",
    "accuracy-ten-epochs",
    "accuracy-checkpointed",
    "accuracy-quickstart",
    "accuracy-distorted",
    "accuracy-fast",
    "accuracy-cnn",
    "accuracy-ensemble",
    "accuracy-distilled",
    "accuracy-bundled",
    "robustness-bundled",
    "paper",
    "fast",
    "throughput",
    "epoch",
    "whole-process",
    "read-start",
    "browser-parity",
    "prng",
)
# Figures that this version promises; without their records it is not done.
REQUIRED = (
    "accuracy-early-stopping",
    "accuracy-ten-epochs",
    "accuracy-checkpointed",
    "epoch",
    "whole-process",
    "read-start",
    "prng",
)
# Kinds that are written as they are, and how.
PLAIN = {
    "count": "{:,.0f}",
    "per second": "{:,.0f} a second",
    "MB": "{:,.0f} MB",
    "MB/h": "{:.2f} MB an hour",
    "difference": "{:.1e}",
}
KINDS = ("share", "ratio", "seconds", *PLAIN)


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
    """Return a value as its kind is written: 97.87 %, 0.24 (a ratio), 1.23 s, 146 MB …"""
    if kind == "share":
        return f"{100 * value:.2f} %"
    if kind == "ratio":
        return f"{value:.3f}"
    if kind == "seconds":
        return f"{value:.1f} s" if value >= 10 else f"{value:.3g} s"
    if kind == "MB" and value < 10:
        return f"{value:.2f} MB"
    if kind in PLAIN:
        return PLAIN[kind].format(value)
    raise ValueError(f"a figure's kind is one of {', '.join(KINDS)}, got {kind!r}.")


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


def put_into(page: str, table: str) -> str:
    """Return the page's text with the table between the markers; ValueError without them."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the page has no {START} … {END}.")
    return f"{before}{START}\n{table}\n{END}{after}"


def update(page: Path, records: Iterable[tuple[Path, Mapping[str, Any]]], check: bool) -> bool:
    """Bring the table of `page` up to date unless this is a check; return whether it was."""
    old = page.read_text(encoding="utf-8")
    new = put_into(old, make_table(records, page.parent))
    if new != old and not check:
        write_text(page, new)
    return new == old


def main(arguments: list[str] | None = None) -> int:
    """Write the tables, or with --check only compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when out of date")
    parser.add_argument("--records", type=Path, default=ROOT / "records")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the pages")
    options = parser.parse_args(arguments)
    records = load_records(options.records)
    missing = [name for name in REQUIRED if not (options.records / f"{name}.json").is_file()]
    if options.check and missing:
        print(f"no record of {', '.join(missing)}: see benchmarks/README.md", file=sys.stderr)
        return 1
    code = 0
    for name in (README, RESULTS):
        shown = [(path, record) for path, record in records if record.get("page", README) == name]
        try:
            if not update(options.root / name, shown, options.check) and options.check:
                print(f"{name} is out of date: run benchmarks/results_table.py", file=sys.stderr)
                code = 1
        except (ValueError, KeyError) as error:
            print(f"results_table: {name}: {error}", file=sys.stderr)
            return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
