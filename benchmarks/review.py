"""The review: 50 kills of its service in mid-work, and how fast its page is by keyboard.

The images are numbers that the project draws. For the kills, two reviewers decide as fast as they
are answered and send again what was not answered, under the same id; the service is killed at
random moments and started again. For the speed, Chromium shows the page to a scripted reviewer, who
looks at each item for one second, then presses Enter, types a correction first at every tenth, and
presses Escape at every twentieth: what is beyond that second is the page's. Needs Debian's chromium
and the package playwright.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from folder import make_crops
from playwright.sync_api import Page, sync_playwright
from processes import common_arguments, environment, say
from record import Figure, mean_figure, median_figure, write_record

from inkdigits.reading.table_file import write_table

IMAGES = 300
COPIES = 40
"""A killed review decides so many items for each image: nobody waits for more."""
THINKING = 1.0
FEWEST_AN_HOUR = 2400
SECONDS = 0.5
"""Kills come within so many seconds after the first answer of a service."""


@contextmanager
def service(results: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `inkdigits review` and yield its process and address, once it is ready."""
    command = [sys.executable, "-m", "inkdigits", "review", results.name, "--port", str(port)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=results.parent, env=environment()
    ) as process:
        try:
            if process.stderr is None:
                raise RuntimeError("the service has no pipe")
            told = process.stderr.readline()
            found = re.search(r"http://\S+?:\d+", told)
            if found is None:
                raise RuntimeError(told)
            wait_until_ready(found.group())
            yield process, found.group()
        finally:
            process.kill()


def wait_until_ready(address: str) -> None:
    """Wait for the first answer."""
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"{address}/readyz").close()
            return
        except urllib.error.URLError:
            time.sleep(0.05)
    raise RuntimeError("the service did not become ready")


