"""Every kind of pixel that a file may hold, and pages of TIFFs."""

from __future__ import annotations

import io
import struct
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageMode

from inkdigits.errors import UnreadableImage, UsageError
from inkdigits.imaging.decode import Limits, Page, decode, decode_pages

PAGE = np.full((40, 60), 230, np.uint8)
PAGE[8:30, 20:26] = 20


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def shows_the_page(grey: np.ndarray, within: int = 3) -> bool:
    return grey.shape == PAGE.shape and np.abs(grey.astype(int) - PAGE).max() <= within


GREY = Image.fromarray(PAGE)
COLOUR = GREY.convert("RGB")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "RGB", "RGBA", "RGBa", "CMYK", "LAB"])
def test_modes_in_memory(mode: str) -> None:
    assert ImageMode.getmode(mode)
    over = {"La": "LA", "RGBa": "RGBA", "LAB": "RGB"}.get(mode, mode)
    image = GREY.convert(over)
    if mode == "LAB":
        image = Image.merge("LAB", [GREY, GREY.point(lambda _: 128), GREY.point(lambda _: 128)])
    elif mode != over:
        image = image.convert(mode)
    grey = decode(image)
    assert grey[20, 23] < 60
    assert grey[0, 0] > 200


@pytest.mark.parametrize(
    "content",
    [
        encoded(COLOUR.convert("CMYK"), "JPEG", quality=95),
        encoded(COLOUR.convert("CMYK"), "TIFF"),
        encoded(COLOUR, "JPEG", quality=95, progressive=True),
        encoded(COLOUR, "JPEG", quality=95, subsampling=0),
        encoded(COLOUR, "JPEG", quality=95, keep_rgb=True),
        encoded(GREY, "JPEG", quality=95),
        encoded(COLOUR, "WEBP", quality=95),
        encoded(COLOUR, "WEBP", lossless=True),
        encoded(GREY.convert("LA"), "PNG"),
        encoded(GREY.convert("P"), "PNG", transparency=7),
        encoded(GREY.convert("P"), "GIF", interlace=1),
        encoded(GREY.convert("P"), "BMP"),
        encoded(COLOUR, "TIFF", compression="tiff_lzw"),
        encoded(COLOUR, "TIFF", compression="tiff_adobe_deflate"),
        encoded(COLOUR, "TIFF", compression="packbits"),
        encoded(COLOUR, "TIFF", compression="jpeg", quality=95),
        encoded(COLOUR, "TIFF", big_tiff=True),
    ],
    ids=lambda content: content[:4].hex(),
)
def test_files_of_every_kind_show_the_page(content: bytes) -> None:
    assert shows_the_page(decode(content), within=12)


def test_two_levels() -> None:
    for kind, options in (("PNG", {}), ("BMP", {}), ("TIFF", {"compression": "group4"})):
        grey = decode(encoded(GREY.convert("1"), kind, **options))
        assert (grey[20, 23], grey[0, 0]) == (0, 255)


def test_an_interlaced_png_shows_the_page() -> None:
    cv2 = pytest.importorskip("cv2")  # Pillow writes none
    _, packed = cv2.imencode(".png", PAGE)
    assert shows_the_page(decode(packed.tobytes()))
    assert shows_the_page(decode(interlaced()))


def interlaced() -> bytes:
    """PAGE as an Adam7 PNG."""
    import zlib

    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1))  # fmt: skip
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, right in starts
        for row in PAGE[top::down, left::right]
    )
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 60, 40, 8, 0, 0, 0, 1)),
              (b"IDAT", zlib.compress(rows)), (b"IEND", b""))  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.mark.parametrize(("bits", "kind"), [(16, "PNG"), (16, "TIFF"), (12, "TIFF"), (10, "PNG")])
def test_deep_pixels_keep_their_light(bits: int, kind: str) -> None:
    deep = (PAGE / 255 * (2**bits - 1)).astype(np.uint16)
    deep[0, 0] = 2**bits - 1
    grey = decode(encoded(Image.fromarray(deep), kind))
    grey[0, 0] = PAGE[0, 0]
    assert shows_the_page(grey)


