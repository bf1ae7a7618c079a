"""The reader of parts: an actor on the cluster that holds the model and writes what it reads."""

from __future__ import annotations

import json
import pickle
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from inkdigits.cluster.fetch import Fetched, fetch
from inkdigits.cluster.parts import Part
from inkdigits.cluster.store import Store
from inkdigits.errors import InkdigitsError
from inkdigits.reading.reader import Reader
from inkdigits.reading.settings import ReaderSettings
from inkdigits.reading.workers import Answer, Crew, Task, answer_of, answered, error_reading


@dataclass(frozen=True)
class Order:
    """What every machine must know of a job.

    `model` is the content of a model file, where one is given: only its owner's machine has it.
    Paths of images start from `folder`; results go to `out`.
    """

    settings: ReaderSettings
    model: bytes | None
    folder: str
    out: str


def fetch_part(row: dict[str, Any], order: Order) -> dict[str, Any]:
    """Return a part with the bytes of its images, or with the error that ends the job.

    Both are pickled: the name of a file need not be text, as a cell of Arrow has to, and of an
    error that is raised here Ray would tell the driver no more than the text.
    """
    part: Part = pickle.loads(row["part"])
    fetched: list[Fetched] | InkdigitsError
    try:
        fetched = fetch(part, order.folder)
    except InkdigitsError as error:
        fetched = error
    return row | {"fetched": pickle.dumps(fetched)}


class PartReader:
    """Reads parts, one at a time; the model is loaded once.

    A part in which a reader died before is read in a process apart, which may die as well: the
    image in which that happens twice gets a row with status `error`, as in a folder job.
    """

    def __init__(self, order: Order) -> None:
        import cv2

        cv2.setNumThreads(1)
        self._store = Store(order.out)
        self._place = tempfile.TemporaryDirectory()
        self._settings = settings_here(order, Path(self._place.name))

    @cached_property
    def _reader(self) -> Reader:
        """The reader, made with the first part: what its making raises can be told then."""
        return self._settings.reader()

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        """Read a fetched part and return its counts by status, or the error that ends the job."""
        outcome: Counter[str] | InkdigitsError
        fetched = pickle.loads(row["fetched"])
        try:
            outcome = (
                fetched
                if isinstance(fetched, InkdigitsError)
                else self._read_part(pickle.loads(row["part"]), fetched)
            )
        except InkdigitsError as error:
            outcome = error
        return {"outcome": pickle.dumps(outcome)}

    def _read_part(self, part: Part, fetched: Sequence[Fetched]) -> Counter[str]:
        """Read a part, write its readings, and return how many have each status.

        Raises ModelRefused, and CannotWrite.
        """
        tasks, answers = sorted_out(fetched)
        died_before = self._store.mark(part.file)
        answers += self._read_apart(tasks) if died_before else self._read(tasks)
        answers.sort(key=lambda answer: answer.index)
        self._store.write_part(part.file, (json.loads(answer.line) for answer in answers))
        self._store.unmark(part.file)
        return Counter(answer.status for answer in answers)

    def _read(self, tasks: Sequence[Task]) -> list[Answer]:
        """Read images here."""
        return [answered(self._reader, task) for task in tasks]

    def _read_apart(self, tasks: Sequence[Task]) -> list[Answer]:
        """Read images in a process that may die."""
        crew = Crew(tasks, len(tasks), self._settings, size=1)
        with closing(crew.answers()) as answers:
            return [answer for answer in answers if answer is not None]


def settings_here(order: Order, place: Path) -> ReaderSettings:
    """Return the settings of a job with its model file in the folder `place`."""
    if order.model is None:
        return order.settings
    file = place / "model.onnx"
    file.write_bytes(order.model)
    return replace(order.settings, model=file)


def sorted_out(fetched: Sequence[Fetched]) -> tuple[list[Task], list[Answer]]:
    """Return the images to read, and the answers of those that could not be fetched."""
    tasks, answers = [], []
    for index, image in enumerate(fetched):
        drawing = None if image.drawing is None else Path(image.drawing)
        task = Task(index, image.name, drawing, image.content)
        if image.content is None:
            answers.append(answer_of(task, error_reading(task, image.error)))
        else:
            tasks.append(task)
    return tasks, answers
