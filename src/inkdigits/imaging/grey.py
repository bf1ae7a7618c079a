"""Grey: pixels of any kind become uint8 (H, W), 0 = black, 255 = white.

All passes go in bands of rows, so that a page needs a few bytes a pixel and not dozens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkdigits.errors import UnreadableImage
from inkdigits.imaging.arrays import Grey

BAND_PIXELS = 1 << 20
# Where this share of an image is opaque, that part is the page; else it is the ink.
MOSTLY_OPAQUE = 0.6
# Cameras and scanners keep 10 or 12 bits in 16 without scaling them.
DEPTHS = (10, 12, 16)


def image_to_grey(image: Image.Image) -> Grey:
    """Return the pixels of a loaded Pillow image of any mode as uint8 (H, W)."""
    if image.mode.startswith("I;16"):
        return sixteen_bit_to_grey(np.asarray(image))
    if image.mode in {"I", "F"}:
        return deep_to_grey(np.asarray(image))
    if image.mode == "La":  # the one mode that only becomes its like
        image = image.convert("LA")
    if image.has_transparency_data:
        return composite(image if image.mode in {"LA", "RGBA"} else image.convert("RGBA"))
    if image.mode == "LAB":
        return np.asarray(image.getchannel("L"))
    if image.mode not in {"1", "L", "RGB", "P"}:
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def bands(height: int, width: int) -> Iterator[slice]:
    """Yield the rows of a page band by band, about a million pixels each."""
    rows = max(1, BAND_PIXELS // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, top + rows)


def sixteen_bit_to_grey(pixels: NDArray[Any]) -> Grey:
    """Return 16-bit pixels (H, W) as uint8, by the 10, 12 or 16 bits that they use."""
    used = int(pixels.max()).bit_length()
    depth = next(depth for depth in DEPTHS if used <= depth)
    grey = np.empty(pixels.shape, np.uint8)
    for rows in bands(*pixels.shape):
        grey[rows] = pixels[rows].astype(np.uint16) >> (depth - 8)
    return grey


def deep_to_grey(pixels: NDArray[Any]) -> Grey:
    """Return 32-bit whole or real pixels (H, W) as uint8.

    Values 0–255 stay, real values 0–1 are multiplied by 255, any others are scaled by the range
    they use; what is no number or infinite is black.
    """
    parts = [finite(pixels[rows]) for rows in bands(*pixels.shape)]
    low = min(float(part.min()) for part in parts)
    high = max(float(part.max()) for part in parts)
    if not (low >= 0 and high <= 255 and (pixels.dtype.kind != "f" or high > 1)):
        low, high = min(low, 0.0), max(high, 1.0)
    else:
        low, high = 0.0, 255.0
    grey = np.empty(pixels.shape, np.uint8)
    for rows, part in zip(bands(*pixels.shape), parts, strict=True):
        grey[rows] = np.rint((part.astype(np.float64) - low) * (255 / (high - low)))
    return grey


def finite(values: NDArray[Any]) -> NDArray[Any]:
    """Return `values` with 0 for what is no number or infinite."""
    if values.dtype.kind != "f":
        return values
    return np.asarray(np.nan_to_num(values, posinf=0.0, neginf=0.0))


def composite(image: Image.Image) -> Grey:
    """Lay an LA or RGBA image on the ground that lets the ink be seen, as uint8 (H, W).

    Where most of the image is opaque, that part is the page, and its median continues it. Else the
    opaque part is the ink, and the ground is white or black, whichever lies further from it.
    """
    grey = np.asarray(image.convert("L"))
    alpha = np.asarray(image.getchannel("A"))
    if alpha.min() == 255:
        return grey
    ground = ground_of(grey, alpha)
    blended = np.empty(grey.shape, np.uint8)
    for rows in bands(*grey.shape):
        opaque = alpha[rows].astype(np.uint16)
        blended[rows] = (grey[rows] * opaque + ground * (255 - opaque) + 127) // 255
    return blended


def ground_of(grey: Grey, alpha: Grey) -> int:
    """Return the grey, 0–255, of the ground behind a page that is not opaque everywhere."""
    weight = ink = 0
    shades = np.zeros(256, np.int64)
    for rows in bands(*grey.shape):
        weight += int(alpha[rows].sum(dtype=np.int64))
        ink += int((grey[rows] * alpha[rows].astype(np.uint16)).sum(dtype=np.int64))
        shades += np.bincount(grey[rows][alpha[rows] > 127], minlength=256)
    if weight == 0:
        return 255
    if weight > MOSTLY_OPAQUE * 255 * alpha.size:
        return int(np.searchsorted(shades.cumsum(), shades.sum() / 2))
    return 255 if ink < 128 * weight else 0


def array_to_grey(pixels: NDArray[Any]) -> Grey:
    """Return an array (H, W), (H, W, 3) RGB or (H, W, 4) RGBA as uint8 (H, W)."""
    values = to_uint8(pixels)
    if values.ndim == 2:
        return np.ascontiguousarray(values)
    image = Image.fromarray(np.ascontiguousarray(values))
    return composite(image) if image.mode == "RGBA" else np.asarray(image.convert("L"))


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
