"""The page in the browser alone against `Reader` on single digits: 1,000, the same answers?

Each digit is by a writer of its own, somewhere on a sheet of the page's size, with a pen of any
width. The reader gets the PNG with layout "digit"; Chromium gets it through the modules of what
`inkdigits page` writes, from a file server on loopback. Needs Debian's chromium, the package
playwright, and `make vendor`.
"""

from __future__ import annotations

import base64
import functools
import io
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from processes import common_arguments, say
from record import Figure, mean_figure, median_figure, write_record

from inkdigits import Reader
from inkdigits.cli.page import page as write_page
from inkdigits.synthesis.hand import new_hand

SEED = 20
HEIGHT, WIDTH = 480, 960
INK = 38
"""The grey of the page's ink, 0–255."""
BATCH = 10
OPEN = """async () => {
  const { openLocal } = await import("./local.js");
  window.reader = await openLocal();
}"""
READ = """async (images) => {
  const answers = [];
  for (const image of images) {
    const bytes = Uint8Array.from(atob(image), (sign) => sign.charCodeAt(0));
    const started = performance.now();
    const answer = await window.reader.ask(new Blob([bytes], { type: "image/png" }), "image");
    answers.push([answer, (performance.now() - started) / 1000]);
  }
  return answers;
}"""


class Files(SimpleHTTPRequestHandler):
    """Serves files without telling of each."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def drawn(label: int, rng: np.random.Generator) -> bytes:
    """Return the PNG of a sheet on which a new writer wrote `label`."""
    ink = new_hand(rng).digit(label, rng)
    scale = rng.uniform(0.3, 0.9) * HEIGHT / max(ink.shape)
    ink = np.asarray(cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR))
    height, width = ink.shape
    top, left = rng.integers(0, HEIGHT - height + 1), rng.integers(0, WIDTH - width + 1)
    sheet: NDArray[np.float64] = np.full((HEIGHT, WIDTH), 255.0)
    sheet[top : top + height, left : left + width] -= ink * ((255 - INK) / 255)
    file = io.BytesIO()
    Image.fromarray(np.rint(sheet).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@contextmanager
def static_page() -> Iterator[str]:
    """Yield the address of a file server with the page that needs no service."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "site"
        write_page(folder)
        handler = functools.partial(Files, directory=folder)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/"
            server.shutdown()


@contextmanager
def chromium() -> Iterator[tuple[Page, str]]:
    """Yield Chromium with the page open and its model loaded, and the browser's version."""
    path = shutil.which("chromium")
    with static_page() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.goto(address)
        opened.evaluate(OPEN)
        yield opened, browser.version
        browser.close()


def told(answer: dict[str, Any]) -> tuple[str | None, ...]:
    """Return what an answer says, without how sure it is."""
    return tuple(answer.get(name) for name in ("status", "text", "reason"))


def measure(count: int) -> tuple[dict[str, list[float]], list[dict[str, Any]], str]:
    """Return, for each of `count` digits, what differs; those that do; the browser's version."""
    rng = np.random.default_rng(SEED)
    reader = Reader(layout="digit")
    rows: dict[str, list[float]] = {
        "differs": [],
        "apart": [],
        "right": [],
        "here": [],
        "there": [],
    }
    others = []
    with chromium() as (opened, version):
        for start in range(0, count, BATCH):
            labels = [n % 10 for n in range(start, min(start + BATCH, count))]
            sheets = [drawn(label, rng) for label in labels]
            encoded = [base64.b64encode(sheet).decode() for sheet in sheets]
            for label, sheet, (there, seconds) in zip(
                labels, sheets, opened.evaluate(READ, encoded), strict=True
            ):
                started = time.perf_counter()
                here = reader.read(sheet).to_dict()
                rows["here"].append(time.perf_counter() - started)
                rows["there"].append(seconds)
                rows["differs"].append(float(told(here) != told(there)))
                rows["apart"].append(abs(here["confidence"] - there["confidence"]))
                rows["right"].append(float(here["text"] == str(label)))
                if rows["differs"][-1]:
                    others.append({"label": label, "reader": told(here), "browser": told(there)})
            say(f"{len(rows['differs'])} read, {len(others)} otherwise")
    return rows, others, version


def figures_of(rows: dict[str, list[float]]) -> list[Figure]:
    """Return the share of answers that differ, and by how much the confidences do."""
    n = len(rows["differs"])
    return [
        mean_figure(
            f"{n:,} drawn digits, share read otherwise in the browser alone than by "
            '`Reader(layout="digit")`',
            "share",
            [sum(rows["differs"]) / n],
            at_most=0.0,
        ),
        mean_figure(
            "largest difference of confidence", "share", [max(rows["apart"])], in_table=False
        ),
        mean_figure("read rightly", "share", [sum(rows["right"]) / n], in_table=False),
        median_figure("one digit in the browser", "seconds", rows["there"], in_table=False),
        median_figure("one digit by the reader", "seconds", rows["here"], in_table=False),
    ]


def main() -> None:
    """Measure and write records/browser-parity.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("--count", type=int, default=1000, help="digits (default: 1000)")
    options = parser.parse_args()
    rows, others, version = measure(options.count)
    write_record(
        "browser-parity",
        figures_of(rows),
        options.records,
        n=options.count,
        seeds=[SEED],
        browser=f"Chromium {version}",
        otherwise=others,
    )


if __name__ == "__main__":
    main()
