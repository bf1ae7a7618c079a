"""Decode: an untrusted source becomes upright grey pages."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkdigits.errors import UnreadableImage, UsageError
from inkdigits.imaging.arrays import Grey
from inkdigits.imaging.grey import array_to_grey
from inkdigits.imaging.image_file import FORMATS, HINT, file_pages, format_of, pixels_of
from inkdigits.imaging.limits import DEFAULT_LIMITS, Account, Limits, check_bytes, check_size
from inkdigits.imaging.page import Page

__all__ = [
    "DEFAULT_LIMITS",
    "FORMATS",
    "PDF_DPI",
    "Grey",
    "Limits",
    "Page",
    "Source",
    "decode",
    "decode_pages",
    "read_source",
]

Source: TypeAlias = str | Path | bytes | BinaryIO | Image.Image | NDArray[Any]

PDF_DPI = 200
MIN_DPI, MAX_DPI = 50, 1200
# Readers of PDF look for the signature this far into a file.
PDF_PREAMBLE = 1024


def decode(source: Source, limits: Limits = DEFAULT_LIMITS) -> Grey:
    """Return `source` as an upright grey page: uint8 (H, W), 0 = black, 255 = white.

    `source` is a path, the bytes of an image or PDF file, a binary stream such as
    `sys.stdin.buffer`, a Pillow image, or an array: bool, uint8, uint16 or float 0–1, of shape
    (H, W), (H, W, 3) RGB or (H, W, 4) RGBA. EXIF orientation is applied; transparency is laid on
    the ground that lets the ink be seen; of several frames or pages the first is taken. Raises
    UnreadableImage when there is no such image or it exceeds `limits`.
    """
    if isinstance(source, np.ndarray):
        return decode_array(source, limits)
    if isinstance(source, Image.Image):
        check_size(source.width, source.height, limits)
        return pixels_of(source)
    with closing(pages_in(content_of(source, limits), limits, PDF_DPI, every=False)) as pages:
        return next(pages).grey


def decode_pages(
    source: Source, limits: Limits = DEFAULT_LIMITS, dpi: int = PDF_DPI
) -> Iterator[Page]:
    """Yield the pages of `source` (see `decode`) one by one, each decoded when it is asked for.

    TIFF and PDF have pages; everything else is one. A page of a PDF is rendered at `dpi` dots per
    inch (50–1200), or at fewer where `limits` demand it. Raises UnreadableImage, at the latest when
    a page is asked for that is damaged or exceeds `limits`, and UsageError for another `dpi`.
    """
    if not MIN_DPI <= dpi <= MAX_DPI:
        raise UsageError(f"dpi must be {MIN_DPI}–{MAX_DPI}, got {dpi!r}.", "Try 200 or 300.")
    if isinstance(source, np.ndarray | Image.Image):
        yield Page(decode(source, limits), 1)
    else:
        yield from pages_in(content_of(source, limits), limits, dpi, every=True)


def pages_in(
    content: bytes, limits: Limits, dpi: int, *, every: bool
) -> Generator[Page, None, None]:
    """Yield the pages of a file's bytes, or only the first; raises UnreadableImage."""
    if not content:
        raise UnreadableImage("the image is empty (0 bytes).", HINT)
    check_bytes(content, limits)
    account = Account(limits)
    if format_of(content) is None and b"%PDF-" in content[:PDF_PREAMBLE]:
        from inkdigits.imaging.pdf import pdf_pages  # rarely needed

        yield from pdf_pages(content, account, dpi, every=every)
    else:
        yield from file_pages(content, account, every=every)


def content_of(source: Source, limits: Limits) -> bytes:
    """Return the bytes of a source that is no image in memory yet; raises UnreadableImage."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | Path):
        return read_source(Path(source), limits)
    read = getattr(source, "read", None)
    content = read(limits.max_bytes + 1) if callable(read) else None
    if not isinstance(content, bytes):
        raise UnreadableImage(
            "an image must be a path, bytes, a binary stream, a Pillow image or an array, "
            f"got {type(source).__name__}."
        )
    return content


def read_source(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the bytes of the file at `path`, reading no more than the limit allows."""
    try:
        with path.open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise cannot_open(str(path), error) from error


def cannot_open(name: str, error: OSError | ValueError) -> UnreadableImage:
    """Return what tells that the file `name` cannot be opened, or read, because of `error`."""
    if isinstance(error, FileNotFoundError):
        return UnreadableImage(f"no such file: {name!r}.", "Check the path.")
    if isinstance(error, IsADirectoryError):
        return UnreadableImage(
            f"{name!r} is a folder, not an image.", f"Name its images, as in {name}/*.png."
        )
    return UnreadableImage(f"cannot open {name!r}: {getattr(error, 'strerror', None) or error}.")


def decode_array(pixels: NDArray[Any], limits: Limits) -> Grey:
    """Decode an array of pixels; see `decode`."""
    if pixels.ndim not in {2, 3} or (pixels.ndim == 3 and pixels.shape[2] not in {3, 4}):
        raise UnreadableImage(
            f"an array must be (H, W), (H, W, 3) or (H, W, 4), got {pixels.shape}."
        )
    check_size(pixels.shape[1], pixels.shape[0], limits)
    return array_to_grey(pixels)
