"""Wear: what a pen's grain, a lens and few pixels do to ink, cheaply and without a page."""

from __future__ import annotations

import cv2
import numpy as np

from inkdigits.imaging.arrays import as_float32, as_uint8
from inkdigits.synthesis.strokes import Ink


def wear(ink: Ink, rng: np.random.Generator) -> Ink:
    """Return `ink` (h, w) of the same size as it is: crisp, blurred, coarse, grainy or uneven."""
    kind = rng.random()
    if kind < 0.35:
        return ink
    if kind < 0.55:
        return blur(ink, float(rng.uniform(0.01, 0.045)))
    if kind < 0.75:
        return coarsen(ink, float(rng.uniform(14, 40)))
    if kind < 0.88:
        return grain(ink, rng)
    return fade(ink, rng)


def blur(ink: Ink, share: float) -> Ink:
    """Blur by a Gaussian whose deviation is `share` of the longer side, on a widened canvas."""
    deviation = max(0.3, share * max(ink.shape))
    border = round(2 * deviation)
    wide = cv2.copyMakeBorder(ink, border, border, border, border, cv2.BORDER_CONSTANT)
    return as_uint8(cv2.GaussianBlur(wide, (0, 0), deviation))


def coarsen(ink: Ink, pixels: float) -> Ink:
    """Pass the ink through an image whose longer side has only `pixels` pixels, and enlarge it."""
    scale = pixels / max(ink.shape)
    size = (max(2, round(ink.shape[1] * scale)), max(2, round(ink.shape[0] * scale)))
    few = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
    back = (ink.shape[1], ink.shape[0])
    return as_uint8(cv2.resize(few, back, interpolation=cv2.INTER_LINEAR))


def grain(ink: Ink, rng: np.random.Generator) -> Ink:
    """Let the paper's grain show through, as under a pencil or a drying pen."""
    noise = rng.normal(0, 1, ink.shape).astype(np.float32)
    noise = as_float32(cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.6, 2))))
    cover = 1 + rng.uniform(0.1, 0.45) * noise / max(float(noise.std()), 1e-6) - 0.1
    return as_uint8(ink * np.clip(cover, 0, 1))


def fade(ink: Ink, rng: np.random.Generator) -> Ink:
    """Let the ink grow paler towards one side, as a pen that lifts or light that falls off."""
    y, x = np.indices(ink.shape, dtype=np.float32) / max(ink.shape) - np.float32(0.5)
    angle = rng.uniform(0, 2 * np.pi)
    slope = float(rng.uniform(0.3, 0.9))
    cover = 1 - slope * (0.5 + x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)))
    return as_uint8(ink * np.clip(cover, 0.3, 1))
