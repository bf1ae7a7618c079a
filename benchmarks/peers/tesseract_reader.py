"""The peer: Tesseract with a digits allow-list, reading the crops that standard input names.

It needs Pillow and the program `tesseract`, and knows nothing of inkdigits. All crops are made
dark on light, enlarged and bordered, then read by one process; each gives one line of JSON: the
text and Tesseract's own confidence 0–1. The setting is a page segmentation mode and a height.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

BORDER = 16
# `--psm`: 7 one line, 8 one word, 10 one sign, 13 one line, raw.
SETTINGS = tuple(f"psm {psm}, {height} px" for psm in (7, 8, 10, 13) for height in (32, 48))
WORD = "5"


def prepared(path: str, height: int) -> Image.Image:
    """Return a crop dark on light, `height` pixels high, with a border of its paper's colour."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode in ("P", "LA", "RGBA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    grey = image.convert("L")
    if rim(grey) < 128:
        grey = ImageOps.invert(grey)
    width = max(1, round(grey.width * height / grey.height))
    large = grey.resize((width, height), Image.Resampling.BICUBIC)
    return ImageOps.expand(large, BORDER, fill=rim(large))


def rim(grey: Image.Image) -> int:
    """Return the median of the outermost pixels."""
    width, height = grey.size
    edges = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height))
    values: list[int] = []
    for box in (*edges, (width - 1, 0, width, height)):
        values.extend(grey.crop(box).tobytes())
    return round(statistics.median(values))


def read(paths: list[str], psm: str, height: int, folder: Path) -> list[dict[str, object]]:
    """Return text and score of each crop; the words of one crop are joined."""
    names = []
    for number, path in enumerate(paths):
        names.append(str(folder / f"{number}.png"))
        prepared(path, height).save(names[-1], dpi=(300, 300))
    listed = folder / "list.txt"
    listed.write_text("\n".join(names) + "\n", encoding="utf-8")
    only_digits = ["-c", "tessedit_char_whitelist=0123456789"]
    done = subprocess.run(
        ["tesseract", str(listed), "stdout", "--psm", psm, *only_digits, "tsv"],
        # Its threads hinder each other on lines as short as these.
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    words: list[list[tuple[str, float]]] = [[] for _ in paths]
    for row in csv.DictReader(done.stdout.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] == WORD and row["text"].strip():
            words[int(row["page_num"]) - 1].append((row["text"].strip(), float(row["conf"]) / 100))
    return [
        {"text": "".join(text for text, _ in found), "score": min((s for _, s in found), default=0)}
        for found in words
    ]


def main() -> None:
    """Answer every line of standard input, after the last one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--setting", choices=SETTINGS, default=SETTINGS[0])
    _, psm, height, _ = parser.parse_args().setting.replace(",", "").split()
    paths = sys.stdin.read().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        for answer in read(paths, psm, int(height), Path(folder)):
            print(json.dumps(answer))


if __name__ == "__main__":
    main()
