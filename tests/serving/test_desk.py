"""The desk: an image that ends the processes that read it takes no other answer with it."""

from __future__ import annotations

import asyncio
import sys

import pytest
from test_api import seven

from inkdigits.serving import crew
from inkdigits.serving.desk import DEATHS, Desk
from inkdigits.serving.metrics import Metrics
from inkdigits.serving.reader_process import Answer, Job, Options
from inkdigits.serving.settings import ServiceSettings

DIES_OF_POISON = """
import os
from inkdigits.serving import reader_process

class Mortal(reader_process.Readers):
    def answers(self, jobs):
        if any(job.content == b"poison" for job in jobs):
            os._exit(9)
        return super().answers(jobs)

reader_process.Readers = Mortal
reader_process.main()
"""


def test_an_image_that_ends_its_processes_is_alone_with_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew, "COMMAND", [sys.executable, "-c", DIES_OF_POISON])

    async def ask(jobs: list[Job]) -> list[Answer]:
        desk = Desk(ServiceSettings(workers=1), Metrics())
        await desk.start()
        try:
            return await desk.answers(jobs)
        finally:
            await desk.stop()

    digit = Options(layout="digit")
    good = Job("seven.png", seven(3), digit)
    answers = asyncio.run(ask([good, good, Job("poison", b"poison", digit), good]))
    assert [answer.status for answer in answers] == [200, 200, 500, 200]
    assert f"ended {DEATHS} processes".encode() in answers[2].body
