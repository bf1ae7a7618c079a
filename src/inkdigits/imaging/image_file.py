"""Image files: bytes in one of the allowed formats become upright grey pages.

Pillow does nothing here but decode. The format is told by content, never by a name, and the size
is read from the header and checked before any pixel is decoded.
"""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterator
from itertools import islice

import numpy as np
from PIL import Image

from inkdigits.errors import UnreadableImage
from inkdigits.imaging.arrays import Grey
from inkdigits.imaging.grey import image_to_grey
from inkdigits.imaging.jpeg import exif_orientation, read_jpeg
from inkdigits.imaging.limits import Account, Metered, check_pages, check_size, damaged
from inkdigits.imaging.page import Page
from inkdigits.imaging.tiff import readable_pages

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
HINT = f"Give an image in one of these formats: {', '.join(FORMATS)}, or a PDF."
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
# Where the first bytes hold width and height.
SIZES = {"PNG": (">II", 16), "GIF": ("<HH", 6)}
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# `warnings.catch_warnings` changes the whole process; the lock keeps our own threads apart.
_quiet = threading.Lock()


def format_of(content: bytes) -> str | None:
    """Return which of `FORMATS` the first bytes announce, or None."""
    for signature, name in SIGNATURES.items():
        if content.startswith(signature):
            return name
    return "WEBP" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None


def file_pages(content: bytes, account: Account, *, every: bool) -> Iterator[Page]:
    """Yield the pages of an image file, or only the first; raises UnreadableImage.

    A TIFF has its pages, without thumbnails; of an animation the first frame is taken.
    """
    name = format_of(content)
    if name is None:
        raise unknown_format(content)
    if name == "TIFF":
        yield from tiff_pages(content, account, every=every)
    else:
        with account.decoding():
            page = single_page(content, name, account)
        yield page


def unknown_format(content: bytes) -> UnreadableImage:
    """Return the UnreadableImage for bytes of no allowed format."""
    if content[4:8] == b"ftyp":
        return UnreadableImage(
            f"HEIC, AVIF and videos are not read (the bytes begin {content[:12]!r}).",
            "Save it as JPEG or PNG.",
        )
    return UnreadableImage(
        f"the bytes are no image in a known format (they begin {content[:8]!r}).", HINT
    )


def single_page(content: bytes, name: str, account: Account) -> Page:
    """Return the one page of a file that is no TIFF; raises UnreadableImage."""
    orientation = None
    if name == "JPEG":
        header = read_jpeg(content)
        check_size(header.width, header.height, account.limits)
        content, orientation = header.content, header.orientation
    if name in SIZES or name == "WEBP":
        check_size(*header_size(content, name), account.limits)
    stream = Metered(content, account)
    with open_image(stream, name, account) as image:
        stream.expect_pixels()
        return load_page(image, 1, orientation, account)


def tiff_pages(content: bytes, account: Account, *, every: bool) -> Iterator[Page]:
    """Yield the pages of a TIFF, or only the first; raises UnreadableImage."""
    with account.decoding():
        pages = readable_pages(content, account.limits)
        most = account.limits.max_pages + 1 if every else 1
        indices = list(islice(pages, most)) or [0]
        check_pages(len(indices), account.limits)
        stream = Metered(content, account)
        image = open_image(stream, "TIFF", account)
    with image:
        for number, index in enumerate(indices, start=1):
            with account.decoding():
                stream.expect_header()
                go_to(image, index)
                stream.expect_pixels()
                page = load_page(image, number, None, account)
            yield page


def open_image(stream: Metered, name: str, account: Account) -> Image.Image:
    """Open an image of the format `name` without decoding its pixels; raises UnreadableImage."""
    try:
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(stream, formats=(name,))
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            f"the image has more than {account.limits.max_pixels} pixels, the limit.",
            "Scale it down.",
        ) from error
    except UnreadableImage:
        raise
    except Exception as error:
        raise damaged(error) from error


def go_to(image: Image.Image, index: int) -> None:
    """Turn an open TIFF to the page at `index`; raises UnreadableImage."""
    try:
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.seek(index)
    except UnreadableImage:
        raise
    except Exception as error:
        raise damaged(error) from error


def load_page(image: Image.Image, number: int, orientation: int | None, account: Account) -> Page:
    """Decode the pixels of an open image; `orientation` None is looked up after that."""
    check_size(image.width, image.height, account.limits)
    account.add_page(image.width, image.height, number)
    dpi = resolution(image)
    # The luma of a JPEG is its grey: no need to make colours of it and take them away again.
    image.draft("L", None)
    return Page(pixels_of(image, orientation), number, dpi)


def pixels_of(image: Image.Image, orientation: int | None = None) -> Grey:
    """Return the upright grey of an open Pillow image, uint8 (H, W); raises UnreadableImage."""
    try:
        image.load()
        turn = UPRIGHT.get(orientation_of(image) if orientation is None else orientation)
        grey = image_to_grey(image if turn is None else image.transpose(turn))
    except UnreadableImage:
        raise
    except Exception as error:
        raise damaged(error) from error
    return np.ascontiguousarray(grey)


def orientation_of(image: Image.Image) -> int:
    """Return the orientation 1–8 that the metadata of a loaded Pillow image names, else 1.

    Pillow would read a whole EXIF directory, of any size, for this one number. Of a TIFF it reads
    it anyhow, turns the pixels itself and forgets the tag.
    """
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        value = tags.get(ORIENTATION, 1)
        return value if isinstance(value, int) else 1
    exif = image.info.get("exif")
    return exif_orientation(exif.removeprefix(b"Exif\0\0")) if isinstance(exif, bytes) else 1


def resolution(image: Image.Image) -> float | None:
    """Return the dots per inch that an image claims, where it is a likely number."""
    claimed = image.info.get("dpi")
    try:
        dpi = float(claimed[0]) if isinstance(claimed, tuple) else 0.0
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return round(dpi, 2) if 10 <= dpi <= 10_000 else None


def header_size(content: bytes, name: str) -> tuple[int, int]:
    """Return the width and height that a PNG, GIF or WebP announces; raises UnreadableImage.

    Pillow would tell them only of an image that it thinks small enough.
    """
    if name in SIZES:
        pair, place = SIZES[name]
        if len(content) < place + struct.calcsize(pair):
            raise damaged("the header is cut off")
        width, height = struct.unpack_from(pair, content, place)
        return width, height
    kind, head = content[12:16], content[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
        return width & 0x3FFF, height & 0x3FFF
    raise damaged(f"a WebP whose first chunk is {kind!r}")
