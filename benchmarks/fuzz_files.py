"""Valid image files of all formats, and what becomes of them when they are mutated by seed."""

from __future__ import annotations

import io
import random
import re
import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

EXTREMES = (0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Mutation = Callable[[random.Random, bytes, dict[str, bytes]], bytes]


def valid_files() -> dict[str, bytes]:
    """Return small files of every format and of most kinds of each, by name (`PNG LA`)."""
    grey = drawn()
    colour = grey.convert("RGB")
    alpha = colour.copy()
    alpha.putalpha(grey.point(lambda value: 255 - value // 2))
    exif = Image.Exif()
    exif[0x0112] = 6
    pages = {"save_all": True, "append_images": [grey, colour]}
    # Pillow would write the time of day into a PDF, and a seed would not give the same files.
    dated = {"creationDate": time.gmtime(0), "modDate": time.gmtime(0)}
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    real = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    made: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("PNG L", grey, {"exif": exif}),
        ("PNG 1", grey.convert("1"), {}),
        ("PNG LA", grey.convert("LA"), {}),
        ("PNG P", colour.convert("P"), {"transparency": 3}),
        ("PNG RGBA", alpha, {"dpi": (200, 200)}),
        ("PNG I;16", deep, {}),
        ("PNG animated", grey, {"save_all": True, "append_images": [grey.rotate(9)]}),
        ("JPEG L", grey, {}),
        ("JPEG RGB", colour, {"exif": exif, "dpi": (300, 300)}),
        ("JPEG progressive", colour, {"progressive": True}),
        ("JPEG CMYK", colour.convert("CMYK"), {}),
        ("BMP L", grey, {}),
        ("BMP 1", grey.convert("1"), {}),
        ("BMP RGB", colour, {}),
        ("GIF P", grey.convert("P"), {}),
        ("GIF animated", grey, {"save_all": True, "append_images": [grey.rotate(9)]}),
        ("TIFF L", grey, {"exif": exif}),
        ("TIFF lzw", colour, {"compression": "tiff_lzw", **pages}),
        ("TIFF deflate", alpha, {"compression": "tiff_adobe_deflate"}),
        ("TIFF group4", grey.convert("1"), {"compression": "group4"}),
        ("TIFF jpeg", colour, {"compression": "jpeg"}),
        ("TIFF packbits", grey, {"compression": "packbits"}),
        ("TIFF I;16", deep, {}),
        ("TIFF F", real, {}),
        ("TIFF big", grey, {"big_tiff": True}),
        ("WEBP lossy", colour, {"exif": exif}),
        ("WEBP lossless", alpha, {"lossless": True}),
        ("WEBP animated", colour, pages),
        ("PDF jpeg", colour, {**pages, **dated}),
        ("PDF group4", grey.convert("1"), dated),
    ]
    return {name: encoded(image, name.split()[0], options) for name, image, options in made}


def drawn() -> Image.Image:
    """Return a grey page of 90 × 70 with a number on it."""
    image = Image.new("L", (90, 70), 225)
    pen = ImageDraw.Draw(image)
    pen.line([(20, 15), (20, 55)], fill=40, width=5)
    pen.ellipse([40, 15, 70, 55], outline=40, width=5)
    return image


def encoded(image: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    """Return `image` as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def mutated(seed: int, index: int, files: dict[str, bytes]) -> tuple[str, bytes]:
    """Return the name and the content of mutated file `index`: the same for the same numbers."""
    rng = random.Random(f"{seed}/{index}")
    # By format first: a format of many kinds gets no larger share.
    kind = rng.choice(sorted({name.split()[0] for name in files}))
    name = rng.choice(sorted(name for name in files if name.split()[0] == kind))
    content = files[name]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(MUTATIONS)(rng, content, files)
    if kind == "PNG" and rng.random() < 0.7:
        content = with_checksums(content)
    return name, content


def flip_bits(rng: random.Random, content: bytes, _files: dict[str, bytes]) -> bytes:
    """Flip up to 32 bits anywhere."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 32) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(rng: random.Random, content: bytes, _files: dict[str, bytes]) -> bytes:
    """Cut the end off."""
    return content[: rng.randint(0, len(content))]


def splice(rng: random.Random, content: bytes, files: dict[str, bytes]) -> bytes:
    """Continue with the rest of another file."""
    other = rng.choice(list(files.values()))
    return content[: rng.randint(0, len(content))] + other[rng.randint(0, len(other)) :]


def extreme_number(rng: random.Random, content: bytes, _files: dict[str, bytes]) -> bytes:
    """Write a number at the edge of its range, more often into the header than elsewhere."""
    code = rng.choice(["<B", "<H", ">H", "<I", ">I"])
    size = struct.calcsize(code)
    if len(content) < size:
        return content
    last = len(content) - size
    place = rng.randint(0, min(last, rng.choice((64, 400, last))))
    value = rng.choice(EXTREMES) & (256**size - 1)
    return content[:place] + struct.pack(code, value) + content[place + size :]


def repeat_part(rng: random.Random, content: bytes, _files: dict[str, bytes]) -> bytes:
    """Copy a part of the file, a chunk say, to another place, up to 200 times."""
    start = rng.randint(0, len(content))
    part = content[start : start + rng.randint(1, 300)]
    place = rng.randint(0, len(content))
    return content[:place] + part * rng.choice((1, 1, 2, 200)) + content[place:]


def drop_part(rng: random.Random, content: bytes, _files: dict[str, bytes]) -> bytes:
    """Take a part out of the middle."""
    start = rng.randint(0, len(content))
    return content[:start] + content[start + rng.randint(1, 100) :]


def fill_part(rng: random.Random, content: bytes, _files: dict[str, bytes]) -> bytes:
    """Overwrite a part by noise or by one value."""
    start, size = rng.randint(0, len(content)), rng.randint(1, 200)
    part = rng.randbytes(size) if rng.random() < 0.5 else bytes([rng.choice((0, 255))]) * size
    return content[:start] + part + content[start + size :]


def swap_format(rng: random.Random, content: bytes, files: dict[str, bytes]) -> bytes:
    """Begin as a file of another format does."""
    other = rng.choice(list(files.values()))
    size = rng.choice((4, 8, 12, 32))
    return other[:size] + content[size:]


def change_number(rng: random.Random, content: bytes, files: dict[str, bytes]) -> bytes:
    """Replace a number written in digits, which only PDF has; else flip bits."""
    numbers = list(re.finditer(rb"\d+", content))
    if not content.startswith(b"%PDF") or not numbers:
        return flip_bits(rng, content, files)
    found = rng.choice(numbers)
    value = b"%d" % rng.choice((-1, *EXTREMES, 10**12, rng.randint(0, 40)))
    return content[: found.start()] + value + content[found.end() :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, truncate, splice, extreme_number, extreme_number, repeat_part, drop_part, fill_part,
    swap_format, change_number,
)  # fmt: skip


def with_checksums(content: bytes) -> bytes:
    """Return a PNG with right checksums, so that its decoder looks beyond them."""
    if not content.startswith(PNG_SIGNATURE):
        return content
    parts, place = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4])
        if end + 4 > len(content):
            break
        checksum = struct.pack(">I", zlib.crc32(content[place + 4 : end]))
        parts += [content[place:end], checksum]
        place = end + 4
    return b"".join([*parts, content[place:]])
