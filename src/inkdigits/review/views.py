"""Views: the picture of each item and what it may say, made before anyone waits for it."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inkdigits.review.items import Item
from inkdigits.serving.desk import Desk as Readers
from inkdigits.serving.reader_process import Job, Options

KEPT = 64
"""Views in memory; each is a PNG of at most some hundred kilobytes."""
MOST_TEXTS = 5
LEAST = 0.001
"""Less probable texts are not worth telling."""


@dataclass(frozen=True)
class View:
    """What is shown of an item: what the page is told, and the PNG, empty where there is none."""

    told: dict[str, Any]
    png: bytes


class Views:
    """Makes views in the readers' processes, keeps the latest, and starts them when it is told to.

    `options` are those that the results were made with. Only what `items` name is ever opened.
    """

    def __init__(self, items: Sequence[Item], readers: Readers, options: Options) -> None:
        self._items, self._readers, self._options = items, readers, options
        self._made: OrderedDict[int, asyncio.Task[View]] = OrderedDict()

    def prepare(self, indices: Iterable[int]) -> None:
        """Begin to make what will be asked for soon."""
        for index in indices:
            self._task(index)

    async def of(self, index: int) -> View:
        """Return the view of an item, made now if it was not."""
        return await asyncio.shield(self._task(index))

    async def stop(self) -> None:
        """Make no more."""
        for task in self._made.values():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._made.clear()

    def _task(self, index: int) -> asyncio.Task[View]:
        if index not in self._made:
            self._made[index] = asyncio.create_task(self._make(self._items[index]))
        self._made.move_to_end(index)
        while len(self._made) > KEPT:
            self._made.popitem(last=False)
        return self._made[index]

    async def _make(self, item: Item) -> View:
        """Return the view of an item, or the one that says why there is none."""
        image, spot = item.key
        known = any(number.get("alternatives") for number in item.numbers)
        try:
            content = await asyncio.to_thread(read_image, Path(image))
        except OSError as error:
            return unseen(f"cannot open the image: {error.strerror or error}.")
        job = Job(image, content, self._options, "view" if known else "view and texts", spot)
        (answer,) = await self._readers.answers([job])
        if answer.status != 200:
            return unseen(answer.body.decode())
        head, _, png = answer.body.partition(b"\n")
        return View(shown(item, json.loads(head)), png)


def unseen(why: str) -> View:
    """Return the view of what cannot be shown."""
    return View({"error": why, "numbers": [], "texts": []}, b"")


def read_image(path: Path) -> bytes:
    """Return the bytes of an image; raises OSError, also for what is no file."""
    if not path.exists():
        raise FileNotFoundError(2, "there is no such file here")
    if not path.is_file():
        raise OSError(22, "it is no file")
    return path.read_bytes()


def shown(item: Item, head: dict[str, Any]) -> dict[str, Any]:
    """Return what the page is told of a view: boxes in its pixels, and other texts."""
    left, top, scale = head["left"], head["top"], head["scale"]

    def moved(box: Sequence[int]) -> list[float]:
        return [(box[0] - left) * scale, (box[1] - top) * scale, box[2] * scale, box[3] * scale]

    numbers = [
        {
            "text": number["text"],
            "reason": number.get("reason"),
            "box": moved(number["box"]),
            "digits": [{"box": moved(digit["box"])} for digit in number.get("digits", ())],
        }
        for number in item.numbers
    ]
    texts = [other for number in item.numbers for other in number.get("alternatives", ())]
    others = [
        one
        for one in texts or head["texts"]
        if one["text"] != item.text and one["confidence"] >= LEAST
    ]
    return {"numbers": numbers, "texts": others[:MOST_TEXTS]}
