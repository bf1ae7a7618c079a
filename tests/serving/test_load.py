"""The service as a process: full queues, slow senders, and an end that loses no answer."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from http.client import HTTPResponse
from pathlib import Path

import httpx2 as httpx
import pytest
from started import running_service
from test_api import seven

pytest.importorskip("starlette", reason="the serve extra")
from inkdigits.serving.openapi import REFUSALS


def service(*options: str) -> AbstractContextManager[tuple[subprocess.Popen[str], str]]:
    """Run `inkdigits serve` on a free port and yield the process and its address."""
    return running_service("serve", *options)


def ask(address: str) -> httpx.Response:
    return httpx.post(
        f"{address}/v1/read?layout=digit",
        content=seven(3),
        headers={"Content-Type": "image/png"},
        timeout=60,
    )


def test_what_the_queue_does_not_hold_is_refused_and_the_rest_is_right() -> None:
    with service("--queue", "1", "--workers", "1") as (_, address):
        with ThreadPoolExecutor(24) as many:
            answers = list(many.map(lambda _: ask(address), range(96)))
        statuses = {answer.status_code for answer in answers}
        assert statuses <= {200, 429}
        for answer in answers:
            if answer.status_code == 200:
                assert answer.json()["text"] == "7"
            else:
                assert answer.headers["retry-after"] == "1"
                assert "waiting" in answer.json()["error"]["message"]
        assert 200 in statuses
        assert ask(address).status_code == 200, "it recovers"


def test_a_slow_sender_is_cut_off_and_harms_nobody() -> None:
    with service("--max-seconds", "1") as (_, address):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            slow.sendall(
                b"POST /v1/read HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
                b"Content-Length: 1000\r\n\r\nfew"
            )
            assert ask(address).status_code == 200
            answer = HTTPResponse(slow)
            answer.begin()
            told = json.loads(answer.read())["error"]
    assert answer.status == 408
    _, message, hint = REFUSALS["408"]
    assert (told["message"], told["hint"]) == (message.replace("10 s", "1 s"), hint)


def test_headers_that_come_too_slowly_are_cut_off() -> None:
    with service("--max-seconds", "1", "--workers", "1") as (_, address):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            for byte in b"GET /healthz HTTP/1.1\r\nHos":
                slow.sendall(bytes([byte]))
            started = time.monotonic()
            assert slow.recv(100) == b"", "closed without an answer"
            assert time.monotonic() - started < 10
        with socket.create_connection((host, int(port)), timeout=20) as again:
            for _ in range(2):  # the second request of a connection has a clock of its own
                again.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = b""
                while b'"ok"}' not in answer:
                    answer += again.recv(4096)
                assert b" 200 " in answer
            again.sendall(b"GET /hea")
            assert again.recv(100) == b""
        assert ask(address).status_code == 200


def children(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that read for the service."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(number) for number in text.split()]


def test_a_reader_that_is_killed_loses_no_request() -> None:
    with service("--workers", "2") as (process, address):
        first = children(process)
        assert len(first) == 2
        with ThreadPoolExecutor(8) as many:
            answers = [many.submit(ask, address) for _ in range(60)]
            for reader in first:
                time.sleep(0.1)
                os.kill(reader, signal.SIGKILL)
            statuses = [answer.result().status_code for answer in answers]
        assert statuses == [200] * 60
        assert len(children(process)) == 2
        assert not set(children(process)) & set(first)


def waiting(address: str) -> int:
    """Return how many requests the service has taken and not answered yet."""
    text = httpx.get(f"{address}/metrics").text
    return int(float(re.findall(r"^inkdigits_queue (\S+)", text, re.MULTILINE)[0]))


def test_asked_to_stop_it_answers_what_it_took() -> None:
    with service("--workers", "1", "--queue", "64") as (process, address):
        answers: list[int | str] = []

        def one() -> None:
            try:
                answers.append(ask(address).status_code)
            except httpx.TransportError:
                answers.append("not taken")

        threads = [threading.Thread(target=one) for _ in range(24)]
        for thread in threads:
            thread.start()
        answered = taken = 0
        while taken < 4 and len(answers) < 20:
            # First: what is answered after those that wait were counted would count twice.
            answered = answers.count(200)
            taken = waiting(address)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(timeout=30) == 0
        assert set(answers) <= {200, 503, "not taken"}
        assert answers.count(200) >= min(24, answered + taken - 1), "what it took it answered"


def send_part(address: str) -> socket.socket:
    """Begin to send an image."""
    host, port = address.removeprefix("http://").split(":")
    sender = socket.create_connection((host, int(port)), timeout=20)
    sender.sendall(
        b"POST /v1/read HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        b"Content-Length: 1000\r\n\r\nfew"
    )
    return sender


def wait_for_queue(address: str, taken: int) -> None:
    """Wait until the service has taken so many requests that it has not answered."""
    for _ in range(200):
        if waiting(address) == taken:
            return
        time.sleep(0.05)
    raise AssertionError(f"{waiting(address)} requests wait, not {taken}")


def test_images_that_are_being_sent_have_their_places() -> None:
    with service("--workers", "1", "--queue", "1") as (_, address):
        senders = [send_part(address) for _ in range(2)]
        wait_for_queue(address, 2)
        refused = ask(address)
        assert refused.status_code == 429
        for sender in senders:
            sender.close()
        wait_for_queue(address, 0)
        assert ask(address).status_code == 200


def test_who_left_keeps_no_place() -> None:
    with service("--workers", "1", "--queue", "2") as (process, address):
        assert ask(address).status_code == 200
        (reader,) = children(process)
        os.kill(reader, signal.SIGSTOP)
        host, port = address.removeprefix("http://").split(":")
        body = seven(3)
        head = (
            "POST /v1/read?layout=digit HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        for _ in range(3):
            with socket.create_connection((host, int(port)), timeout=20) as gone:
                gone.sendall(head.encode() + body)
                wait_for_queue(address, 1)
            wait_for_queue(address, 0)
        os.kill(reader, signal.SIGCONT)
        assert ask(address).status_code == 200


def until_cut_off(sender: socket.socket) -> bytes:
    """All that is answered, in however many parts; it times out where the line stays open."""
    return b"".join(iter(lambda: sender.recv(4096), b""))


def test_who_was_refused_cannot_go_on_sending() -> None:
    with service("--max-seconds", "1", "--workers", "1") as (_, address):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as sender:
            sender.sendall(
                b"POST /v1/read HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                b"Content-Length: 1000\r\n\r\n"
            )
            assert b" 415 " in until_cut_off(sender)


def test_it_says_that_it_is_about_to_stop() -> None:
    with service("--workers", "1") as (process, address):
        assert ask(address).status_code == 200
        (reader,) = children(process)
        os.kill(reader, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as one:
            taken = one.submit(ask, address)
            wait_for_queue(address, 1)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            for answer in (httpx.get(f"{address}/readyz"), ask(address)):
                assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
            assert httpx.get(f"{address}/healthz").status_code == 200
            os.kill(reader, signal.SIGCONT)
            assert taken.result().status_code == 200
        assert process.wait(timeout=30) == 0


def test_it_says_that_it_starts() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "inkdigits", "serve", "--port", str(port)]
    statuses: list[int] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while 200 not in statuses and process.poll() is None:
            try:
                statuses.append(httpx.get(f"http://127.0.0.1:{port}/readyz").status_code)
            except httpx.TransportError:
                time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read().count("serves at") == 1
    assert set(statuses) == {200, 503}


def test_an_address_in_use_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "inkdigits", "serve", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 6
    assert done.stderr.startswith(f"inkdigits: error: cannot listen at 127.0.0.1 port {port}")
    assert done.stderr.count("\n") == 1


def test_a_model_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing")
    command = [sys.executable, "-m", "inkdigits", "serve", "--port", "0", "--model", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].startswith("inkdigits: error: ")
    assert "model.onnx" in done.stderr