class Reviewer(threading.Thread):
    """Decides as fast as it is answered; `kept` are the ids that were, with their images."""

    def __init__(self, name: str) -> None:
        super().__init__(daemon=True)
        self.me, self.address, self.ended = name, "", False
        self.kept: dict[str, str] = {}
        self.undone: set[str] = set()

    def run(self) -> None:
        """Decide items; take every seventh decision back and make it again."""
        turn = 0
        while not self.ended:
            for item in self.insist("next", {"count": 4}).get("items", []):
                turn += 1
                self.decide(f"{self.me}-{turn}", item)
                if turn % 7 == 0 and f"{self.me}-{turn}" in self.kept:
                    undo = {"id": f"{self.me}-{turn}-undo", "undoes": f"{self.me}-{turn}"}
                    if "kept" in self.insist("undo", undo):
                        self.undone.add(f"{self.me}-{turn}")
                        self.decide(f"{self.me}-{turn}-again", item)

    def decide(self, name: str, item: dict[str, Any]) -> None:
        """Send one decision until it is answered."""
        said = {"id": name, "item": item["item"], "verdict": "read", "text": "47"}
        if "kept" in self.insist("decisions", said):
            self.kept[name] = item["image"]

    def insist(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request, sent until there is one; {} when it was refused."""
        content = json.dumps({"reviewer": self.me, **body}).encode()
        while not self.ended:
            request = urllib.request.Request(
                f"{self.address}/v1/{path}", content, {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return dict(json.load(answer))
            except urllib.error.HTTPError as error:
                error.close()
                return {}
            except (OSError, ValueError):
                time.sleep(0.02)
        return {}


def kill_often(results: Path, kills: int, rng: random.Random) -> dict[str, int]:
    """Kill a review so many times; return what became of the decisions."""
    people = [Reviewer("anna"), Reviewer("ben")]
    for number in range(kills):
        before = sum(len(one.kept) for one in people)
        with service(results) as (process, address):
            for one in people:
                one.address = address
                if not one.is_alive():
                    one.start()
            while sum(len(one.kept) for one in people) == before:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, SECONDS))
            process.send_signal(signal.SIGKILL)
            process.wait()
        say(f"kill {number + 1}: {sum(len(one.kept) for one in people)} decisions answered")
    for one in people:
        one.ended = True
        one.join()
    return verdict(results.with_name(f"{results.name}.decisions"), people)


def verdict(path: Path, people: list[Reviewer]) -> dict[str, int]:
    """Count decisions that are lost or doubled, by what the file of decisions has."""
    lines = path.read_bytes().splitlines(keepends=True)[1:]
    entries = [json.loads(line) for line in lines if line.endswith(b"\n")]
    undone = {entry["undoes"] for entry in entries if "undoes" in entry}
    said = {entry["id"]: entry["image"] for entry in entries if "undoes" not in entry}
    standing = [image for name, image in said.items() if name not in undone]
    names = [entry["id"] for entry in entries]
    kept = {name: image for one in people for name, image in one.kept.items()}
    taken_back = {name for one in people for name in one.undone}
    return {
        "answered": len(kept) + len(taken_back),
        "lost": sum(said.get(name) != image for name, image in kept.items())
        + len(taken_back - undone),
        "doubled": len(names) - len(set(names)) + len(standing) - len(set(standing)),
        "torn_lines": len(lines) - len(entries),
    }


def press(page: Page, turn: int) -> None:
    """Look at the item that is shown for a second, then decide it."""
    time.sleep(THINKING)
    if turn % 20 == 19:
        page.keyboard.press("Escape")
        return
    if turn % 10 == 4:
        page.keyboard.type("47")
    page.keyboard.press("Enter")


def review_by_keyboard(address: str, decisions: int) -> tuple[list[float], str]:
    """Return the seconds of each decision, from item to item, and Chromium's version."""
    seconds = []
    with sync_playwright() as tool:
        browser = tool.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#reading[data-item]")
        for turn in range(decisions):
            item = page.locator("#reading").get_attribute("data-item")
            started = time.perf_counter()
            press(page, turn)
            page.wait_for_function(
                "was => { const now = document.getElementById('reading').dataset.item;"
                " return now && now !== was; }",
                arg=item,
                polling=5,
            )
            seconds.append(time.perf_counter() - started)
        page.wait_for_timeout(1000)
        version = browser.version
        browser.close()
    return seconds, version


def read_folder(place: Path) -> Path:
    """Return the results of the folder of crops in `place`, read as a user would."""
    command = [sys.executable, "-m", "inkdigits", "read", "crops", "--out", "results.jsonl"]
    subprocess.run(command, cwd=place, check=True, capture_output=True, env=environment())
    return place / "results.jsonl"


def many_times(results: Path) -> Path:
    """Return a table with each reading many times, under names of their own."""
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    out = results.with_name("many.jsonl")
    write_table(
        out,
        ({**row, "image": f"{copy}/../{row['image']}"} for copy in range(COPIES) for row in rows),
    )
    for copy in range(COPIES):
        (results.parent / str(copy)).mkdir()
    return out


def main() -> None:
    """Measure and write records/review.json."""
    parser = common_arguments(__doc__)
    parser.add_argument("--kills", type=int, default=50, help="default: 50")
    parser.add_argument("--decisions", type=int, default=120, help="by keyboard; default: 120")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"default: {IMAGES}")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        make_crops(place / "crops", options.images)
        results = read_folder(place)
        with service(results) as (_, address):
            seconds, version = review_by_keyboard(address, options.decisions)
        kept = results.with_name(f"{results.name}.decisions").read_bytes().count(b"\n") - 1
        say(f"{len(seconds)} by keyboard in {sum(seconds):.1f} s, {kept} kept")
        found = kill_often(many_times(results), options.kills, random.Random(options.seed))
        say(f"kills: {found}")
    an_hour = 3600 * len(seconds) / sum(seconds)
    bad = [float(found[one]) for one in ("lost", "doubled")]
    bad.append(float(len(seconds) - kept))
    figures = [
        mean_figure(
            f"`inkdigits review`, decisions an hour by keyboard in Chromium, reviewer of "
            f"{THINKING:g} s each",
            "count",
            [an_hour],
            above=FEWEST_AN_HOUR,
        ),
        median_figure(
            "the same, seconds from one item to the next", "seconds", seconds, in_table=False
        ),
        Figure(
            f"decisions lost or doubled in {options.kills} kills of a review in mid-work "
            f"({found['answered']:,} answered)",
            "count",
            sum(bad),
            [sum(bad)],
            at_most=0.0,
        ),
    ]
    write_record(
        "review",
        figures,
        options.records,
        n=options.kills,
        seeds=[options.seed],
        kills=found,
        chromium=version,
    )


if __name__ == "__main__":
    main()
