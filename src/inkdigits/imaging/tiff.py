"""TIFF: the directories of its pages, checked before a decoder follows them.

A directory is a list of places in the file, and a hostile one sends a decoder to the same bytes a
thousand times, or asks for a tile larger than the page. Both are refused here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UnreadableImage
from inkdigits.imaging.limits import Limits, check_size, damaged

MAX_TAGS = 500
# Strips of a page, say; a decoder makes objects of them all.
MAX_NUMBERS = 1_000_000
# Thumbnails and masks do not count as pages, but somewhere it must end.
DIRECTORIES_PER_PAGE = 4
MAX_SAMPLES = 8
# Bytes of one value of each field type.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
WHOLE = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8"}
COMPRESSIONS = {
    1: "none", 2: "CCITT", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 7: "JPEG",
    8: "deflate", 32773: "PackBits", 32946: "deflate",
}  # fmt: skip
SUBFILE, WIDTH, HEIGHT, COMPRESSION, SAMPLES = 254, 256, 257, 259, 277
TILE_WIDTH, TILE_HEIGHT = 322, 323
LENGTHS = (279, 325)  # of strips, of tiles
WANTED = {SUBFILE, WIDTH, HEIGHT, COMPRESSION, SAMPLES, TILE_WIDTH, TILE_HEIGHT, *LENGTHS}
BYTES = {1, 2, 6, 7}


@dataclass(frozen=True)
class Layout:
    """How a TIFF file is laid out: byte order, and the widths of BigTIFF or of the classic."""

    order: Literal["<", ">"]
    big: bool

    def number(self, content: bytes, place: int, code: str) -> int:
        """Return the number at `place`; raises UnreadableImage beyond the end."""
        try:
            return int(struct.unpack_from(self.order + code, content, place)[0])
        except (struct.error, OverflowError):
            raise damaged("a TIFF directory lies beyond the end of the file") from None


def readable_pages(content: bytes, limits: Limits) -> Iterator[int]:
    """Yield the index of each page that is no thumbnail, checked; raises UnreadableImage."""
    most = DIRECTORIES_PER_PAGE * (limits.max_pages + 1)
    for index, directory in enumerate(islice(directories(content), most)):
        check_directory(directory, len(content), limits)
        if not first(directory, SUBFILE, 0) & 1 or index == 0:
            yield index


def directories(content: bytes) -> Iterator[dict[int, NDArray[np.uint64]]]:
    """Yield the whole numbers of each directory by tag; raises UnreadableImage."""
    order: Literal["<", ">"] = "<" if content[:2] == b"II" else ">"
    layout = Layout(order, big=struct.unpack_from(order + "H", content, 2)[0] == 43)
    place = layout.number(content, *((8, "Q") if layout.big else (4, "I")))
    seen: set[int] = set()
    while place and place not in seen:
        seen.add(place)
        directory, place = read_directory(content, place, layout)
        yield directory


def read_directory(
    content: bytes, place: int, layout: Layout
) -> tuple[dict[int, NDArray[np.uint64]], int]:
    """Return the directory at `place`, and the place of the next one or 0."""
    head, step, inline, word = (8, 20, 8, "Q") if layout.big else (2, 12, 4, "I")
    n = layout.number(content, place, "Q" if layout.big else "H")
    if n > MAX_TAGS:
        raise damaged(f"a TIFF directory has {n} tags, the limit is {MAX_TAGS}")
    directory = {}
    named = 0
    for entry in range(place + head, place + head + n * step, step):
        tag = layout.number(content, entry, "H")
        kind = layout.number(content, entry + 2, "H")
        count = layout.number(content, entry + 4, word)
        size = count * SIZES.get(kind, 0)
        start = entry + step - inline
        if size > inline:
            start = layout.number(content, start, word)
            named += size
        if named > len(content):
            raise damaged("a TIFF directory names more bytes than the file has")
        if count > MAX_NUMBERS and kind not in BYTES:
            raise damaged(f"a TIFF tag has {count} numbers, the limit is {MAX_NUMBERS}")
        if tag in WANTED and kind in WHOLE:
            values = np.frombuffer(
                content[start : start + size].ljust(size, b"\0"),
                np.dtype(WHOLE[kind]).newbyteorder(layout.order),
            )
            directory[tag] = values.astype(np.uint64)
    after = place + head + n * step
    at_end = after + inline > len(content)  # a file cut off there still has its pages so far
    return directory, 0 if at_end else layout.number(content, after, word)


def check_directory(directory: dict[int, NDArray[np.uint64]], n_bytes: int, limits: Limits) -> None:
    """Raise UnreadableImage when decoding a page would take too much, or has no decoder here."""
    check_size(first(directory, WIDTH, 0), first(directory, HEIGHT, 0), limits)
    tile = first(directory, TILE_WIDTH, 1) * first(directory, TILE_HEIGHT, 1)
    if tile > limits.max_pixels:
        raise UnreadableImage(
            f"the TIFF has tiles of {tile} pixels, the limit is {limits.max_pixels}.",
            "Save it again.",
        )
    compression = first(directory, COMPRESSION, 1)
    if compression not in COMPRESSIONS:
        raise UnreadableImage(
            f"the TIFF is compressed by method {compression}, which is not read here.",
            f"Save it with one of: {', '.join(sorted(set(COMPRESSIONS.values())))}.",
        )
    samples = first(directory, SAMPLES, 1)
    if samples > MAX_SAMPLES:
        raise UnreadableImage(
            f"the TIFF has {samples} samples a pixel, the limit is {MAX_SAMPLES}.",
            "Save it in grey or RGB.",
        )
    for tag in LENGTHS:
        if tag in directory and float(directory[tag].sum(dtype=np.float64)) > 2 * n_bytes:
            raise damaged("the strips of the TIFF are longer than the file")


def first(directory: dict[int, NDArray[np.uint64]], tag: int, otherwise: int) -> int:
    """Return the first number of `tag`, or `otherwise` where there is none."""
    values = directory.get(tag)
    return otherwise if values is None or not len(values) else int(values[0])
