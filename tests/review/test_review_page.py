"""The review's page in a real browser, driven by the keyboard alone."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from browsing import barriers, watched
from playwright.sync_api import Browser, Page, expect
from reviewing import lines_of, service

REFUSED = "Failed to load resource: "


def shown(page: Page) -> int:
    """The item that is shown, once there is one."""
    page.wait_for_selector("#reading[data-item]")
    return int(page.locator("#reading").get_attribute("data-item") or -1)


def press(page: Page, *keys: str) -> int:
    """Press keys, the last of which decides, and return which item it was."""
    item = shown(page)
    for key in keys:
        page.keyboard.press(key)
    expect(page.locator("#reading")).not_to_have_attribute("data-item", str(item))
    return item


def wait_for_lines(page: Page, results: Path, count: int) -> list[dict[str, object]]:
    """What is on the disk, once it is so many entries."""
    for _ in range(200):
        if len(lines_of(results)) >= count:
            break
        page.wait_for_timeout(50)
    found = lines_of(results)
    assert len(found) == count
    return found


def test_accepted_corrected_unreadable_taken_back(browser: Browser, results: Path) -> None:
    with service(results) as (_, address), watched(browser, address) as page:
        assert shown(page) == 0
        expect(page.locator("#reading")).to_have_value("7")
        expect(page.locator("#note")).to_contain_text("too unsure")
        assert page.evaluate("getSelection().toString()") == "7", "typing replaces it"
        assert press(page, "Enter") == 0
        assert press(page, "4", "2", "x", "Enter") == 1, "what is no digit is not taken"
        assert press(page, "Escape") == 2
        told = wait_for_lines(page, results, 3)
        assert [(one["image"], one["verdict"], one["text"]) for one in told] == [
            ("scans/00.png", "read", "7"),
            ("scans/01.png", "read", "42"),
            ("scans/02.png", "unreadable", ""),
        ]
        page.keyboard.press("u")
        expect(page.locator("#reading")).to_have_attribute("data-item", "2")
        page.keyboard.press("Control+z")
        expect(page.locator("#reading")).to_have_attribute("data-item", "1")
        expect(page.locator("#reading")).to_have_value("")
        page.keyboard.press("Enter")
        expect(page.locator("#reading")).to_have_attribute("data-item", "2")
        told = wait_for_lines(page, results, 6)
        assert [one.get("undoes") for one in told[3:5]] == [told[2]["id"], told[1]["id"]]
        assert (told[5]["verdict"], told[5]["text"]) == ("none", "")
        expect(page.locator("#counts")).to_contain_text("2 of 24", timeout=10_000)
        expect(page.locator("#remaining")).to_contain_text("95 % interval")


def test_other_texts_are_taken_by_the_arrows_and_items_left_for_later(
    browser: Browser, results: Path
) -> None:
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    rows[0]["numbers"][0]["alternatives"] = [{"text": "1", "confidence": 0.3}]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with service(results) as (_, address), watched(browser, address) as page:
        shown(page)
        page.locator("#texts li").first.wait_for()
        page.keyboard.press("ArrowDown")
        expect(page.locator("#reading")).to_have_value("1")
        expect(page.locator("#texts .chosen")).to_have_count(1)
        page.keyboard.press("ArrowUp")
        expect(page.locator("#reading")).to_have_value("7")
        assert press(page, "l") == 0
        assert press(page, "b", "Enter") == 1
        (told,) = wait_for_lines(page, results, 1)
        assert told["image"] == "scans/01.png"


def test_an_image_that_is_gone_is_told_and_shows_nothing_else(
    browser: Browser, results: Path
) -> None:
    (results.parent / "scans" / "01.png").unlink()
    with service(results) as (_, address), watched(browser, address, REFUSED) as page:
        press(page, "Enter")
        expect(page.locator("#image")).to_have_text("scans/01.png")
        expect(page.locator("#note")).to_contain_text("cannot open the image")
        expect(page.locator("#note")).to_have_class("bad")
        expect(page.locator("#picture")).to_have_attribute("aria-label", re.compile("no picture"))
        page.keyboard.press("9")
        expect(page.locator("#reading")).to_have_value("9")


def test_a_page_of_another_table_says_so_and_decides_nothing(
    browser: Browser, results: Path
) -> None:
    other = results.with_name("other.jsonl")
    rows = results.read_text(encoding="utf-8").splitlines()
    other.write_text("\n".join(rows[:5]) + "\n", encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with service(results, "--port", port) as (process, address):
        with watched(browser, address, REFUSED) as page:
            shown(page)
            process.kill()
            process.wait()
            page.keyboard.press("Enter")
            expect(page.locator("#trouble")).to_contain_text("does not answer")
            with service(other, "--port", port):
                expect(page.locator("#trouble")).to_contain_text("of another table")
    assert lines_of(other) == []


def test_what_was_left_for_later_comes_again(browser: Browser, results: Path) -> None:
    few = results.with_name("few.jsonl")
    rows = results.read_text(encoding="utf-8").splitlines()
    few.write_text("\n".join(rows[:3]) + "\n", encoding="utf-8")
    with service(few) as (_, address), watched(browser, address) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        later = press(page, "l")
        press(page, "Enter")
        press(page, "Enter")
        expect(page.locator("#reading")).to_have_attribute("data-item", str(later))
        page.keyboard.press("Enter")
        expect(page.locator("#image")).to_have_text("Nothing left.")
        count = len(asked)
        page.wait_for_timeout(2000)
        assert len(asked) - count < 6, "a page with nothing to do asks now and then"


def test_filters_and_the_decided_again(browser: Browser, results: Path) -> None:
    with service(results) as (_, address), watched(browser, address) as page:
        shown(page)
        page.select_option("#reason", "not_a_digit")
        expect(page.locator("#left")).to_have_text("1 of this kind.")
        assert shown(page) == 1
        page.keyboard.press("Enter")
        expect(page.locator("#image")).to_have_text("Nothing left.")
        page.select_option("#reason", "")
        page.fill("#low", "94")
        page.locator("#low").press("Tab")
        expect(page.locator("#left")).to_have_text("2 of this kind.")
        assert shown(page) in {22, 23}
        page.fill("#low", "")
        page.locator("#low").press("Tab")
        page.select_option("#show", "decided")
        assert shown(page) == 1
        page.keyboard.press("Escape")
        expect(page.locator("#note")).to_have_text("Decided: no number.")
        for key in ("7", "Enter"):
            page.keyboard.press(key)
        expect(page.locator("#image")).to_have_text("Nothing left.")
        told = wait_for_lines(page, results, 2)
        assert [one["text"] for one in told] == ["", "7"]


def test_who_types_a_filter_goes_on_there_when_an_item_comes(
    browser: Browser, results: Path
) -> None:
    with service(results) as (_, address), watched(browser, address) as page:
        shown(page)
        page.focus("#low")
        page.keyboard.type("9")
        page.select_option("#status-wanted", "ok")
        assert shown(page) not in {22, 23}
        page.keyboard.type("4")
        expect(page.locator("#low")).to_have_value("94")
        page.keyboard.press("Enter")
        expect(page.locator("#left")).to_have_text("2 of this kind.")
        assert shown(page) in {22, 23}
        expect(page.locator("#reading")).to_be_focused()
        assert lines_of(results) == []


def test_a_choice_by_mouse_goes_back_to_the_reading_and_one_by_keyboard_stays(
    browser: Browser, results: Path
) -> None:
    with service(results) as (_, address), watched(browser, address) as page:
        shown(page)
        page.locator("#status-wanted").click()
        page.select_option("#status-wanted", "ok")
        expect(page.locator("#reading")).to_be_focused()
        shown(page)
        page.keyboard.press("Enter")
        page.focus("#reason")
        page.keyboard.press("u")
        expect(page.locator("#reason")).to_have_value("unsure")
        expect(page.locator("#reason")).to_be_focused()
        wait_for_lines(page, results, 1)


def test_two_reviewers_never_see_the_same(browser: Browser, results: Path) -> None:
    with service(results) as (_, address):
        with watched(browser, address) as anna, watched(browser, address) as ben:
            seen: list[int] = []
            for turn in range(22):
                page = (anna, ben)[turn % 2]
                page.bring_to_front()
                if page.locator("#image").inner_text() == "Nothing left.":
                    continue
                seen.append(press(page, "Enter"))
            expect(anna.locator("#counts")).to_contain_text("of 24", timeout=10_000)
            told = wait_for_lines(anna, results, len(seen))
        assert len(seen) == len(set(seen)) >= 20
        assert len({one["image"] for one in told}) == len(told)
        assert len({one["reviewer"] for one in told}) == 2


def test_a_service_that_is_killed_loses_nothing(browser: Browser, results: Path) -> None:
    with service(results) as (process, address):
        port = address.rpartition(":")[2]
        with watched(browser, address, REFUSED) as page:
            press(page, "Enter")
            wait_for_lines(page, results, 1)
            shown(page)  # what was not fetched yet would only come once the service is back
            process.kill()
            process.wait()
            press(page, "Enter")
            expect(page.locator("#trouble")).to_contain_text("Not kept yet: 1")
            with service(results, "--port", port):
                wait_for_lines(page, results, 2)
                expect(page.locator("#trouble")).to_be_hidden()
                for _ in range(22):
                    press(page, "Enter")
                told = wait_for_lines(page, results, 24)
                expect(page.locator("#image")).to_have_text("Nothing left.")
    assert len({one["image"] for one in told}) == len({one["id"] for one in told}) == 24


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(browser: Browser, results: Path, axe: str, scheme: str) -> None:
    options = {"color_scheme": scheme, "reduced_motion": "reduce"}
    with service(results) as (_, address), watched(browser, address, **options) as page:
        shown(page)
        expect(page.locator("#remaining")).to_contain_text("interval")
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        page.keyboard.press("ArrowDown")
        assert barriers(page, axe) == []
        expect(page.locator("#reading")).to_be_focused()
        expect(page.locator("#status")).not_to_be_empty()
        for control in page.locator("button:visible, select:visible, summary:visible").all():
            box = control.bounding_box()
            assert box is not None and box["height"] >= 44
        page.select_option("#status-wanted", "error")
        expect(page.locator("#image")).to_have_text("Nothing left.")
        assert barriers(page, axe) == []


def test_it_fits_a_phone(browser: Browser, results: Path) -> None:
    phone = {"width": 360, "height": 780}
    with service(results) as (_, address), watched(browser, address, viewport=phone) as page:
        shown(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
