"""Fifteen MNIST-C-style corruptions of 28×28 digits: noise, blur, warps, light, lines, edges.

The kinds and their severities are those of MNIST-C (N. Mu, J. Gilmer, "MNIST-C: A robustness
benchmark for computer vision", arXiv 1906.02337, the defaults of its generator). The images are
not: this is our own implementation, so its figures do not compare with MNIST-C's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from inkdigits.data.dataset import IMAGE_SHAPE
from inkdigits.errors import InvalidData, UsageError

Images = NDArray[np.uint8]
Shares = NDArray[np.floating[Any]]  # images as shares of full ink, 0–1, (N, 28, 28)
Corruption = Callable[[Shares, Generator], Shares]

SIDE = IMAGE_SHAPE[0]
CENTRE = (SIDE - 1) / 2
MARGIN = 6  # around each image while all are filtered at once; more than any filter reaches

SHOTS = 3  # photons at full ink
IMPULSES = 0.17  # share of pixels that turn black or white
GLASS_SIGMA, GLASS_ROUNDS = 0.7, 2
MOTION_SIGMA, MOTION_REACH, MOTION_ANGLE = 3.0, 10, 45.0  # pixels, pixels, degrees
SHEAR = 0.4  # columns a row
SCALE = 0.7
ROTATION = 0.4  # radians
BRIGHTNESS = 0.5
SHIFT = 3  # pixels, in both directions
STRIPE = 7  # columns on either side that are inverted
FOG_DEPTH, FOG_DECAY = 3.0, 1.97  # weight against the ink; exponent of the fall with frequency
FOG_MAPS, FOG_SIDE = 64, 256
SPATTER_SIGMA, SPATTER_EDGE, SPATTER_FROM, SPATTER_INK = 1.0, 1.5, 0.8, 63 / 255
LINE_REACH = 2.3  # pixels; the ink of a line falls with the logarithm of the distance
ZIGZAG_HALF_WAVE, ZIGZAG_HEIGHT = 4, 2
CANNY_SIGMA, CANNY_LOW, CANNY_HIGH = 1.0, 25.5, 51.0


def corrupt(images: Images, name: str, seed: int = 0) -> Images:
    """Return `images` under the corruption `name`, the same for the same arguments.

    `images`: uint8 (N, 28, 28), 0 = background, ink bright; they stay as they are. `name`: a key
    of CORRUPTIONS; `seed`: 0 or more. Raises InvalidData for other images, UsageError for another
    name.
    """
    if name not in CORRUPTIONS:
        raise UsageError(f"there is no corruption {name!r}.", f"Use one of {', '.join(NAMES)}.")
    if images.dtype != np.uint8 or images.shape[1:] != IMAGE_SHAPE:
        raise InvalidData(f"images must be uint8 (N, 28, 28), got {images.dtype} {images.shape}.")
    if not len(images):
        return images.copy()
    # The name's place takes part, so that no two corruptions share their random numbers.
    rng = np.random.default_rng([seed, NAMES.index(name)])
    shares = CORRUPTIONS[name](images.astype(np.float32) / 255, rng)
    return np.asarray(np.rint(255 * shares.clip(0, 1)), np.uint8)


def shot_noise(images: Shares, rng: Generator) -> Shares:
    """Count photons, few of them: Poisson noise that grows with the ink."""
    return rng.poisson(SHOTS * images) / SHOTS


def impulse_noise(images: Shares, rng: Generator) -> Shares:
    """Replace pixels by black or white, at even odds (salt and pepper)."""
    drawn = rng.random(images.shape, np.float32)
    noisy = np.where(drawn < IMPULSES / 2, np.float32(0), images)
    return np.where(drawn > 1 - IMPULSES / 2, np.float32(1), noisy)


def glass_blur(images: Shares, rng: Generator) -> Shares:
    """Look through frosted glass: swap neighbours at random, with a blur before and after."""
    found = blur(images, GLASS_SIGMA)
    every = np.arange(len(images))
    for _ in range(GLASS_ROUNDS):
        # One pixel of all images at a time: swaps build on one another.
        for row in range(SIDE - 1, 1, -1):
            for column in range(SIDE - 1, 1, -1):
                swapped = rng.random(len(images)) < 0.5
                at = every[swapped]
                up, left = rng.integers(0, 2, (2, len(at)))
                kept = found[at, row, column]
                found[at, row, column] = found[at, row - up, column - left]
                found[at, row - up, column - left] = kept
    return blur(found, GLASS_SIGMA)


def motion_blur(images: Shares, rng: Generator) -> Shares:
    """Drag each image along its own direction, with a tail that fades as half a Gaussian."""
    angles = np.deg2rad(rng.uniform(-MOTION_ANGLE, MOTION_ANGLE, len(images)))
    steps = np.arange(MOTION_REACH + 1)
    weights = np.exp(-(steps**2) / (2 * MOTION_SIGMA**2))
    side = 2 * MOTION_REACH + 1
    found = np.empty_like(images)
    for place, angle in enumerate(angles):
        kernel = np.zeros((side, side), np.float32)
        rows = np.rint(MOTION_REACH + steps * np.sin(angle)).astype(int)
        columns = np.rint(MOTION_REACH + steps * np.cos(angle)).astype(int)
        np.add.at(kernel, (rows, columns), weights / weights.sum())
        found[place] = cv2.filter2D(images[place], -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return found


def shear(images: Shares, rng: Generator) -> Shares:
    """Slant each image to the left or to the right."""
    return warp(images, [np.array([[1, slant], [0, 1]]) for slant in SHEAR * signs(rng, images)])


def scale(images: Shares, _: Generator) -> Shares:
    """Shrink each image about its middle."""
    return warp(images, [np.eye(2) * SCALE] * len(images))


def rotate(images: Shares, rng: Generator) -> Shares:
    """Turn each image about its middle, to the left or to the right."""
    cosine, sine = np.cos(ROTATION), np.sin(ROTATION)
    turns = signs(rng, images)
    return warp(images, [np.array([[cosine, -s * sine], [s * sine, cosine]]) for s in turns])


def brightness(images: Shares, _: Generator) -> Shares:
    """Add light everywhere, background and ink alike."""
    return images + np.float32(BRIGHTNESS)


def translate(images: Shares, rng: Generator) -> Shares:
    """Move each image along one of the four diagonals; what leaves it is lost."""
    rows, columns = signs(rng, images), signs(rng, images)
    wide = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    moved = np.empty_like(images)
    for down in (-1, 1):
        for right in (-1, 1):
            chosen = (rows == down) & (columns == right)
            y, x = SHIFT * (1 - down), SHIFT * (1 - right)
            moved[chosen] = wide[chosen, y : y + SIDE, x : x + SIDE]
    return moved


def stripe(images: Shares, _: Generator) -> Shares:
    """Invert a stripe on the left and one on the right."""
    striped = images.copy()
    for side in (striped[:, :, :STRIPE], striped[:, :, -STRIPE:]):
        side[...] = 1 - side
    return striped


def fog(images: Shares, rng: Generator) -> Shares:
    """Lay a cloud over each image: a patch of noise whose spectrum falls as a power of frequency.

    Spectral synthesis of fractals: D. Saupe in "The science of fractal images" (1988).
    """
    clouds = cloud_maps(rng)
    chosen = rng.integers(0, FOG_MAPS, len(images))
    tops, lefts = rng.integers(0, FOG_SIDE - SIDE, (2, len(images)))
    windows = np.lib.stride_tricks.sliding_window_view(clouds, IMAGE_SHAPE, axis=(1, 2))
    brightest = images.max(axis=(1, 2), keepdims=True)
    foggy = images + np.float32(FOG_DEPTH) * windows[chosen, tops, lefts]
    return np.asarray(foggy * (brightest / (brightest + np.float32(FOG_DEPTH))))


def spatter(images: Shares, rng: Generator) -> Shares:
    """Cover parts of each image with blots of dull ink."""
    wet = blur(rng.standard_normal(images.shape, np.float32), SPATTER_SIGMA) > 0
    blots = blur(wet.astype(np.float32), SPATTER_EDGE)
    blots[blots < SPATTER_FROM] = 0
    return images * (1 - blots) + np.float32(SPATTER_INK) * blots


def dotted_line(images: Shares, rng: Generator) -> Shares:
    """Draw a dotted line from the left edge to the right."""
    first, last = rng.integers(0, SIDE - 1, (2, len(images), 1))
    columns = np.arange(SIDE)
    heights = first + (last - first) * columns / (SIDE - 1)
    return images + drawn_line(heights, columns // 2 % 2 == 1)


def zigzag(images: Shares, rng: Generator) -> Shares:
    """Draw a zigzag line from side to side."""
    first = rng.integers(0, SIDE - 1, (len(images), 1))
    rise = rng.integers(-5, 5, (len(images), 1))
    columns = np.arange(SIDE)
    start, stop = 2, SIDE - 3
    phase = (columns - start + ZIGZAG_HALF_WAVE / 2) / ZIGZAG_HALF_WAVE
    wave = ZIGZAG_HEIGHT * (4 * np.abs(phase / 2 - np.floor(phase / 2 + 0.5)) - 1)
    heights = first + rise * (columns - start) / (stop - start) + wave
    return images + drawn_line(heights, (columns >= start) & (columns < stop))


def canny_edges(images: Shares, _: Generator) -> Shares:
    """Keep the edges only, as J. Canny's detector (1986) finds them."""
    tall = stacked(blur(images, CANNY_SIGMA), "constant")
    grey = np.rint(255 * tall).astype(np.uint8)
    edges = cv2.Canny(grey, CANNY_LOW, CANNY_HIGH, L2gradient=True)
    return unstacked(edges).astype(np.float32) / 255


