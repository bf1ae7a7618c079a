"""Files that are small on disk and huge when decoded end as an error, in a small process.

Each is decoded in a process of its own, which tells its peak of memory afterwards.
"""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path

import pytest
from pdfs import A_LINE, pdf, stream
from PIL import Image

PROBE = """
import json, resource, sys
from pathlib import Path
from inkdigits.errors import UnreadableImage
from inkdigits.imaging.decode import decode_pages
try:
    said = f"{sum(1 for _ in decode_pages(Path(sys.argv[1])))} pages"
except UnreadableImage as error:
    said = str(error)
# Not ru_maxrss of its own: that begins with what the process had that started it.
status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
own = int(status.split()[0]) >> 10
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
print(json.dumps({"said": said, "own": own, "children": children}))
"""
MB = 1 << 20


def probed(path: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {sys.path!r}\n{PROBE}", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Megabytes of a process that has decoded nothing to speak of."""
    path = tmp_path_factory.mktemp("idle") / "small.png"
    path.write_bytes(encoded(Image.new("L", (9, 9))))
    return probed(path)["own"]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def deflated(n_bytes: int, what: bytes = b"\0") -> bytes:
    packer = zlib.compressobj(6)
    part = what * (MB // len(what))
    return b"".join(packer.compress(part) for _ in range(n_bytes // len(part))) + packer.flush()


def png(width: int, height: int, *between: tuple[bytes, bytes], data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), *between, (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def tiff(entries: list[tuple[int, int, int, int]], tail: bytes = b"") -> bytes:
    """A TIFF of one directory: tag, type, count and value (or its place) of each entry."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + b"\0\0\0\0" + tail


def grey_tiff(width: int, height: int, **changes: tuple[int, int, int]) -> list:
    named = {
        "width": (256, 4, 1, width), "height": (257, 4, 1, height), "bits": (258, 3, 1, 8),
        "compression": (259, 3, 1, 1), "photometric": (262, 3, 1, 1), "places": (273, 4, 1, 122),
        "samples": (277, 3, 1, 1), "rows": (278, 4, 1, height), "lengths": (279, 4, 1, 100),
    }  # fmt: skip
    return [(tag, *changes.get(name, rest)) for name, (tag, *rest) in named.items()]


def jpeg_with(segment: bytes, times: int = 1) -> bytes:
    plain = encoded(Image.new("L", (64, 64), 255), "JPEG")
    return plain[:2] + segment * times + plain[2:]


def exif_bomb() -> bytes:
    """A directory whose 5,000 entries all name the same 60 kB."""
    entries = b"".join(struct.pack("<HHII", tag, 7, 60_000, 8) for tag in range(30_000, 35_000))
    body = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entries
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def many_scans() -> bytes:
    plain = encoded(Image.new("L", (1000, 1000), 255), "JPEG", progressive=True)
    end = plain.rindex(b"\xff\xda")
    return plain[:end] + plain[end:-2] * 2000 + b"\xff\xd9"


def gif(width: int, height: int) -> bytes:
    plain = bytearray(encoded(Image.new("L", (8, 8)), "GIF"))
    struct.pack_into("<HH", plain, 6, width, height)
    return bytes(plain)


def long_gif() -> bytes:
    plain = gif(8, 8)
    first = plain.index(b"\x2c")
    return plain[:first] + b"\x21\xfe\x01A\0" * 500_000 + plain[first:]


def webp(width: int, height: int) -> bytes:
    plain = encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "WEBP", exif=b"Exif\0\0II*\0")
    assert plain[12:16] == b"VP8X"
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return plain[:24] + size + plain[30:]


def bmp(width: int, height: int) -> bytes:
    plain = bytearray(encoded(Image.new("L", (8, 8)), "BMP"))
    struct.pack_into("<ii", plain, 18, width, height)
    return bytes(plain)


TEXT = b"note\0\0" + deflated(64 * MB)
TAGS = grey_tiff(60, 40)
# The file, what is said of it, and how many megabytes more than the idle process it may take.
BOMBS = {
    "png, huge": (png(19_000, 19_000, data=deflated(100 * MB)), "the limit", 20),
    "png, too much data": (png(60, 40, data=deflated(100 * MB)), "1 pages", 20),
    "png, text": (png(60, 40, (b"zTXt", TEXT), data=deflated(MB)), "", 30),
    "png, many texts": (png(60, 40, *[(b"zTXt", TEXT)] * 100, data=deflated(MB)), "", 150),
    "png, profile": (png(60, 40, (b"iCCP", TEXT), data=deflated(MB)), "", 30),
    "png, many chunks": (
        png(60, 40, *[(b"abCd", b"")] * 100_000, data=deflated(MB)), "thousands of parts", 30,
    ),
    "gif, many parts": (long_gif(), "thousands of parts", 30),
    "jpeg, huge": (jpeg_with(b"").replace(b"\0\x40\0\x40", b"\xff\xdc\xff\xdc"), "the limit", 20),
    "jpeg, exif": (jpeg_with(exif_bomb()), "1 pages", 20),
    "jpeg, much exif": (jpeg_with(exif_bomb(), 100), "1 pages", 60),
    "jpeg, scans": (many_scans(), "the limit is 64", 60),
    "gif, huge": (gif(65_000, 65_000), "the limit", 20),
    "webp, huge": (webp(1 << 24, 1 << 24), "the limit", 20),
    "webp, large": (webp(13_000, 13_000), "the limit", 20),
    "bmp, huge": (bmp(1 << 30, 1 << 30), "the limit", 20),
    "tiff, huge": (tiff(grey_tiff(1 << 31, 1 << 31)), "the limit", 20),
    "tiff, tiles": (tiff([*TAGS, (322, 4, 1, 1 << 20), (323, 4, 1, 1 << 20)]), "tiles", 20),
    "tiff, samples": (tiff(grey_tiff(60, 40, samples=(3, 1, 60_000))), "samples", 20),
    "tiff, far": (b"II+\0\x08\0\0\0" + b"\xff" * 60, "beyond the end of the file", 20),
    "tiff, lzma": (tiff(grey_tiff(60, 40, compression=(3, 1, 34925))), "method 34925", 20),
    "tiff, tags": (
        tiff([*TAGS, *[(tag, 7, 4 * MB, 0) for tag in range(40_000, 40_400)]], bytes(4 * MB)),
        "more bytes than the file",
        30,
    ),
    "tiff, lengths": (
        tiff(grey_tiff(60, 40, rows=(4, 1, 1), lengths=(4, 40, 500)), b"\xff\xff\xff\x0f" * 200),
        "longer than the file",
        20,
    ),
    "tiff, deflate": (
        tiff(
            grey_tiff(60, 40, compression=(3, 1, 8), lengths=(4, 1, 100_000)), deflated(100 * MB)
        ),
        "",
        20,
    ),
    "tiff, loop": (
        tiff(TAGS).replace(b"\0\0\0\0", b"\x08\0\0\0") + bytes(4000), "", 20,
    ),
    "pdf, box": (pdf(box=b"0 0 1000000000 1000000000"), "too large", 20),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_little_memory(name: str, idle: int, tmp_path: Path) -> None:
    content, message, megabytes = BOMBS[name]
    assert len(content) < 16 * MB
    (tmp_path / "bomb").write_bytes(content)
    answer = probed(tmp_path / "bomb")
    assert message in answer["said"]
    assert answer["own"] <= idle + megabytes + 2 * len(content) // MB


def test_a_pdf_unpacks_to_no_more_than_the_memory_of_its_process(tmp_path: Path, idle: int) -> None:
    twice = zlib.compress(deflated(1200 * MB, A_LINE + b" " * 11))
    assert len(twice) < MB
    drawing = stream(twice, b"/Filter[/FlateDecode/FlateDecode]")
    (tmp_path / "bomb.pdf").write_bytes(pdf(drawing))
    answer = probed(tmp_path / "bomb.pdf")
    assert "page 1 of the PDF cannot be rendered" in answer["said"]
    assert answer["own"] <= idle + 20
    assert answer["children"] <= 1100


def test_the_largest_image_allowed_takes_less_than_a_gigabyte(tmp_path: Path, idle: int) -> None:
    image = Image.new("RGBA", (7000, 7000), (255, 255, 255, 128))
    for kind, options in (("PNG", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {})):
        (tmp_path / kind).write_bytes(encoded(image, kind, **options))
        answer = probed(tmp_path / kind)
        assert answer["said"] == "1 pages"
        assert answer["own"] <= 1000, kind
