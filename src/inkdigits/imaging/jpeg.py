"""JPEG: its size, orientation and number of passes, and its bytes without metadata.

Metadata is where hostile files hide: one EXIF directory can name the same kilobytes thousands of
times. No decoder gets to see it; the orientation, all we want of it, is read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from inkdigits.errors import UnreadableImage
from inkdigits.imaging.limits import damaged

# Progressive files have about ten passes over all pixels; each may cost as much as an image.
MAX_SCANS = 64
START_OF_SCAN = 0xDA
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
APPLICATION = range(0xE0, 0xF0)
COMMENT = 0xFE
EXIF = 0xE1
# What the pixels depend on: JFIF (resolution) and Adobe (whether CMYK is inverted).
KEPT = frozenset({0xE0, 0xEE})
BARE = frozenset({0x01, *range(0xD0, 0xD8)})
ORIENTATION = 0x0112
UPRIGHT = 1


@dataclass(frozen=True)
class Jpeg:
    """A JPEG file whose `content` has no metadata left; orientation 1–8, as EXIF counts."""

    content: bytes
    width: int
    height: int
    orientation: int


def read_jpeg(content: bytes) -> Jpeg:
    """Return what the header of a JPEG file says; raises UnreadableImage."""
    kept = [content[:2]]
    size, orientation = None, UPRIGHT
    start = len(content)
    for marker, start, end in segments(content):
        if marker in FRAMES and end - start >= 9:
            height, width = struct.unpack_from(">HH", content, start + 5)
            size = (width, height)
        if marker == EXIF and content[start + 4 : start + 10] == b"Exif\0\0":
            orientation = exif_orientation(content[start + 10 : end])
        if marker == START_OF_SCAN:
            break
        if marker in KEPT or (marker not in APPLICATION and marker != COMMENT):
            kept.append(content[start:end])
    if size is None:
        raise damaged("no size before the first scan")
    check_scans(content, start)
    return Jpeg(b"".join([*kept, content[start:]]), *size, orientation)


def segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, start and end of each segment of a header; raises UnreadableImage."""
    place = 2
    while place + 4 <= len(content):
        if content[place] != 0xFF:
            raise damaged(f"no marker at byte {place}")
        marker = content[place + 1]
        if marker in {0xFF, 0x00}:  # filling
            place += 1 if marker == 0xFF else 2
            continue
        length = 0 if marker in BARE else int.from_bytes(content[place + 2 : place + 4])
        end = place + 2 + length
        if end > len(content) or (length < 2 and marker not in BARE):
            raise damaged(f"a segment of {length} bytes at byte {place}")
        yield marker, place, end
        place = end


def check_scans(content: bytes, start: int) -> None:
    """Raise UnreadableImage when an image has more passes than any camera or program writes."""
    scans = content.count(bytes([0xFF, START_OF_SCAN]), start)
    if scans > MAX_SCANS:
        raise UnreadableImage(
            f"the JPEG has {scans} scans, the limit is {MAX_SCANS}.", "Save it again."
        )


def exif_orientation(exif: bytes) -> int:
    """Return the orientation 1–8 that the first directory of TIFF-like `exif` names; 1 without."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 10:
        return UPRIGHT
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    if directory + 2 > len(exif):
        return UPRIGHT
    (n,) = struct.unpack_from(order + "H", exif, directory)
    for place in range(directory + 2, min(directory + 2 + 12 * n, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, place)
        if tag == ORIENTATION and kind == 3:
            return int(value) if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT
