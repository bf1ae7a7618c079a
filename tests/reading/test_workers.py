"""Worker processes that really die: every task is answered all the same, exactly once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from dying import DyingSettings

from inkdigits.errors import InkdigitsError, ModelRefused
from inkdigits.reading import workers
from inkdigits.reading.workers import Crew, Task


def rows_of(names: list[str], folder: Path, size: int = 2) -> list[dict[str, str]]:
    tasks = [Task(index, name) for index, name in enumerate(names)]
    crew = Crew(tasks, len(tasks), DyingSettings(folder=folder), size)
    answers = [answer for answer in crew.answers() if answer is not None]
    assert sorted(answer.index for answer in answers) == list(range(len(names)))
    rows = {answer.index: json.loads(answer.line) for answer in answers}
    assert all(row["image"] == names[index] for index, row in rows.items())
    return [rows[index] for index in range(len(names))]


def asked(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "asked").read_text().splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines]


def test_every_task_is_answered_once_whatever_kills_the_workers(tmp_path: Path) -> None:
    names = [f"{index}.png" for index in range(60)]
    bad = {0: "kill-0.png", 7: "raise-7.png", 21: "exit-21.png", 22: "kill-22.png"}
    bad |= {40: "once-40.png", 59: "kill-59.png"}
    for index, name in bad.items():
        names[index] = name
    rows = rows_of(names, tmp_path)
    statuses = [row["status"] for row in rows]
    assert [index for index, status in enumerate(statuses) if status == "error"] == [
        0, 7, 21, 22, 59,
    ]  # fmt: skip
    assert "SIGKILL" in rows[0]["error"]
    assert "exit code 3" in rows[21]["error"]
    assert rows[7]["error"] == "unexpected ValueError: two lines."
    times = Counter(name for _, name in asked(tmp_path))
    # Killers, and what died once by bad luck, get a second try; nothing else is read twice.
    assert {name for name, n in times.items() if n > 1} == set(bad.values()) - {"raise-7.png"}
    assert max(times.values()) == 2


def test_the_second_try_is_the_first_thing_in_a_fresh_process(tmp_path: Path) -> None:
    rows_of(["a", "b", "kill-c", "d", "e"], tmp_path, size=1)
    found = asked(tmp_path)
    first, second = [place for place, (_, name) in enumerate(found) if name == "kill-c"]
    assert found[first][0] != found[second][0]
    assert not any(process == found[second][0] for process, _ in found[:second])


def test_what_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IMAGE_SECONDS", 0.3)
    rows = rows_of(["a", "hang", "b"], tmp_path)
    assert [row["status"] for row in rows] == ["ok", "error", "ok"]
    assert rows[1]["error"] == "reading it takes more than 0.3 s, the limit."


def test_what_concerns_all_images_ends_the_job(tmp_path: Path) -> None:
    crew = Crew([Task(0, "a"), Task(1, "refuse")], 2, DyingSettings(folder=tmp_path), 1)
    with pytest.raises(ModelRefused, match="fails when run"):
        list(crew.answers())
    crew = Crew([Task(0, "a")], 1, DyingSettings(folder=tmp_path, start="refuse"), 1)
    with pytest.raises(ModelRefused, match=r"'gone'\. Check the path\.$"):
        list(crew.answers())


def test_workers_that_cannot_start_end_the_job(tmp_path: Path) -> None:
    crew = Crew([Task(0, "a")], 1, DyingSettings(folder=tmp_path, start="die"), 2)
    with pytest.raises(InkdigitsError, match="as soon as they start: exit code 9"):
        list(crew.answers())


def test_tasks_are_asked_for_as_workers_have_room(tmp_path: Path) -> None:
    taken = 0

    def tasks():
        nonlocal taken
        for index in range(100_000):
            taken += 1
            yield Task(index, str(index))

    crew = Crew(tasks(), 100_000, DyingSettings(folder=tmp_path), 1)
    answers = crew.answers()
    for n in range(1, 200):
        while next(answers) is None:
            pass
        assert taken <= n + 2 * workers.CHUNK
    answers.close()
