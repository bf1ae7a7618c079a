"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_load import service

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("needs Debian's package chromium", allow_module_level=True)
from playwright.sync_api import Browser, Page, expect, sync_playwright


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with service() as (_, found):
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1100, "height": 900})
    asked: list[str] = []
    complaints: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text))
    expected = "Failed to load resource: the server responded with a status of 422"
    opened.goto(address)
    yield opened
    opened.close()
    assert [text for text in complaints if not text.startswith(expected)] == []
    assert all(url.startswith((address, "blob:", "data:")) for url in asked), "no other host"


def draw(page: Page, *strokes: list[tuple[float, float]]) -> None:
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


SEVEN = [(0.3, 0.25), (0.45, 0.25), (0.37, 0.75)]
ONE = [(0.55, 0.25), (0.55, 0.75)]


def test_what_is_drawn_is_read_and_can_be_taken_back(page: Page) -> None:
    draw(page, SEVEN)
    expect(page.locator("#text")).to_have_text("7")
    expect(page.locator("#note")).to_contain_text("sure")
    expect(page.locator("#digits li")).to_have_count(1)
    draw(page, ONE)
    expect(page.locator("#text")).to_have_text("71")
    page.keyboard.press("Control+z")
    expect(page.locator("#text")).to_have_text("7")
    page.keyboard.press("Escape")
    expect(page.locator("#text")).to_have_text("Nothing yet.")
    expect(page.locator("#picture")).to_be_hidden()


def test_a_scribble_is_rejected_with_a_reason(page: Page) -> None:
    to_and_fro = [(0.3 + 0.4 * (n % 2), 0.25 + 0.05 * n) for n in range(11)]
    draw(page, to_and_fro)
    expect(page.locator("#note")).to_have_class("bad")
    expect(page.locator("#note")).not_to_be_empty()


def test_an_image_is_marked_kept_and_saved(page: Page, tmp_path: Path) -> None:
    picture = np.full((140, 260), 235, np.uint8)
    for x in (40, 130):
        corners = np.array([[x, 30], [x + 60, 30], [x + 20, 110]])
        cv2.polylines(picture, [corners], False, 40, 9, cv2.LINE_AA)
    path = tmp_path / "sevens.png"
    cv2.imwrite(str(path), picture)
    page.set_input_files("#files", path)
    expect(page.locator("#text")).to_have_text("77")
    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#history tr")).to_have_count(1)
    with page.expect_download() as waiting:
        page.click("#csv")
    saved = Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()
    assert saved[0] == "image,status,text,confidence,reason"
    assert saved[1].startswith('"sevens.png","ok","77",')
    page.fill("#length", "3")
    page.set_input_files("#files", path)
    expect(page.locator("#history tr")).to_have_count(2)
    expect(page.locator("#text")).not_to_have_text("77")
    page.click("#forget")
    expect(page.locator("#history tr")).to_have_count(0)


def test_no_image_is_told_in_words(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_bytes(b"no image")
    page.set_input_files("#files", path)
    expect(page.locator("#note")).to_have_class("bad")
    expect(page.locator("#history tr")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Browser, address: str, scheme: str) -> None:
    phone = browser.new_page(
        viewport={"width": 360, "height": 780}, has_touch=True, color_scheme=scheme
    )
    phone.goto(address)
    for name in ("#pad", "#text", "#files", "#history"):
        box = phone.locator(name).bounding_box()
        assert box is None or box["x"] + box["width"] <= 360, name
    pad, text = (phone.locator(name).bounding_box() for name in ("#pad", "#text"))
    assert pad is not None and text is not None
    assert pad["y"] < text["y"] < 780, "the answer stands below the drawing, in sight"
    for button in phone.locator("button").all():
        box = button.bounding_box()
        assert box is not None and box["height"] >= 44
    phone.close()


def test_every_control_is_reached_by_keyboard_and_has_a_name(page: Page) -> None:
    names = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count():
            names.add(focused.get_attribute("id"))
    wanted = {"pad", "undo", "clear", "pen", "files", "camera", "layout", "length", "max"}
    assert wanted | {"pattern", "checksum", "copy", "csv", "json", "forget"} <= names
    for control in page.locator("input, select").all():
        label = control.locator("xpath=ancestor::label")
        assert label.count() == 1 and label.inner_text().strip()
