"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest
from browsing import ONE, SCRIBBLE, SEVEN, barriers, draw, need_runtime, watched
from own_model import never_sure
from playwright.sync_api import Browser, Page, Route, expect
from test_api import seven
from test_load import service

from inkdigits.reading.constraints import CHECKSUMS
from inkdigits.reading.models import BUNDLED_MODEL
from inkdigits.reading.reader import LAYOUTS

REFUSED = "Failed to load resource: the server responded with a status of "


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with service() as (_, found):
        yield found


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with watched(browser, address, f"{REFUSED}422", f"{REFUSED}401") as opened:
        yield opened


@pytest.fixture
def sevens(tmp_path: Path) -> Path:
    """A picture of the number 77 on grey paper."""
    picture = np.full((140, 260), 235, np.uint8)
    for x in (40, 130):
        corners = np.array([[x, 30], [x + 60, 30], [x + 20, 110]])
        cv2.polylines(picture, [corners], False, 40, 9, cv2.LINE_AA)
    path = tmp_path / "sevens.png"
    cv2.imwrite(str(path), picture)
    return path


def test_what_is_drawn_is_read_and_can_be_taken_back(page: Page) -> None:
    draw(page, SEVEN)
    expect(page.locator("#text")).to_have_text("7")
    expect(page.locator("#note")).to_contain_text("sure")
    expect(page.locator("#digits li")).to_have_count(10)
    expect(page.locator("#digits .chosen .unseen")).to_contain_text("7: ")
    draw(page, ONE)
    expect(page.locator("#text")).to_have_text("71")
    expect(page.locator("#digits li")).to_have_count(2)
    page.keyboard.press("Control+z")
    expect(page.locator("#text")).to_have_text("7")
    page.keyboard.press("Escape")
    expect(page.locator("#text")).to_have_text("Nothing yet.")
    expect(page.locator("#digits li")).to_have_count(0)


def test_what_was_cleared_can_be_had_back(page: Page) -> None:
    draw(page, SEVEN)
    draw(page, ONE)
    expect(page.locator("#text")).to_have_text("71")
    page.click("#clear")
    page.click("#clear")
    expect(page.locator("#text")).to_have_text("Nothing yet.")
    draw(page, ONE)
    expect(page.locator("#text")).to_have_text("1")
    page.click("#undo")
    expect(page.locator("#text")).to_have_text("Nothing yet.")
    page.click("#undo")
    expect(page.locator("#text")).to_have_text("71")
    page.click("#undo")
    expect(page.locator("#text")).to_have_text("7")
    page.click("#undo")
    page.click("#undo")
    expect(page.locator("#text")).to_have_text("Nothing yet.")


def test_a_scribble_is_rejected_with_a_reason(page: Page) -> None:
    draw(page, SCRIBBLE)
    expect(page.locator("#note")).to_have_class("bad")
    expect(page.locator("#note")).to_contain_text(".")


def test_an_image_is_marked_kept_and_saved(page: Page, sevens: Path) -> None:
    page.set_input_files("#files", sevens)
    expect(page.locator("#text")).to_have_text("77")
    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#history tr")).to_have_count(1)
    expect(page.locator("#history canvas")).to_be_visible()
    with page.expect_download() as waiting:
        page.click("#csv")
    saved = Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()
    assert saved[0] == "image,status,text,confidence,reason,error"
    assert saved[1].startswith('"sevens.png","ok","77",')
    with page.expect_download() as waiting:
        page.click("#json")
    assert json.loads(Path(waiting.value.path()).read_text())[0]["text"] == "77"
    page.click("#known summary")
    page.fill("#length", "3")
    page.set_input_files("#files", sevens)
    expect(page.locator("#history tr")).to_have_count(2)
    expect(page.locator("#text")).not_to_have_text("77")
    page.click("#forget")
    expect(page.locator("#history tr")).to_have_count(0)
    expect(page.locator("#status")).to_have_text("Forgotten.")


