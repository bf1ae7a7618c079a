"""Make the pictures of the page that README.md and docs/ show, from a running service's answers.

    python tools/page_pictures.py

Needs Debian's chromium and the package playwright. All that is on them is drawn here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from inkdigits.synthesis.hand import Hand, new_hand

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "pictures"
COLOURS = 256
SECONDS_TO_START = 30
SLIPS = 60
Canvas = NDArray[np.float64]


@contextmanager
def service(*verb: str, place: Path = ROOT) -> Iterator[str]:
    """Yield the address of what `inkdigits` serves by a verb run in `place`, once it is ready."""
    command = [sys.executable, "-m", "inkdigits", *verb, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=place) as process:
        if process.stderr is None:
            raise RuntimeError("the service has no pipe")
        found = re.search(r"http://\S+?:\d+", process.stderr.readline())
        if found is None:
            raise SystemExit("the service did not start.")
        wait_until_ready(found.group())
        yield found.group()
        process.terminate()


def wait_until_ready(address: str) -> None:
    """Wait for the first answer; SystemExit when none comes."""
    for _ in range(10 * SECONDS_TO_START):
        try:
            urllib.request.urlopen(f"{address}/readyz")
            return
        except urllib.error.URLError:
            sleep(0.1)
    raise SystemExit("the service did not become ready.")


def cheque(number: str, seed: int = 3, writer: int = 11) -> NDArray[np.uint8]:
    """Return a drawn slip, uint8 (H, W, 3) RGB: shaded paper, and `number` by a writer's hand."""
    rng = np.random.default_rng(seed)
    height, width = 220, 720
    ground = 246 - 10 * np.linspace(0, 1, width)[None] + rng.normal(0, 1.2, (height, width))
    page: Canvas = np.stack([ground, ground - 2, ground - 14], axis=2)
    write(page, number, new_hand(np.random.default_rng(writer)), rng)
    return np.clip(page, 0, 255).astype(np.uint8)


def write(page: Canvas, number: str, hand: Hand, rng: np.random.Generator) -> None:
    """Write `number` along the middle of `page`, in blue ink."""
    left = 70
    for sign in number:
        ink = hand.digit(int(sign), rng)
        scale = 108 / ink.shape[0]
        ink = np.asarray(cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        top = 56 + int(rng.integers(-6, 7))
        rows, columns = slice(top, top + ink.shape[0]), slice(left, left + ink.shape[1])
        share = (ink / 255)[..., None]
        page[rows, columns] = page[rows, columns] * (1 - share) + np.array([36, 48, 110]) * share
        left += ink.shape[1] + 22


def draw(page: Page, *strokes: list[tuple[float, float]]) -> None:
    """Draw strokes through points, as shares of the sheet."""
    box = page.locator("#pad").bounding_box()
    if box is None:
        raise RuntimeError("the page has no sheet")
    for stroke in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=4)
        page.mouse.up()


def curve(*points: tuple[float, float]) -> list[tuple[float, float]]:
    """Return a smooth curve through `points`, by Catmull and Rom."""
    knots = np.array([points[0], *points, points[-1]])
    t = np.linspace(0, 1, 9)[:, None]
    parts = []
    for n in range(1, len(knots) - 2):
        p0, p1, p2, p3 = knots[n - 1 : n + 3]
        steps = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        parts.append((steps + (3 * p1 - p0 - 3 * p2 + p3) * t**3) / 2)
    return [(float(x), float(y)) for x, y in np.concatenate(parts)]


TWO = curve(
    (0.28, 0.33), (0.33, 0.22), (0.4, 0.3), (0.36, 0.5), (0.26, 0.76), (0.3, 0.745), (0.42, 0.76)
)
FOUR = [(0.55, 0.22), (0.48, 0.57), (0.62, 0.55)], [(0.585, 0.38), (0.57, 0.78)]
DOUBTFUL = curve((0.46, 0.38), (0.53, 0.225), (0.57, 0.24), (0.545, 0.5), (0.5, 0.79))
THREE = curve(
    (0.44, 0.27), (0.5, 0.21), (0.56, 0.3), (0.49, 0.46), (0.57, 0.6), (0.51, 0.78), (0.43, 0.71)
)


def save(page: Page, name: str, **options: Any) -> None:
    """Save a screenshot as a PNG of few colours."""
    page.wait_for_timeout(600)
    path = OUT / f"{name}.png"
    page.screenshot(path=path, **options)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB\n")


def take_pictures(browser: Browser, address: str, slip: Path) -> None:
    """Take the picture of each kind: light, dark, and on a phone."""
    desktop: Any = {"width": 1100, "height": 860}
    light = browser.new_page(viewport=desktop, color_scheme="light")
    light.goto(address)
    draw(light, TWO, *FOUR)
    light.wait_for_selector("#digits li")
    light.wait_for_timeout(2000)  # until the last stroke is read, too
    light.click("#keep")
    light.click("#clear")
    light.mouse.move(0, 0)
    light.set_input_files("#files", slip)
    light.wait_for_selector("#picture:not([hidden])")
    save(light, "page-light", full_page=True)
    dark = browser.new_page(viewport=desktop, color_scheme="dark")
    dark.goto(address)
    draw(dark, DOUBTFUL)
    dark.wait_for_selector("#digits li")
    dark.mouse.move(0, 0)
    save(dark, "page-dark")
    phone = browser.new_page(
        viewport={"width": 360, "height": 780}, device_scale_factor=2, color_scheme="light"
    )
    phone.goto(address)
    draw(phone, THREE)
    phone.wait_for_selector("#digits.ten li")
    save(phone, "page-phone")


def reviewed(place: Path) -> Path:
    """Return the results of reading a folder of slips by many writers."""
    rng = np.random.default_rng(5)
    (place / "cheques").mkdir()
    for n in range(SLIPS):
        number = str(rng.integers(10_000, 99_999))
        Image.fromarray(cheque(number, n, 40 + n)).save(place / "cheques" / f"{n + 101}.png")
    command = [sys.executable, "-m", "inkdigits", "read", "cheques", "--out", "cheques.csv"]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return place / "cheques.csv"


def take_review(browser: Browser, place: Path) -> None:
    """Take the picture of a review, after some decisions."""
    results = reviewed(place)
    with service("review", results.name, place=place) as address:
        page = browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme="light")
        page.goto(address)
        page.select_option("#status-wanted", "ok")
        for _ in range(SLIPS // 20):
            page.wait_for_selector("#reading[data-item]")
            page.keyboard.press("Enter")
            page.wait_for_timeout(300)
        page.wait_for_selector("#texts li")
        page.wait_for_timeout(2000)
        save(page, "review-light", full_page=True)


def main() -> None:
    """Make docs/pictures/page-*.png and review-light.png."""
    OUT.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as name,
        service("serve") as address,
        sync_playwright() as tool,
    ):
        slip = Path(name) / "cheque.png"
        Image.fromarray(cheque("20485")).save(slip)
        browser = tool.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        take_pictures(browser, address, slip)
        take_review(browser, Path(name))
        browser.close()


if __name__ == "__main__":
    main()
