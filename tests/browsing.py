"""What the tests of the page share: Chromium, a hand that draws, and a scan of accessibility."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inkdigits.serving.page_files import PAGE, RUNTIME

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium")
IN_CI = bool(os.environ.get("CI"))
if CHROMIUM is None and not IN_CI:
    pytest.skip("needs Debian's package chromium", allow_module_level=True)
from playwright.sync_api import Browser, Page, expect, sync_playwright

expect.set_options(timeout=30_000)  # The machine may be busy with other tests.

Stroke = list[tuple[float, float]]
SEVEN: Stroke = [(0.3, 0.25), (0.45, 0.25), (0.37, 0.75)]
ONE: Stroke = [(0.55, 0.25), (0.55, 0.75)]
SCRIBBLE: Stroke = [(0.3 + 0.4 * (n % 2), 0.25 + 0.05 * n) for n in range(11)]
AXE = "axe-core@4.14.1"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *flags]
        )
        yield opened
        opened.close()


@contextmanager
def watched(browser: Browser, address: str, *accepted: str, **options: object) -> Iterator[Page]:
    """A page at `address` that must ask no other host and complain of nothing but `accepted`."""
    options.setdefault("viewport", {"width": 1100, "height": 900})
    opened = browser.new_page(**options)  # type: ignore[arg-type]
    asked: list[str] = []
    complaints: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text))
    opened.goto(address)
    yield opened
    opened.close()
    assert [text for text in complaints if not text.startswith(accepted or ("\0",))] == []
    host = address.partition("?")[0].rstrip("/")
    assert all(url.startswith((host, f"blob:{host}", "data:")) for url in asked), "no other host"


def draw(page: Page, *strokes: Stroke) -> None:
    """Draw strokes through points, as shares of the pad."""
    box = page.locator("#pad").bounding_box()
    assert box is not None
    for stroke in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=6)
        page.mouse.up()


def need_npm() -> str:
    """Where npm is; skips where it is not, fails in CI."""
    npm = shutil.which("npm")
    if npm is None:
        (pytest.fail if IN_CI else pytest.skip)("needs Debian's package npm")
    return str(npm)


def need_runtime() -> None:
    """Fetch what reads in the browser alone, where it is not here yet."""
    if not all((PAGE / "vendor" / name).is_file() for name in RUNTIME):
        need_npm()
        subprocess.run([sys.executable, ROOT / "tools" / "vendor_page.py"], check=True)


def axe_source(cache: Path) -> str:
    """The script of axe-core, from `cache`, where npm puts it the first time."""
    path = cache / f"{AXE}.js"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as name:
            command = [need_npm(), "pack", AXE, "--silent", "--pack-destination", name]
            subprocess.run(command, check=True, capture_output=True)
            with tarfile.open(next(Path(name).glob("*.tgz"))) as package:
                member = package.extractfile("package/axe.min.js")
                assert member is not None
                path.write_bytes(member.read())
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == AXE_SHA256
    return content.decode()


def barriers(page: Page, axe: str) -> list[str]:
    """What keeps someone from using the page as it stands, by axe's rules for WCAG 2.2 AA."""
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]
