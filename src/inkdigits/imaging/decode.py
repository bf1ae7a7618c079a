"""Decode: an untrusted source becomes an upright grey page.

Pillow does nothing here but decode, and only the formats named in `FORMATS`. The size is read from
the header and checked before any pixel is decoded.
"""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from inkdigits.errors import UnreadableImage

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
HINT = f"Give an image in one of these formats: {', '.join(FORMATS)}."

Grey: TypeAlias = NDArray[np.uint8]
Source: TypeAlias = str | Path | bytes | Image.Image | NDArray[Any]

EXIF_ORIENTATION = 0x0112
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
_opening = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """How much an image may ask for: encoded bytes, pixels in all, pixels along one side."""

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side: int = 20_000


DEFAULT_LIMITS = Limits()


def decode(source: Source, limits: Limits = DEFAULT_LIMITS) -> Grey:
    """Return `source` as an upright grey page: uint8 (H, W), 0 = black, 255 = white.

    `source` is a path, the bytes of an image file, a Pillow image, or an array: bool, uint8, uint16
    or float 0–1, of shape (H, W), (H, W, 3) RGB or (H, W, 4) RGBA. EXIF orientation is applied;
    transparency is laid on the ground that lets the ink be seen; of several frames or pages the
    first is taken. Raises UnreadableImage when there is no such image or it exceeds `limits`.
    """
    if isinstance(source, np.ndarray):
        return decode_array(source, limits)
    if isinstance(source, Image.Image):
        return decode_image(source, limits)
    if isinstance(source, bytes):
        return decode_bytes(source, limits)
    if isinstance(source, str | Path):
        return decode_bytes(read_source(Path(source), limits), limits)
    raise UnreadableImage(
        f"an image must be a path, bytes, a Pillow image or an array, got {type(source).__name__}."
    )


