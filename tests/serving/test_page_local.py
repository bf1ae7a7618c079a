"""The page without a service: the same answers in the browser alone, and nothing sent."""

from __future__ import annotations

import base64
import functools
import io
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from browsing import ONE, SCRIBBLE, SEVEN, barriers, draw, need_runtime, watched
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from inkdigits import Reader
from inkdigits.cli.main import main
from inkdigits.imaging.arrays import Grey
from inkdigits.imaging.clean import clean
from inkdigits.imaging.frame import frame
from inkdigits.synthesis.hand import new_hand

FRAMED = """async ([width, height, bytes]) => {
  const { frame } = await import("./frame.js");
  const data = Uint8Array.from(atob(bytes), (sign) => sign.charCodeAt(0));
  const framed = frame({ width, height, data });
  return framed && { image: [...framed.image], box: framed.box };
}"""
READ = """async (images) => {
  const { openLocal } = await import("./local.js");
  const reader = await openLocal();
  const answers = [];
  for (const image of images) {
    const bytes = Uint8Array.from(atob(image), (sign) => sign.charCodeAt(0));
    answers.push(await reader.ask(new Blob([bytes], { type: "image/png" }), "image"));
  }
  return answers;
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without telling of each, and knows what a module is."""

    extensions_map: ClassVar[dict[str, str]] = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a plain file server of what `inkdigits page` writes."""
    need_runtime()
    folder = tmp_path_factory.mktemp("static") / "site"
    assert main(["page", "--out", str(folder)]) == 0
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    with watched(browser, site) as opened:
        yield opened


def drawn_digits(count: int) -> list[tuple[int, Grey]]:
    """Digits of as many writers, each somewhere on a sheet of the page's size, with its label."""
    rng = np.random.default_rng(7)
    digits = []
    for n in range(count):
        ink = new_hand(rng).digit(n % 10, rng)
        height = int(rng.integers(120, 420))
        width = round(ink.shape[1] * height / ink.shape[0])
        sheet = np.full((480, 960), 255, np.uint8)
        top, left = rng.integers(0, 480 - height), rng.integers(0, 960 - width)
        sheet[top : top + height, left : left + width] -= cv2.resize(ink, (width, height)) // 9 * 8
        digits.append((n % 10, sheet))
    return digits


def as_png(grey: Grey) -> str:
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def framed_there(page: Page, grey: Grey) -> dict[str, list[int]] | None:
    height, width = grey.shape
    bytes_there = base64.b64encode(np.ascontiguousarray(grey)).decode()
    found: dict[str, list[int]] | None = page.evaluate(FRAMED, [width, height, bytes_there])
    return found


def test_the_framing_is_that_of_python(page: Page) -> None:
    for label, grey in drawn_digits(20):
        ours, theirs = frame(clean(grey)), framed_there(page, grey)
        assert ours is not None and theirs is not None
        difference = np.abs(ours.image.ravel().astype(int) - theirs["image"]).max()
        assert difference <= 3, f"a {label} differs by {difference} grey levels"
        assert list(ours.box) == theirs["box"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda grey: 255 - grey, id="light ink"),
        pytest.param(lambda grey: grey[::12, ::12], id="so small that it is enlarged"),
        pytest.param(lambda grey: np.tile(grey, (1, 2))[:, 300:1500], id="larger than the working"),
        pytest.param(lambda grey: grey[:, :300], id="cut off at the border"),
        pytest.param(lambda grey: (grey * 0.8).astype(np.uint8) + 20, id="grey ground"),
    ],
)
def test_other_pictures_are_framed_alike(page: Page, change: object) -> None:
    for _, grey in drawn_digits(2):
        picture = np.ascontiguousarray(change(grey))  # type: ignore[operator]
        ours, theirs = frame(clean(picture)), framed_there(page, picture)
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert np.abs(ours.image.ravel().astype(int) - theirs["image"]).max() <= 3


def test_the_answers_are_those_of_python(page: Page) -> None:
    reader = Reader(layout="digit", top=10)
    pictures = [grey for _, grey in drawn_digits(20)]
    blank = np.full((90, 90), 200, np.uint8)
    cross = np.full((200, 200), 255, np.uint8)
    cv2.line(cross, (40, 40), (160, 160), 0, 12)
    cv2.line(cross, (40, 160), (160, 40), 0, 12)
    pictures += [blank, cross]
    answers = page.evaluate(READ, [as_png(grey) for grey in pictures])
    for grey, answer in zip(pictures, answers, strict=True):
        expected = reader.read(grey, "image").to_dict()
        assert answer["confidence"] == pytest.approx(expected["confidence"], abs=0.01)
        for one in ("image", "status", "text", "reason"):
            assert answer.get(one) == expected.get(one)
        assert bool(answer["numbers"]) == bool(expected["numbers"])
        if expected["numbers"]:
            assert answer["numbers"][0].keys() == expected["numbers"][0].keys()


def test_what_is_drawn_is_read_and_nothing_leaves(page: Page) -> None:
    draw(page, SEVEN)
    expect(page.locator("#text")).to_have_text("7", timeout=20_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press("Escape")
    draw(page, ONE)
    expect(page.locator("#text")).to_have_text("1")
    page.click("#seen summary")
    expect(page.locator("#seen canvas")).to_be_visible()
    page.keyboard.press("Escape")
    draw(page, SCRIBBLE)
    expect(page.locator("#note")).to_have_class("bad")
    assert asked == []
    expect(page.locator("#mode")).to_contain_text("no picture leaves it")


def test_nobody_is_kept_out(page: Page, axe: str) -> None:
    draw(page, SEVEN)
    expect(page.locator("#digits li")).to_have_count(10, timeout=20_000)
    page.click("#seen summary")
    assert barriers(page, axe) == []


def test_what_is_no_image_is_told_in_words(page: Page, tmp_path: Path) -> None:
    notes = tmp_path / "notes.png"
    notes.write_bytes(b"no image")
    page.set_input_files("#files", notes)
    expect(page.locator("#note")).to_contain_text("cannot open that as an image", timeout=20_000)


def test_without_the_runtime_it_says_how_to_get_it(browser: Browser, site: str) -> None:
    opened = browser.new_page()
    opened.route("**/vendor/*", lambda route: route.abort())
    opened.goto(site)
    expect(opened.locator("#note")).to_contain_text("make vendor")
    opened.close()
