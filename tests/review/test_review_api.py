"""The review over HTTP: a real service, what it serves, and what it refuses."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx2 as httpx
import numpy as np
import pytest
from reviewing import lines_of, row_of, service, sevens

pytest.importorskip("starlette", reason="the serve extra")
from inkdigits.reading.table_file import write_table

Row = dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of some images, one a page of two numbers, one gone, one no image."""
    folder = tmp_path_factory.mktemp("review")
    rows = []
    for n in range(12):
        sevens(folder / f"{n:02}.png", 2)
        rows.append(row_of(f"{n:02}.png", "77", round(0.5 + 0.02 * n, 2)))
    sevens(folder / "page.png", 30)
    two = [{**rows[0]["numbers"][0], "box": [8 + 500 * n, 10, 50, 60]} for n in range(2)]
    rows.append({**rows[0], "image": "page.png", "numbers": two, "confidence": 0.9})
    rows.append(row_of("gone.png", "7", 0.1))
    (folder / "text.png").write_text("secret")
    rows.append(row_of("text.png", "7", 0.2))
    write_table(folder / "r.csv", rows)
    (folder / "other.png").write_bytes((folder / "00.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[httpx.Client]:
    with service(place / "r.csv") as (_, address), httpx.Client(base_url=address) as opened:
        yield opened


def next_of(client: httpx.Client, reviewer: str, count: int, **more: object) -> list[Row]:
    answer = client.post("/v1/next", json={"reviewer": reviewer, "count": count, **more})
    assert answer.status_code == 200, answer.text
    items: list[Row] = answer.json()["items"]
    return items


def decide(client: httpx.Client, **said: object) -> httpx.Response:
    return client.post("/v1/decisions", json={"verdict": "read", "text": "77", **said})


def test_items_come_with_pictures_boxes_and_other_texts(client: httpx.Client) -> None:
    items = {one["image"]: one for one in next_of(client, "looker", 20)}
    client.post("/v1/release", json={"reviewer": "looker"})
    assert len(items) == 15 and items["gone.png"]["confidence"] == 0.1
    item = items["03.png"]["item"]
    view = client.get(f"/v1/items/{item}").json()
    assert view["numbers"][0]["box"] == [8, 10, 56, 60]
    assert view["texts"] and "77" not in [one["text"] for one in view["texts"]]
    assert all(0 <= one["confidence"] <= 1 for one in view["texts"])
    answer = client.get(f"/v1/items/{item}/picture")
    assert answer.headers["content-type"] == "image/png"
    assert cv2.imdecode(np.frombuffer(answer.content, np.uint8), 0).shape == (80, 76)
    assert "no such file" in client.get(f"/v1/items/{items['gone.png']['item']}").json()["error"]
    broken = items["text.png"]["item"]
    told = client.get(f"/v1/items/{broken}").json()
    assert "error" in told and told["numbers"] == told["texts"] == []
    assert client.get(f"/v1/items/{broken}/picture").status_code == 404


def test_a_number_of_a_page_is_shown_with_what_is_around_it(client: httpx.Client) -> None:
    items = [one for one in next_of(client, "looker", 20) if one["image"] == "page.png"]
    client.post("/v1/release", json={"reviewer": "looker"})
    assert len(items) == 2 and all(one["page"] == 1 for one in items)
    picture = client.get(f"/v1/items/{items[1]['item']}/picture").content
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), 0).shape[1] < 300
    (number,) = client.get(f"/v1/items/{items[1]['item']}").json()["numbers"]
    assert number["box"] == [96, 10, 50, 60]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/items/999",
        "/v1/items/-1/picture",
        "/v1/items/00.png",
        "/v1/items/..%2f..%2fother.png/picture",
        "/v1/items/0/../../../other.png",
        "/other.png",
        "/00.png",
        "/r.csv",
        "/r.csv.decisions",
        "/../r.csv",
        "/..%2f..%2fr.csv",
        "/%2e%2e/r.csv",
        "//etc/passwd",
        "/v1/corrected.py",
    ],
)
def test_nothing_but_the_images_of_the_table_is_served(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404, path


def test_a_decision_is_on_the_disk_when_it_is_answered_and_kept_once(
    client: httpx.Client, place: Path
) -> None:
    (item,) = next_of(client, "anna", 1)
    for _ in range(3):
        answer = decide(client, id="anna-1", reviewer="anna", item=item["item"])
        assert answer.json() == {"kept": "anna-1"}
    assert [line["id"] for line in lines_of(place / "r.csv")].count("anna-1") == 1
    other = decide(client, id="ben-1", reviewer="ben", item=item["item"])
    assert other.status_code == 409 and "decided otherwise" in other.json()["error"]["message"]
    for _ in range(2):
        taken = client.post(
            "/v1/undo", json={"id": "anna-2", "reviewer": "anna", "undoes": "anna-1"}
        )
        assert taken.status_code == 200
    assert item["item"] not in [one["item"] for one in next_of(client, "ben", 20)]
    client.post("/v1/release", json={"reviewer": "ben"})
    client.post("/v1/release", json={"reviewer": "anna"})


def test_two_reviewers_at_once_never_have_the_same(client: httpx.Client) -> None:
    mine = {one["item"] for one in next_of(client, "anna", 6)}
    theirs = {one["item"] for one in next_of(client, "ben", 6)}
    assert len(mine) == len(theirs) == 6 and not mine & theirs
    item = next(iter(mine))
    first = decide(client, id="ben-2", reviewer="ben", item=item)
    later = decide(client, id="anna-3", reviewer="anna", item=item)
    assert first.status_code == 200, "a service that was started anew has forgotten who has it"
    assert later.status_code == 409 and "decided otherwise" in later.json()["error"]["message"]
    undo = {"id": "ben-3", "reviewer": "ben", "undoes": "ben-2"}
    assert client.post("/v1/undo", json=undo).status_code == 200
    for reviewer in ("anna", "ben"):
        client.post("/v1/release", json={"reviewer": reviewer})


def test_a_page_of_another_table_decides_nothing_here(client: httpx.Client) -> None:
    answer = client.post("/v1/next", json={"reviewer": "old", "count": 1}).json()
    said = {"id": "old-1", "reviewer": "old", "item": answer["items"][0]["item"]}
    for path, body in (("decisions", said), ("next", {"reviewer": "old", "count": 1})):
        more = {"verdict": "read", "text": "7", "table": "another"}
        refused = client.post(f"/v1/{path}", json=body | more)
        assert refused.status_code == 409 and "another table" in refused.text
    client.post("/v1/release", json={"reviewer": "old", "leaves": True})
    told = {"reviewer": "old", "count": 1, "table": answer["table"]}
    assert client.post("/v1/next", json=told).json()["items"] == []


def test_progress_tells_what_error_remains(client: httpx.Client) -> None:
    told = client.get("/v1/progress?target=0.05").json()
    left = told["remaining"]
    assert told["items"] == 16 and told["target"] == 0.05
    assert 0 <= left["low"] <= left["error"] <= left["high"] <= 1
    assert client.get("/v1/progress?target=nonsense").status_code == 400


def test_what_was_decided_can_be_taken_along(client: httpx.Client) -> None:
    (item,) = next_of(client, "carl", 1, filter={"low": 0.6})
    assert decide(client, id="carl-1", reviewer="carl", item=item["item"], text="74").is_success
    table = client.get("/v1/corrected.csv")
    assert 'filename="r-corrected.csv"' in table.headers["content-disposition"]
    assert f'"{item["image"]}","ok","74",1.0' in table.text
    labels = zipfile.ZipFile(io.BytesIO(client.get("/v1/labels.zip").content))
    assert len(labels.namelist()) == 2
    assert labels.read("labels.csv").decode().splitlines()[1].endswith(f",74,{item['image']}")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json", "Origin": "https://evil.example"}, 403),
        ({"Content-Type": "application/json", "Origin": "null"}, 403),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "application/json", "Host": "evil.example:80"}, 403),
    ],
)
def test_pages_of_other_sites_are_refused(
    client: httpx.Client, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/v1/next", content=b'{"reviewer": "x", "count": 1}', headers=headers)
    assert answer.status_code == status, answer.text


def test_a_foreign_name_sees_no_picture(client: httpx.Client) -> None:
    assert client.get("/v1/items/0/picture", headers={"Host": "evil.example"}).status_code == 403
    answer = client.get("/v1/items/0/picture", headers={"Host": "localhost:1234"})
    assert answer.status_code == 200
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("next", {"reviewer": "a b", "count": 1}),
        ("next", {"reviewer": "a", "count": -1}),
        ("next", {"reviewer": "a", "count": 1, "filter": {"reason": "odd"}}),
        ("next", {"reviewer": "a", "count": 1, "filter": {"low": "x"}}),
        ("next", {"reviewer": "a", "count": 1, "holding": [1]}),
        ("next", {"reviewer": "a", "count": 1, "passed": [99]}),
        ("decisions", {"id": "i", "reviewer": "a", "item": True, "verdict": "read", "text": "1"}),
        ("decisions", {"id": "i", "reviewer": "a", "item": 0, "verdict": "odd"}),
        ("decisions", {"id": "i", "reviewer": "a", "item": 0, "verdict": "read", "text": "x"}),
        ("decisions", {"id": "i", "reviewer": "a", "item": 0, "verdict": "read", "text": 7}),
        ("undo", {"id": "i", "reviewer": "a", "undoes": "nothing"}),
        ("release", {}),
    ],
)
def test_what_makes_no_sense_is_told(
    client: httpx.Client, place: Path, path: str, body: dict[str, object]
) -> None:
    before = lines_of(place / "r.csv")
    answer = client.post(f"/v1/{path}", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]
    assert lines_of(place / "r.csv") == before


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff", b"[" * 60_000])
def test_a_body_that_is_no_object_is_told(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/next", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_a_body_that_is_too_large_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/next", json={"reviewer": "a", "count": 1, "more": "x" * 70_000})
    assert answer.status_code == 413


def test_a_second_review_of_the_same_results_is_refused(client: httpx.Client, place: Path) -> None:
    command = [sys.executable, "-m", "inkdigits", "review", "r.csv", "--port", "0"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert "being written by another process" in done.stderr and done.stderr.count("\n") == 1
    assert client.get("/healthz").status_code == 200
