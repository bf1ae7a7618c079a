"""The service over HTTP: the same answers as the command line, and limits that hold."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from own_model import never_sure
from PIL import Image

pytest.importorskip("starlette", reason="the serve extra")
from starlette.testclient import TestClient

from inkdigits.cli.main import main
from inkdigits.errors import UsageError
from inkdigits.reading.constraints import CHECKSUMS, MAX_LENGTH
from inkdigits.reading.models import BUNDLED_LINE_MODEL, BUNDLED_MODEL
from inkdigits.reading.reader import LAYOUTS
from inkdigits.serving import query
from inkdigits.serving.app import PAGE, create_app
from inkdigits.serving.headers import HEADERS
from inkdigits.serving.settings import ServiceSettings

SMALL = ServiceSettings(max_bytes=200_000, max_files=3, max_pixels=400_000, workers=2, queue=4)


def seven(scale: int = 1) -> bytes:
    """A seven drawn with a thick pen, as PNG."""
    page = np.full((120 * scale, 160 * scale), 255, np.uint8)
    corners = np.array([[45, 25], [105, 25], [70, 100]]) * scale
    cv2.polylines(page, [corners], False, 30, 10 * scale, cv2.LINE_AA)
    file = io.BytesIO()
    Image.fromarray(page).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(SMALL)) as opened:
        yield opened


def post(client: TestClient, content: bytes, query: str = "", kind: str = "image/png"):
    return client.post(f"/v1/read{query}", content=content, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ([], ""),
        (["--layout", "digit", "--top", "3"], "&layout=digit&top=3"),
        (["--layout", "line", "--length", "1"], "&layout=line&length=1"),
        (["--max", "6"], "&max=6"),
        (["--pattern", r"\d"], "&pattern=%5Cd"),
        (["--target-error", "0.01", "--layout", "digit"], "&target_error=0.01&layout=digit"),
    ],
)
def test_it_answers_byte_for_byte_what_the_command_prints(
    client: TestClient,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    options: list[str],
    query: str,
) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(seven())
    assert main(["read", str(path), "--json", *options]) == 0
    printed = capfd.readouterr().out
    answer = post(client, seven(), f"?name={path}{query}")
    assert answer.status_code == 200
    assert answer.text + "\n" == printed
    assert answer.headers["content-type"] == "application/json"


def test_a_form_of_several_files_has_a_reading_for_each(client: TestClient) -> None:
    files = [
        ("file", ("a.png", seven(), "image/png")),
        ("file", ("b.png", b"no image", "image/png")),
        ("file", ("c.png", seven(2), "image/png")),
    ]
    answer = client.post("/v1/read?layout=digit", files=files)
    assert answer.status_code == 200
    readings = answer.json()["readings"]
    assert [one["image"] for one in readings] == ["a.png", "b.png", "c.png"]
    assert [one["status"] for one in readings] == ["ok", "error", "ok"]
    assert readings[0]["text"] == readings[2]["text"] == "7"
    one = client.post("/v1/read?layout=digit", files=files[:1])
    assert one.json() == readings[0]


def test_an_unusable_image_is_told_as_the_command_tells_it(client: TestClient) -> None:
    answer = post(client, b"no image", "?name=x.png")
    assert answer.status_code == 422
    told = answer.json()
    assert told["status"] == "error" and told["image"] == "x.png"
    assert "PNG" in told["error"]


@pytest.mark.parametrize(
    ("content", "query", "kind", "status", "told"),
    [
        (b"x" * 200_001, "", "image/png", 413, "the limit is 200000"),
        (b"<p>", "", "text/html", 415, "'text/html' is no image"),
        (b"", "", "image/png", 422, None),
        (seven(), "?layout=sideways", "image/png", 400, "layout"),
        (seven(), "?lenght=3", "image/png", 400, "'lenght'"),
        (seven(), "?top=1&top=2", "image/png", 400, "twice"),
        (seven(), "?top=0", "image/png", 400, "top"),
        (seven(), "?length=0", "image/png", 400, "length must be"),
        (seven(), "?pattern=(", "image/png", 400, "pattern"),
        (seven(), "?checksum=none", "image/png", 400, "checksum"),
        (seven(), "?target_error=2", "image/png", 400, "target_error"),
        (b"--x--", "", "multipart/form-data; boundary=x", 422, "no file"),
        (b"--x", "", "multipart/form-data", 422, "form"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_shape(
    client: TestClient, content: bytes, query: str, kind: str, status: int, told: str | None
) -> None:
    answer = post(client, content, query, kind)
    assert answer.status_code == status, answer.text
    if told is None:
        return
    error = answer.json()["error"]
    assert set(error) == {"status", "message", "hint"} and error["status"] == status
    assert told in error["message"]
    assert "\n" not in error["message"]


def test_too_many_files_and_too_many_pixels(client: TestClient) -> None:
    files = [("file", (f"{n}.png", seven(), "image/png")) for n in range(4)]
    answer = client.post("/v1/read", files=files)
    assert answer.status_code == 413 and "3 files" in answer.json()["error"]["message"]
    file = io.BytesIO()
    Image.new("L", (1000, 1000), 255).save(file, "PNG")
    answer = post(client, file.getvalue())
    assert answer.status_code == 422 and "400000 pixels" in answer.json()["error"]


def test_a_body_without_a_length_is_stopped_where_it_is_too_long(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 10_000
            yield b"x" * 10_000

    answer = client.post("/v1/read", content=endless(), headers={"Content-Type": "image/png"})
    assert answer.status_code == 413


def test_every_stage_is_drawn_as_the_command_draws_it(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "seven.png").write_bytes(seven())
    drawn = tmp_path / "drawn.png"
    assert main(["inspect", str(tmp_path / "seven.png"), "--out", str(drawn)]) == 0
    answer = client.post(
        "/v1/inspect?name=seven.png", content=seven(), headers={"Content-Type": "image/png"}
    )
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    ours, theirs = (Image.open(io.BytesIO(png)) for png in (answer.content, drawn.read_bytes()))
    assert ours.size == theirs.size
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    refused = client.post("/v1/inspect", content=b"?", headers={"Content-Type": "image/png"})
    assert refused.status_code == 422 and "no image" in refused.json()["error"]["message"]


def test_digits_of_several_requests_are_answered_as_each_alone(client: TestClient) -> None:
    pages = [seven(scale) for scale in (1, 2, 3)] + [b"no image"]
    alone = [post(client, page, "?layout=digit").content for page in pages]
    with ThreadPoolExecutor(12) as many:
        answers = list(many.map(lambda n: post(client, pages[n % 4], "?layout=digit"), range(36)))
    met = [answer for answer in answers if answer.status_code != 429]
    assert len(met) > 4
    for number, answer in enumerate(answers):
        assert answer.status_code == 429 or answer.content == alone[number % 4]


def test_health_metrics_and_the_model(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    before = client.get("/metrics").text
    post(client, seven(), "?layout=digit")
    after = client.get("/metrics").text
    count = 'inkdigits_readings_total{result="ok"}'
    counts = [
        float(line.split()[-1])
        for text in (before, after)
        for line in text.splitlines()
        if line.startswith(count)
    ]
    assert counts[-1] - (counts[0] if len(counts) > 1 else 0) == 1
    assert 'inkdigits_requests_total{status="200"}' in after
    assert "inkdigits_request_seconds_bucket" in after
    assert "recipe" in client.get("/v1/model").json()


def test_not_ready_before_it_has_read_and_once_it_drains() -> None:
    app = create_app(SMALL)
    early = TestClient(app)  # not entered: the service has not started
    answer = early.get("/readyz")
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert post(early, seven()).status_code == 503
    with TestClient(app) as client:
        assert client.get("/readyz").status_code == 200
        app.state.desk.drain()
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_the_key_is_asked_of_whoever_reads() -> None:
    with TestClient(create_app(ServiceSettings(api_key="open sesame", workers=1))) as client:
        refused = post(client, seven())
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
        for headers in ({"Authorization": "Bearer open sesame"}, {"X-API-Key": "open sesame"}):
            kinds = {"Content-Type": "image/png"} | headers
            assert client.post("/v1/read", content=seven(), headers=kinds).status_code == 200
        wrong = {"Authorization": "Bearer öpen", "Content-Type": "image/png"}
        coded = {name: value.encode() for name, value in wrong.items()}
        assert client.post("/v1/read", content=seven(), headers=coded).status_code == 401
        assert client.get("/readyz").status_code == 200


def test_a_full_service_refuses_at_once_what_it_would_refuse_later() -> None:
    answers = []
    for key in (None, "open sesame"):
        app = create_app(ServiceSettings(workers=1, api_key=key))
        headers = {"Content-Type": "image/png", "X-API-Key": "open sesame"}
        with TestClient(app) as client:
            app.state.desk._waiting = app.state.desk._settings.queue + 64
            answers.append(client.post("/v1/read", content=seven(), headers=headers))
            assert client.get("/healthz").status_code == 200
            assert client.get("/v1/read").status_code == 405
            assert 'inkdigits_requests_total{status="429"} 1.0' in client.get("/metrics").text
            app.state.desk._waiting = 0
            assert client.post("/v1/read", content=seven(), headers=headers).status_code == 200
            app.state.desk._waiting = app.state.desk._settings.queue + 64
            app.state.desk.drain()
            assert client.post("/v1/read", content=seven(), headers=headers).status_code == 503
    quick, slow = answers
    assert quick.status_code == slow.status_code == 429
    assert quick.content == slow.content and dict(quick.headers) == dict(slow.headers)
    assert quick.json()["error"]["hint"] == "Ask again later."


def test_every_answer_has_the_security_headers(client: TestClient) -> None:
    for path in ("/", "/page.js", "/healthz", "/docs", "/nowhere"):
        answer = client.get(path)
        kept = "no-cache" if path in ("/", "/page.js") else "no-store"
        for name, value in (HEADERS | {"Cache-Control": kept}).items():
            assert answer.headers[name] == value, (path, name)
    assert client.get("/nowhere").status_code == 404
    assert "error" in client.get("/nowhere").json()


def test_the_page_asks_no_other_host(client: TestClient) -> None:
    for path in (found for found in PAGE.iterdir() if found.is_file()):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, path.name
    assert "<script>" not in client.get("/docs").text
    assert "/v1/read" in client.get("/docs").text
    assert "luhn, ean, mod97, verhoeff, damm" in client.get("/docs").text


@pytest.mark.parametrize(
    ("code", "query", "body", "kind"),
    [
        ("400", "?length=x", b"image", "image/png"),
        ("415", "", b"<html>", "text/html"),
        ("422", "", b"--x--", "multipart/form-data; boundary=x"),
    ],
)
def test_the_example_of_an_error_is_what_is_answered(
    client: TestClient, code: str, query: str, body: bytes, kind: str
) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/v1/read"]["post"]
    example = operation["responses"][code]["content"]["application/json"]["example"]
    answer = client.post(f"/v1/read{query}", content=body, headers={"Content-Type": kind})
    assert (str(answer.status_code), answer.json()) == (code, example)


@pytest.fixture(scope="module")
def guarded() -> Iterator[TestClient]:
    """A service that asks for a key; what is raised in it is answered."""
    app = create_app(ServiceSettings(workers=1, api_key="open sesame"))
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


@pytest.mark.parametrize("code", ["401", "413", "429", "500", "503"])
def test_the_example_of_a_refusal_is_what_is_answered_but_for_numbers(
    guarded: TestClient, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    desk = guarded.app.state.desk
    operation = guarded.get("/openapi.json").json()["paths"]["/v1/read"]["post"]
    example = operation["responses"][code]["content"]["application/json"]["example"]
    sent = {"headers": {"X-API-Key": "open sesame"}, "files": [("file", seven())]}

    def fail(*_: object) -> None:
        raise MemoryError

    if code == "401":
        sent["headers"] = {}
    if code == "413":
        sent["files"] = [("file", b"x")] * 33
    if code == "429":
        monkeypatch.setattr(desk, "_waiting", desk._most)
    if code == "500":
        monkeypatch.setattr(desk, "check_room", fail)
    if code == "503":
        monkeypatch.setattr(desk, "_first", asyncio.Event())
    answer = guarded.post("/v1/read", **sent)
    assert str(answer.status_code) == code
    assert without_numbers(answer.json()) == without_numbers(example)


def without_numbers(answer: dict[str, object]) -> str:
    return re.sub(r"\d+", "N", json.dumps(answer["error"]))


def test_the_document_names_every_answer(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/v1/read"]["post"]
    assert {"200", "400", "401", "408", "413", "415", "422", "429", "500", "503"} <= set(
        operation["responses"]
    )
    assert {one["name"] for one in operation["parameters"]} == {
        "layout", "length", "pattern", "checksum", "max", "top", "target_error", "name",
    }  # fmt: skip
    json.dumps(operation)


def test_a_file_of_the_page_is_sent_once(client: TestClient) -> None:
    tag = client.get("/page.js").headers["etag"]
    again = client.get("/page.js", headers={"If-None-Match": tag})
    assert again.status_code == 304 and again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("key", ["", " ", "sésame", "two\nlines"])
def test_a_key_that_protects_nothing_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="key of the service"):
        ServiceSettings(api_key=key)


def test_seconds_are_a_number() -> None:
    with pytest.raises(UsageError, match="max-seconds must be at least 1, got nan"):
        ServiceSettings(max_seconds=float("nan"))


@pytest.mark.parametrize("setting", ["max_bytes", "max_files", "max_pixels", "queue"])
def test_settings_below_one_are_refused(setting: str) -> None:
    with pytest.raises(UsageError, match="must be at least 1, got 0"):
        ServiceSettings(**{setting: 0})


def test_the_query_knows_what_the_reader_knows() -> None:
    assert query.LAYOUTS == LAYOUTS
    assert tuple(CHECKSUMS) == query.CHECKSUMS
    assert query.MOST_LENGTH == MAX_LENGTH


def test_a_model_of_ones_own_is_used_everywhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "seven.png"
    path.write_bytes(seven())
    for bundled in (BUNDLED_MODEL, BUNDLED_LINE_MODEL):
        model = never_sure(bundled, tmp_path / bundled.name)
        layout = "digit" if bundled == BUNDLED_MODEL else "line"
        command = ["read", str(path), "--json", "--model", str(model), "--layout", layout]
        assert main(command) == 0
        printed = json.loads(capfd.readouterr().out)
        assert (printed["status"], printed["reason"]) == ("rejected", "unsure")
        with TestClient(create_app(ServiceSettings(model=model, workers=1))) as opened:
            answer = post(opened, seven(), f"?name={path}&layout={layout}")
            assert answer.json() == printed
            # The page by itself reads single digits.
            own = model if bundled == BUNDLED_MODEL else BUNDLED_MODEL
            assert opened.get("/digit.onnx").content == own.read_bytes()
        keyed = ServiceSettings(model=model, workers=1, api_key="open sesame")
        with TestClient(create_app(keyed)) as opened:
            status = 401 if bundled == BUNDLED_MODEL else 200
            assert opened.get("/digit.onnx").status_code == status, (
                "nobody is given another's model"
            )