def test_of_several_files_each_has_its_own_status(page: Page, sevens: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.png"
    notes.write_bytes(b"no image")
    page.set_input_files("#files", [notes, sevens])
    expect(page.locator("#history tr.waiting")).to_have_count(0)
    read, refused = page.locator("#history tr").all()
    expect(read).to_contain_text("77")
    expect(refused).to_have_class("bad")
    expect(refused.locator("td").last).not_to_be_empty()


def test_what_was_copied_can_be_pasted(page: Page) -> None:
    page.evaluate(
        """bytes => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "clip.png", { type: "image/png" }));
          dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        list(seven()),
    )
    expect(page.locator("#text")).to_have_text("7")
    expect(page.locator("#history td").first).to_have_text("clip.png")


def test_the_camera_takes_a_picture(page: Page) -> None:
    page.click("#camera")
    expect(page.locator("#camera-dialog")).to_be_visible()
    page.click("#shoot")
    expect(page.locator("#camera-dialog")).to_be_hidden()
    expect(page.locator("#history td").first).to_have_text("camera.png")
    expect(page.locator("#history tr.waiting")).to_have_count(0, timeout=20_000)
    assert page.evaluate("document.getElementById('video').srcObject") is None


def test_what_the_network_saw_is_asked_for_only_when_looked_at(page: Page) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.method)
        route.fulfill(body=seven(), content_type="image/png")

    page.route("**/v1/inspect*", answer)
    expect(page.locator("#seen")).to_be_hidden()
    draw(page, SEVEN)
    expect(page.locator("#text")).to_have_text("7")
    assert asked == []
    page.click("#seen summary")
    expect(page.locator("#seen img")).to_be_visible()
    assert asked == ["POST"]


def test_what_becomes_known_of_a_picture_has_it_read_again(page: Page, sevens: Path) -> None:
    draw(page, SEVEN)
    expect(page.locator("#text")).to_have_text("7")
    page.set_input_files("#files", sevens)
    expect(page.locator("#text")).to_have_text("77")
    page.click("#known summary")
    page.fill("#pattern", r"8\d")
    page.keyboard.press("Tab")
    expect(page.locator("#note")).to_have_class("bad")
    expect(page.locator("#picture")).to_be_visible()
    page.fill("#pattern", "")
    page.keyboard.press("Tab")
    expect(page.locator("#text")).to_have_text("77")
    expect(page.locator("#history tr")).to_have_count(1)


def test_all_that_the_service_can_be_told_can_be_chosen(page: Page, sevens: Path) -> None:
    page.click("#known summary")
    offered = page.locator("#checksum option").evaluate_all("all => all.map(one => one.value)")
    assert offered == ["", *CHECKSUMS]
    assert page.locator("#layout option").evaluate_all("all => all.map(one => one.value)") == [
        *LAYOUTS
    ]
    chosen = {"layout": "line", "checksum": "damm", "target_error": "0.05"}
    for name, value in chosen.items():
        page.select_option(f"#{name}", value)
    page.fill("#length", "2")
    with page.expect_request("**/v1/read*") as waiting:
        page.set_input_files("#files", sevens)
    asked = parse_qs(urlsplit(waiting.value.url).query)
    assert {name: asked[name] for name in chosen} == {k: [v] for k, v in chosen.items()}
    assert asked["length"] == ["2"]


def test_what_becomes_known_while_it_is_read_counts(page: Page, sevens: Path) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def wait_for(count: int) -> None:
        for _ in range(200):
            if len(held) == count:
                return
            page.wait_for_timeout(100)
        raise AssertionError(f"asked {len(held)} times, not {count}")

    page.route("**/v1/read*", hold)
    page.click("#known summary")
    page.fill("#max", "9")
    page.keyboard.press("Tab")
    page.set_input_files("#files", sevens)
    wait_for(1)
    page.fill("#max", "")
    page.keyboard.press("Tab")
    wait_for(2)
    early, late = held
    assert "max=9" in early.request.url and "max=" not in late.request.url
    late.continue_()
    expect(page.locator("#text")).to_have_text("77")
    with page.expect_response("**/v1/read*"):
        early.continue_()
    page.wait_for_timeout(200)
    expect(page.locator("#text")).to_have_text("77")
    expect(page.locator("#history tr")).to_have_count(1)
    expect(page.locator("#history tr")).to_contain_text("77")


def slow(page: Page, milliseconds: int = 700) -> None:
    """Let every answer come late."""

    def wait(route: Route) -> None:
        page.wait_for_timeout(milliseconds)
        route.continue_()

    page.route("**/v1/read*", wait)


def test_what_is_kept_is_what_the_sheet_says(page: Page) -> None:
    draw(page, ONE)
    expect(page.locator("#text")).to_have_text("1")
    page.keyboard.press("Escape")
    draw(page, SEVEN)
    page.click("#keep")
    expect(page.locator("#history td").nth(1)).to_have_text("7")


def test_what_is_forgotten_while_it_is_read_is_not_saved(page: Page, sevens: Path) -> None:
    slow(page)
    page.set_input_files("#files", sevens)
    page.click("#forget")
    expect(page.locator("#status")).to_have_css("clip-path", "none")
    expect(page.locator("#text")).to_have_text("77")
    page.unroute_all()
    page.set_input_files("#files", sevens)
    expect(page.locator("#history tr")).to_have_count(1)
    expect(page.locator("#history tr.waiting")).to_have_count(0)
    with page.expect_download() as waiting:
        page.click("#csv")
    assert len(Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()) == 2


def test_a_name_is_no_formula(page: Page, sevens: Path) -> None:
    named = sevens.rename(sevens.with_name("=1+1.png"))
    page.set_input_files("#files", named)
    expect(page.locator("#text")).to_have_text("77")
    with page.expect_download() as waiting:
        page.click("#csv")
    assert '"\'=1+1.png"' in Path(waiting.value.path()).read_text(encoding="utf-8")


def test_one_pointer_draws_and_only_with_its_main_button(page: Page) -> None:
    box = page.locator("#pad").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 50)
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 150, box["y"] + 150)
    page.mouse.up(button="right")
    expect(page.locator("#invitation")).to_be_visible()
    draw(page, SEVEN)
    expect(page.locator("#text")).to_have_text("7")
    page.keyboard.press("Escape")
    page.evaluate(
        """() => {
          const pad = document.getElementById("pad"), { left, top } = pad.getBoundingClientRect();
          const send = (kind, pointerId, x, y) => pad.dispatchEvent(new PointerEvent(kind, {
            pointerId, clientX: left + x, clientY: top + y, button: kind === "pointermove" ? -1 : 0,
          }));
          pad.setPointerCapture = () => {};
          send("pointerdown", 7, 200, 40);
          send("pointerdown", 8, 20, 20);
          for (let y = 40; y < 160; y += 10) {
            send("pointermove", 7, 200, y);
            send("pointermove", 8, 20, y);
          }
          send("pointerup", 8, 20, 20);
          send("pointerup", 7, 200, 160);
        }"""
    )
    expect(page.locator("#text")).to_have_text("1")


def test_many_numbers_leave_room_for_the_rest(page: Page, tmp_path: Path) -> None:
    sheet = np.full((1400, 900), 240, np.uint8)
    for top in range(100, 1300, 150):
        for left in (100, 400, 700):
            corners = np.array([[left, top], [left + 40, top], [left + 14, top + 70]])
            cv2.polylines(sheet, [corners], False, 30, 8, cv2.LINE_AA)
            corners[:, 0] += 60
            cv2.polylines(sheet, [corners], False, 30, 8, cv2.LINE_AA)
    path = tmp_path / "sheet.png"
    cv2.imwrite(str(path), sheet)
    page.set_input_files("#files", path)
    expect(page.locator("#text")).to_have_class("long")
    box = page.locator("#text").bounding_box()
    assert box is not None and box["height"] < 300
    expect(page.locator("#digits .rest")).to_have_text("the first 40 of 48 digits")


def test_a_service_with_a_key_is_given_it(page: Page) -> None:
    keys: list[str | None] = []

    def answer(route: Route) -> None:
        keys.append(route.request.headers.get("authorization"))
        if keys[-1]:
            route.continue_()
            return
        error = {"status": 401, "message": "this service needs its key.", "hint": ""}
        route.fulfill(status=401, body=json.dumps({"error": error}))

    page.route("**/v1/read*", answer)
    draw(page, SEVEN)
    expect(page.locator("#note")).to_contain_text("needs its key")
    page.fill("#key", "secret")
    page.keyboard.press("Tab")
    expect(page.locator("#text")).to_have_text("7")
    assert keys == [None, "Bearer secret"]


def test_the_service_lets_the_page_read_alone(browser: Browser, address: str) -> None:
    need_runtime()
    with watched(browser, f"{address}/?local") as page:
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.method))
        draw(page, SEVEN)
        expect(page.locator("#text")).to_have_text("7", timeout=20_000)
        assert "POST" not in sent


def test_the_page_alone_reads_with_the_services_own_model(browser: Browser, tmp_path: Path) -> None:
    need_runtime()
    model = never_sure(BUNDLED_MODEL, tmp_path / "mine.onnx")
    with service("--model", str(model)) as (_, found), watched(browser, f"{found}/?local") as page:
        draw(page, SEVEN)
        expect(page.locator("#note")).to_contain_text("Too unsure", timeout=20_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Browser, address: str, scheme: str) -> None:
    phone = {"width": 360, "height": 780}
    with watched(browser, address, viewport=phone, has_touch=True, color_scheme=scheme) as page:
        draw(page, SEVEN)
        expect(page.locator("#text")).to_have_text("7")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        pad, text = (page.locator(name).bounding_box() for name in ("#pad", "#text"))
        assert pad is not None and text is not None
        assert pad["y"] < text["y"] < 700, "the answer stands below the drawing, in sight"
        page.click("#keep")
        for button in page.locator("button:visible, summary:visible").all():
            box = button.bounding_box()
            assert box is not None and box["height"] >= 44


def test_with_nothing_but_a_keyboard_a_digit_is_written_and_kept(page: Page) -> None:
    for name in ("#pen", "#pad"):
        page.keyboard.press("Tab")
        expect(page.locator(name)).to_be_focused()
    page.keyboard.press("Space")
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator("#text")).to_have_text("1")
    page.keyboard.press("Enter")
    expect(page.locator("#history tr")).to_have_count(1)


def test_every_control_is_reached_by_keyboard_and_has_a_name(page: Page) -> None:
    draw(page, SEVEN)
    expect(page.locator("#text")).to_have_text("7")
    page.click("#keep")
    page.evaluate("document.getElementById('known').open = true")
    names = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if not focused.count():
            continue
        names.add(focused.get_attribute("id"))
        outline = focused.evaluate("at => getComputedStyle(at.closest('.button') ?? at).outline")
        assert "3px" in outline, f"the focus on {focused} is seen"
    wanted = {"pad", "undo", "clear", "keep", "pen", "files", "camera", "layout", "length", "max"}
    assert (
        wanted | {"pattern", "checksum", "target_error", "copy", "csv", "json", "forget"} <= names
    )
    for control in page.locator("input:visible, select:visible").all():
        label = control.locator("xpath=ancestor::label")
        assert label.count() == 1 and label.inner_text().strip()


def test_nothing_moves_for_who_wants_it_so(browser: Browser, address: str) -> None:
    with watched(browser, address, reduced_motion="reduce") as page:
        draw(page, SEVEN)
        bar = page.locator("#digits i").first
        assert bar.evaluate("at => getComputedStyle(at).transitionDuration") == "0s"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(
    browser: Browser, address: str, axe: str, scheme: str, sevens: Path
) -> None:
    with watched(browser, address, color_scheme=scheme, reduced_motion="reduce") as page:
        assert barriers(page, axe) == []
        page.set_input_files("#files", sevens)
        expect(page.locator("#text")).to_have_text("77")
        draw(page, SEVEN)
        expect(page.locator("#digits li")).to_have_count(10)
        page.evaluate(
            "for (const one of document.querySelectorAll('#known, #keys')) one.open = true"
        )
        assert barriers(page, axe) == []
        assert page.locator("#answer").get_attribute("aria-live") == "polite"