CORRUPTIONS: dict[str, Corruption] = {
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "glass_blur": glass_blur,
    "motion_blur": motion_blur,
    "shear": shear,
    "scale": scale,
    "rotate": rotate,
    "brightness": brightness,
    "translate": translate,
    "stripe": stripe,
    "fog": fog,
    "spatter": spatter,
    "dotted_line": dotted_line,
    "zigzag": zigzag,
    "canny_edges": canny_edges,
}
NAMES = tuple(CORRUPTIONS)


def signs(rng: Generator, images: Shares) -> NDArray[np.int64]:
    """Return −1 or 1 for each image."""
    return rng.choice(np.array([-1, 1]), len(images))


def warp(images: Shares, matrices: list[NDArray[np.float64]]) -> Shares:
    """Apply a 2×2 matrix on (x, y), about the middle, to each image; bilinear, 0 outside."""
    found = np.empty_like(images)
    for place, matrix in enumerate(matrices):
        offset = CENTRE - matrix @ [CENTRE, CENTRE]
        full = np.column_stack([matrix, offset])
        found[place] = cv2.warpAffine(images[place], full, IMAGE_SHAPE, flags=cv2.INTER_LINEAR)
    return found


def blur(images: Shares, sigma: float) -> Shares:
    """Blur each image with a Gaussian of `sigma` pixels, its edge pixels continued outside."""
    tall = stacked(images, "edge")
    return unstacked(cv2.GaussianBlur(tall, (0, 0), sigma)).astype(np.float32)


