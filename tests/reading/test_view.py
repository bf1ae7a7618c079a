"""How a number of a page looks, and what it may say, for a person to decide."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from inkdigits import Reader
from inkdigits.errors import UnreadableImage
from inkdigits.imaging.decode import DEFAULT_LIMITS
from inkdigits.reading.result import Spot
from inkdigits.reading.view import LARGEST, number_alone, view


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(top=4)


def seven(page: np.ndarray, left: int, top: int) -> None:
    corners = np.array([[left, top], [left + 40, top], [left + 14, top + 70]])
    cv2.polylines(page, [corners], False, 30, 7, cv2.LINE_AA)


def two_pages() -> bytes:
    first, second = np.full((400, 600), 240, np.uint8), np.full((2000, 3000), 235, np.uint8)
    seven(second, 1500, 900)
    file = io.BytesIO()
    Image.fromarray(first).save(
        file, "TIFF", save_all=True, append_images=[Image.fromarray(second)]
    )
    return file.getvalue()


def grey(png: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED))


def test_a_spot_on_the_second_page(reader: Reader) -> None:
    told, png = view(reader, two_pages(), DEFAULT_LIMITS, Spot(2, (1497, 897, 46, 76)), texts=True)
    part = grey(png)
    assert told["scale"] == 1 and part.min() < 60
    assert part.shape[0] < 400 and part.shape[1] < 400
    assert (told["left"], told["top"]) == (1497 - 122, 897 - 122)
    assert told["texts"][0]["text"] == "7"
    shares = [one["confidence"] for one in told["texts"]]
    assert shares == sorted(shares, reverse=True)
    alone = grey(number_alone(two_pages(), DEFAULT_LIMITS, Spot(2, (1497, 897, 46, 76))))
    assert alone.shape[0] < 140 and alone.min() < 60


def test_a_large_page_is_shrunk(reader: Reader) -> None:
    page = np.full((2000, 3000), 240, np.uint8)
    content = cv2.imencode(".png", page)[1].tobytes()
    told, png = view(reader, content, DEFAULT_LIMITS, None, texts=False)
    assert grey(png).shape == (1067, LARGEST[0])
    assert told == {"left": 0, "top": 0, "scale": LARGEST[0] / 3000, "texts": []}


def test_what_was_rejected_may_say_something_nevertheless(reader: Reader) -> None:
    page = np.full((120, 200), 240, np.uint8)
    for x in (40, 100):
        cv2.line(page, (x, 30), (x + 40, 90), 30, 6)
        cv2.line(page, (x + 40, 30), (x, 90), 30, 6)
    content = cv2.imencode(".png", page)[1].tobytes()
    assert reader.read(content).status == "rejected"
    told, _ = view(reader, content, DEFAULT_LIMITS, None, texts=True)
    assert all(one["text"].isdigit() for one in told["texts"])


@pytest.mark.parametrize(
    "spot", [Spot(3, (0, 0, 10, 10)), Spot(1, (5000, 0, 10, 10)), Spot(1, (0, -900, 10, 10))]
)
def test_a_spot_that_is_not_there_is_told(reader: Reader, spot: Spot) -> None:
    with pytest.raises(UnreadableImage, match=r"Has the file changed\?"):
        view(reader, two_pages(), DEFAULT_LIMITS, spot, texts=True)
