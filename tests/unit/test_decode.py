from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inkdigits.errors import UnreadableImage
from inkdigits.imaging.decode import FORMATS, Limits, decode


def page(height: int = 40, width: int = 60) -> np.ndarray:
    grey = np.full((height, width), 230, np.uint8)
    grey[10:30, 20:26] = 20
    return grey


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


PNG = encoded(Image.fromarray(page()))
JPEG = encoded(Image.fromarray(page()), "JPEG")
TIFF = encoded(Image.fromarray(page()), "TIFF", compression="tiff_lzw")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_page(kind: str) -> None:
    grey = decode(encoded(Image.fromarray(page()), kind))
    assert grey.dtype == np.uint8
    assert grey.shape == (40, 60)
    assert np.abs(grey.astype(int) - page()).mean() < 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"])
def test_every_mode_of_a_pillow_image(mode: str) -> None:
    grey = decode(Image.fromarray(page()).convert(mode))
    assert grey.shape == (40, 60)
    assert grey[20, 23] < 60
    assert grey[0, 0] > 200


def test_path_bytes_image_and_array_agree(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(PNG)
    for source in (tmp_path / "x.png", str(tmp_path / "x.png"), PNG, Image.open(io.BytesIO(PNG))):
        np.testing.assert_array_equal(decode(source), page())


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_arrays(dtype: str, channels: int | None) -> None:
    top = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    pixels = (page() / 255 * top).astype(dtype)
    if channels:
        pixels = np.repeat(pixels[..., None], channels, axis=2)
        pixels[..., 3:] = top
    assert np.abs(decode(pixels).astype(int) - page()).max() <= 1


def test_bool_array() -> None:
    np.testing.assert_array_equal(decode(page() > 100), np.where(page() > 100, 255, 0))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((0, 4), np.uint8), "no pixels: 4 × 0"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.full((4, 4), 7.0), "0–1, got 7 to 7"),
        (np.full((4, 4), np.nan), "got nan"),
    ],
)
def test_unusable_arrays_are_echoed(pixels: np.ndarray, message: str) -> None:
    with pytest.raises(UnreadableImage, match=message):
        decode(pixels)


def test_other_types_are_refused() -> None:
    with pytest.raises(UnreadableImage, match="got int"):
        decode(7)  # type: ignore[arg-type]


def test_sixteen_bit_png_keeps_its_light() -> None:
    deep = Image.fromarray(page().astype(np.uint16) * 257)
    assert np.abs(decode(encoded(deep)).astype(int) - page()).max() <= 1


@pytest.mark.parametrize(("ink", "ground"), [(0, 255), (255, 0)])
def test_transparent_ground_contrasts_with_the_ink(ink: int, ground: int) -> None:
    rgba = np.zeros((40, 60, 4), np.uint8)
    rgba[10:30, 20:26] = (ink, ink, ink, 255)
    grey = decode(encoded(Image.fromarray(rgba)))
    assert (grey[20, 23], grey[0, 0]) == (ink, ground)


def test_transparent_corners_continue_the_page() -> None:
    rgba = np.dstack([page(), page(), page(), np.full((40, 60), 255, np.uint8)])
    rgba[:6, :6] = 0
    assert decode(rgba)[0, 0] == 230


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = decode(encoded(Image.fromarray(page()), "PNG", exif=exif))
    np.testing.assert_array_equal(grey, np.rot90(page(), -1))


def test_the_first_frame_is_taken() -> None:
    frames = [Image.fromarray(page()), Image.fromarray(255 - page())]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(content)[0, 0] > 200


def test_missing_file_and_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"no such file: .*gone\.png"):
        decode(tmp_path / "gone.png")
    with pytest.raises(UnreadableImage, match="folder"):
        decode(tmp_path)
    with pytest.raises(UnreadableImage, match="cannot open"):
        decode("a\0b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\x00" * 40, "known format.*PNG, JPEG"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 20, "HEIC.*Save it as JPEG"),
        (b"BM", r"damaged or truncated: cannot identify image file\. Save"),
        (JPEG[:120], "damaged or truncated: a segment of"),
        (PNG[: len(PNG) // 2], "damaged or truncated"),
        (JPEG[: len(JPEG) // 2], "damaged or truncated"),
    ],
)
def test_unusable_bytes(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableImage, match=message) as caught:
        decode(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_bytes=50), "50 bytes"),
        (Limits(max_pixels=2000), "60 × 40.*2000 pixels"),
        (Limits(max_side=50), "60 × 40.*50 pixels a side"),
    ],
)
def test_limits(limits: Limits, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(PNG)
    with pytest.raises(UnreadableImage, match=message):
        decode(PNG, limits)
    with pytest.raises(UnreadableImage, match=message):
        decode(tmp_path / "x.png", limits)


@pytest.mark.parametrize("side", [10_000, 18_000])
def test_a_bomb_is_refused_from_its_header_without_a_warning(side: int) -> None:
    header = b"IHDR" + struct.pack(">II", side, side) + PNG[24:29]
    bomb = PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]
    with (
        warnings.catch_warnings(record=True) as seen,
        pytest.raises(UnreadableImage, match="the limit"),
    ):
        warnings.simplefilter("always")
        decode(bomb)
    assert not seen


def decode_or_refuse(content: bytes) -> None:
    try:
        assert decode(content, Limits(max_pixels=1_000_000)).dtype == np.uint8
    except UnreadableImage as error:
        assert "\n" not in str(error)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", PNG[:16], JPEG[:24], TIFF[:8], b"GIF89a"]))
def test_hostile_bytes_never_raise_anything_else(content: bytes, start: bytes) -> None:
    decode_or_refuse(start + content)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([PNG, JPEG, TIFF]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5),
    st.floats(0.1, 1),
)
def test_mutated_images_never_raise_anything_else(
    content: bytes, changes: list[tuple[float, int]], kept: float
) -> None:
    mutated = bytearray(content)
    for place, value in changes:
        mutated[int(place * len(mutated))] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of torn metadata; that is its right
        decode_or_refuse(bytes(mutated[: int(kept * len(mutated))]))