def stacked(images: Shares, mode: Literal["edge", "constant"]) -> Shares:
    """Return all images below one another as one tall picture, each within a margin."""
    padded = np.pad(images, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), mode)
    return padded.reshape(-1, SIDE + 2 * MARGIN)


def unstacked(tall: NDArray[Any]) -> NDArray[Any]:
    """Return the images that `stacked` put into one picture, without their margins."""
    full = SIDE + 2 * MARGIN
    return tall.reshape(-1, full, full)[:, MARGIN:-MARGIN, MARGIN:-MARGIN]


def drawn_line(heights: NDArray[np.float64], drawn: NDArray[np.bool_]) -> Shares:
    """Return the ink of a line that passes each column at a row of `heights` (N, 28).

    `drawn` (28,) tells the columns that have ink. It falls as 1 + log(1 − distance / reach).
    """
    distance = np.abs(np.arange(SIDE)[:, None] - heights[:, None, :])
    ink = 1 + np.log(1 - np.minimum(distance / LINE_REACH, 1 - 1e-6))
    return np.asarray(ink.clip(0, 1) * drawn, np.float32)


def cloud_maps(rng: Generator) -> Shares:
    """Return large clouds (FOG_MAPS, side, side), each from 0 to 1, to cut patches from."""
    down, across = np.fft.fftfreq(FOG_SIDE)[:, None], np.fft.rfftfreq(FOG_SIDE)[None, :]
    frequency = np.hypot(down, across)
    frequency[0, 0] = np.inf  # no mean: the range is set below
    spectrum = np.fft.rfft2(rng.standard_normal((FOG_MAPS, FOG_SIDE, FOG_SIDE)))
    clouds = np.fft.irfft2(spectrum * frequency**-FOG_DECAY)
    low = clouds.min(axis=(1, 2), keepdims=True)
    return np.asarray((clouds - low) / np.ptp(clouds, axis=(1, 2), keepdims=True), np.float32)