def read_source(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the bytes of the file at `path`, reading no more than the limit allows."""
    try:
        with path.open("rb") as file:
            content = file.read(limits.max_bytes + 1)
    except FileNotFoundError as error:
        raise UnreadableImage(f"no such file: {str(path)!r}.", "Check the path.") from error
    except IsADirectoryError as error:
        raise UnreadableImage(
            f"{str(path)!r} is a folder, not an image.", f"Name its images, as in {path}/*.png."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise UnreadableImage(f"cannot open {str(path)!r}: {reason}.") from error
    return content


def decode_bytes(content: bytes, limits: Limits) -> Grey:
    """Decode the bytes of an image file; see `decode`."""
    if not content:
        raise UnreadableImage("the image is empty (0 bytes).", HINT)
    if len(content) > limits.max_bytes:
        raise UnreadableImage(
            f"the image has more than {limits.max_bytes} bytes, the limit.",
            "Save it smaller or compressed.",
        )
    with open_header(content, limits) as image:
        return decode_image(image, limits)


def open_header(content: bytes, limits: Limits) -> Image.Image:
    """Open an image without decoding its pixels; raises UnreadableImage."""
    try:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadableImage(
            f"the image has more than {limits.max_pixels} pixels, the limit.", "Scale it down."
        ) from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(
            f"the bytes are no image in a known format (they begin {content[:8]!r}).", HINT
        ) from error
    except Exception as error:
        raise damaged(error) from error


def decode_image(image: Image.Image, limits: Limits) -> Grey:
    """Decode a Pillow image, opened or in memory; see `decode`."""
    check_size(image.width, image.height, limits)
    try:
        image.load()
        grey = to_grey(upright(image))
    except Exception as error:
        raise damaged(error) from error
    return np.ascontiguousarray(grey)


def damaged(error: Exception) -> UnreadableImage:
    """Return the UnreadableImage for whatever a decoder raised."""
    reason = str(error) or type(error).__name__
    return UnreadableImage(
        f"the image is damaged or truncated: {reason[:120]}.", "Save or send it again."
    )


def check_size(width: int, height: int, limits: Limits) -> None:
    """Raise UnreadableImage when a page of `width` × `height` pixels is empty or too large."""
    if width < 1 or height < 1:
        raise UnreadableImage(f"the image has no pixels: {width} × {height}.")
    if max(width, height) > limits.max_side:
        raise UnreadableImage(
            f"the image is {width} × {height}, the limit is {limits.max_side} pixels a side.",
            "Scale it down.",
        )
    if width * height > limits.max_pixels:
        raise UnreadableImage(
            f"the image is {width} × {height}, the limit is {limits.max_pixels} pixels.",
            "Scale it down.",
        )


def upright(image: Image.Image) -> Image.Image:
    """Return `image` turned as its EXIF orientation asks."""
    try:
        turn = UPRIGHT.get(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - torn EXIF raises anything, and the pixels are still good
        return image
    return image if turn is None else image.transpose(turn)


def to_grey(image: Image.Image) -> Grey:
    """Return the pixels of a loaded image of any mode as uint8 (H, W)."""
    if image.mode.startswith(("I", "F")):
        return deep_to_grey(np.asarray(image), sixteen_bit=image.mode.startswith("I;16"))
    if image.has_transparency_data:
        return composite(np.asarray(image.convert("RGBA")))
    if image.mode == "LAB":
        return np.asarray(image.getchannel("L"))
    if image.mode not in {"1", "L", "RGB", "P"}:
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def deep_to_grey(pixels: NDArray[Any], *, sixteen_bit: bool) -> Grey:
    """Return deep pixels as uint8: 16 bit by its full range, others by the range they use."""
    if sixteen_bit:
        return (pixels.astype(np.uint16) >> 8).astype(np.uint8)
    values = np.nan_to_num(pixels.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 255 and not (pixels.dtype.kind == "f" and high <= 1):
        return np.rint(values).astype(np.uint8)
    low, high = min(low, 0.0), max(high, 1.0)
    return np.rint((values - low) / (high - low) * 255).astype(np.uint8)


def composite(rgba: NDArray[np.uint8]) -> Grey:
    """Lay uint8 (H, W, 4) on the ground that lets the ink be seen, as uint8 (H, W).

    Where most of the image is opaque, that part is the page, and its median continues it. Else the
    opaque part is the ink, and the ground is white or black, whichever lies further from it.
    """
    grey = np.asarray(Image.fromarray(rgba[..., :3]).convert("L"))
    opacity = rgba[..., 3].astype(np.float32) / 255
    if not opacity.any():
        return np.full(grey.shape, 255, np.uint8)
    if opacity.mean() > 0.6:
        ground = float(np.median(grey[opacity > 0.5]))
    else:
        ground = 255.0 if float(np.average(grey, weights=opacity)) < 128 else 0.0
    blended: Grey = np.rint(grey * opacity + ground * (1 - opacity)).astype(np.uint8)
    return blended


def decode_array(pixels: NDArray[Any], limits: Limits) -> Grey:
    """Decode an array of pixels; see `decode`."""
    if pixels.ndim not in {2, 3} or (pixels.ndim == 3 and pixels.shape[2] not in {3, 4}):
        raise UnreadableImage(
            f"an array must be (H, W), (H, W, 3) or (H, W, 4), got {pixels.shape}."
        )
    check_size(pixels.shape[1], pixels.shape[0], limits)
    values = to_uint8(pixels)
    if values.ndim == 2:
        return np.ascontiguousarray(values)
    if values.shape[2] == 4 and values[..., 3].min() < 255:
        return composite(values)
    return np.asarray(Image.fromarray(np.ascontiguousarray(values[..., :3])).convert("L"))


def to_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return bool, uint8, uint16 or float 0–1 pixels as uint8 of the same shape."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    if pixels.dtype.kind != "f":
        raise UnreadableImage(
            f"an array must be bool, uint8, uint16 or float 0–1, got {pixels.dtype}."
        )
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 1):  # also where a value is not a number
        raise UnreadableImage(
            f"a float array must hold values 0–1, got {low:g} to {high:g}.",
            "Divide by 255, or pass uint8.",
        )
    return np.asarray(np.rint(pixels * 255), np.uint8)