@pytest.mark.parametrize("top", [1.0, 255.0, 4000.0])
def test_real_pixels_are_scaled_by_what_they_use(top: float) -> None:
    values = (PAGE / 255 * top).astype(np.float32)
    values[0, 0], values[0, 1], values[0, 2] = top, np.nan, np.inf
    grey = decode(encoded(Image.fromarray(values), "TIFF"))
    assert (grey[0, 0], grey[0, 1], grey[0, 2]) == (255, 0, 0)
    grey[0, :3] = PAGE[0, 0]
    assert shows_the_page(grey)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_in_every_format(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(COLOUR, kind, exif=exif.tobytes())
    turned = {
        1: PAGE, 2: PAGE[:, ::-1], 3: PAGE[::-1, ::-1], 4: PAGE[::-1], 5: PAGE.T,
        6: np.rot90(PAGE, -1), 7: PAGE[::-1, ::-1].T, 8: np.rot90(PAGE),
    }[orientation]  # fmt: skip
    np.testing.assert_allclose(decode(content), turned, atol=40)


def test_a_stream_and_other_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(GREY)
    for source in (io.BytesIO(content), bytearray(content), memoryview(content)):
        assert shows_the_page(decode(source))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert shows_the_page(decode(sys.stdin.buffer))
    with pytest.raises(UnreadableImage, match="got StringIO"):
        decode(io.StringIO("text"))
    with pytest.raises(UnreadableImage, match="more than 50 bytes"):
        decode(io.BytesIO(content), Limits(max_bytes=50))


def test_the_format_is_told_by_content_not_by_name(tmp_path) -> None:
    (tmp_path / "x.jpg").write_bytes(encoded(GREY, "TIFF"))
    assert shows_the_page(decode(tmp_path / "x.jpg"))


def many_pages(n: int, **options: object) -> bytes:
    frames = [Image.fromarray(np.full((40, 60 + index), index, np.uint8)) for index in range(n)]
    return encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:], **options)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_tiff_has_its_pages(compression: str | None) -> None:
    pages = list(decode_pages(many_pages(5, compression=compression, dpi=(300, 300))))
    assert [page.number for page in pages] == [1, 2, 3, 4, 5]
    assert [(page.grey.shape, page.grey[0, 0]) for page in pages] == [
        ((40, 60 + index), index) for index in range(5)
    ]
    assert pages[0].dpi == 300


def test_everything_else_is_one_page() -> None:
    gif = encoded(GREY, "GIF", save_all=True, append_images=[Image.fromarray(255 - PAGE)])
    for source in (gif, PAGE, GREY, encoded(GREY, "PNG", dpi=(150, 150))):
        (page,) = decode_pages(source)
        assert isinstance(page, Page)
        assert page.number == 1
        assert shows_the_page(page.grey)
    assert page.dpi == pytest.approx(150, abs=0.1)


def test_a_thumbnail_is_no_page() -> None:
    content = bytearray(many_pages(2))
    (directory,) = struct.unpack_from("<I", content, 4)
    (n,) = struct.unpack_from("<H", content, directory)
    (second,) = struct.unpack_from("<I", content, directory + 2 + 12 * n)
    # The second page's first tag, its width, makes room for "reduced image"; the width is doubled.
    assert struct.unpack_from("<H", content, second + 2)[0] == 256
    assert [page.number for page in decode_pages(bytes(content))] == [1, 2]
    struct.pack_into("<HHII", content, second + 2, 254, 4, 1, 1)
    with pytest.raises(UnreadableImage):
        list(decode_pages(bytes(content)))  # what is left of it has no width


def test_limits_on_pages_of_a_tiff() -> None:
    content = many_pages(5)
    assert decode(content, Limits(max_pages=2)).shape == (40, 60)
    with pytest.raises(UnreadableImage, match=r"3 pages or more, the limit is 2 pages\. Split it"):
        next(decode_pages(content, Limits(max_pages=2)))
    pages = decode_pages(content, Limits(max_total_pixels=5000))
    assert [next(pages).number, next(pages).number] == [1, 2]
    with pytest.raises(UnreadableImage, match="page 3"):
        next(pages)


def test_no_time_left() -> None:
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        with pytest.raises(UnreadableImage, match=r"more than 0 seconds, the limit\. Save"):
            decode(encoded(GREY, kind), Limits(max_seconds=0))


def test_threads_decode_torn_and_whole_files_side_by_side() -> None:
    whole = [encoded(GREY, kind) for kind in ("PNG", "BMP", "TIFF", "GIF")]
    jobs = [content[: len(content) - cut] for content in whole for cut in (0, 60)] * 25

    def one(content: bytes) -> bool:
        try:
            return shows_the_page(decode(content))
        except UnreadableImage:
            return False

    with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("error")
        assert list(pool.map(one, jobs)) == [True, False] * (len(jobs) // 2)


def test_dpi_out_of_range_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="50–1200, got 9"):
        next(decode_pages(PAGE, dpi=9))
