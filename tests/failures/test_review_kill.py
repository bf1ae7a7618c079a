"""A review's service killed in mid-work: what it answered is kept, once, and nothing else harms."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from pathlib import Path

import httpx2 as httpx
import pytest

pytest.importorskip("starlette", reason="the serve extra")
from reviewing import lines_of, row_of, service, sevens

from inkdigits.reading.table_file import write_table

KILLS = 4
ITEMS = 4000


class Reviewer(threading.Thread):
    """Decides as fast as it is answered; sends again, under the same id, what was not answered."""

    def __init__(self, name: str) -> None:
        super().__init__(daemon=True)
        self.me, self.address, self.ended = name, "", False
        self.kept: dict[str, str] = {}

    def run(self) -> None:
        turn = 0
        while not self.ended:
            asked = {"reviewer": self.me, "count": 3}
            for item in self.insist("next", asked)["items"]:
                turn += 1
                name = f"{self.me}-{turn}"
                said = {"reviewer": self.me, "item": item["item"], "verdict": "read", "text": "7"}
                if "kept" in self.insist("decisions", {"id": name, **said}):
                    self.kept[name] = item["image"]

    def insist(self, path: str, body: dict[str, object]) -> dict[str, list[dict[str, str]]]:
        while not self.ended:
            try:
                answer = httpx.post(f"{self.address}/v1/{path}", json=body, timeout=20)
                return dict(answer.json())
            except httpx.TransportError:
                time.sleep(0.02)
        return {"items": []}


def test_kills_in_mid_work_lose_and_double_no_decision(tmp_path: Path) -> None:
    rng = random.Random(random.SystemRandom().randrange(2**32))
    sevens(tmp_path / "0.png", 1)
    write_table(tmp_path / "r.jsonl", [row_of(f"{n}.png", "7", 0.5) for n in range(ITEMS)])
    people = [Reviewer(name) for name in ("anna", "ben")]
    for _ in range(KILLS):
        with service(tmp_path / "r.jsonl") as (process, address):
            for one in people:
                one.address = address
                if not one.is_alive():
                    one.start()
            before = len(people[0].kept)
            for _ in range(1000):
                if len(people[0].kept) > before:
                    break
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
            process.wait()
    for one in people:
        one.ended = True
        one.join()
    path = tmp_path / "r.jsonl.decisions"
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    entries = [json.loads(line) for line in whole[1:]]
    names = [entry["id"] for entry in entries]
    images = [entry["image"] for entry in entries]
    assert len(names) == len(set(names)), "none twice"
    assert len(images) == len(set(images)), "no item decided twice"
    kept = people[0].kept | people[1].kept
    assert len(kept) >= KILLS
    assert kept.items() <= dict(zip(names, images, strict=True)).items(), "none lost"
    with service(tmp_path / "r.jsonl"):
        assert [entry["id"] for entry in lines_of(tmp_path / "r.jsonl")] == names
