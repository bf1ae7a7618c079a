"""Guilloche: the fine printed patterns under the amounts of cheques, and the tints of forms."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import as_float32

Light = NDArray[np.float32]
"""float32 (h, w): what is left of the paper's light, 0–1."""


def guilloche(shape: tuple[int, int], line: float, rng: np.random.Generator) -> Light:
    """Print a security pattern on paper of `shape` (h, w); `line` is a pen's width in pixels.

    One to three families of fine lines: straight, wavy, or waves around a far point.
    """
    y, x = np.indices(shape, dtype=np.float32)
    left = np.ones(shape, np.float32)
    depth = rng.uniform(0.06, 0.38)
    spacing = max(2.5, line * float(np.exp(rng.uniform(np.log(1.2), np.log(4.5)))))
    for _ in range(int(rng.choice([1, 1, 2, 2, 3]))):
        way = family(y, x, spacing, rng) / np.float32(spacing * rng.uniform(0.85, 1.2))
        away = np.abs(way - np.floor(way) - np.float32(0.5))
        thin = np.float32(rng.uniform(0.12, 0.3))
        covered = np.clip((thin - away) * np.float32(4) + np.float32(0.5), 0, 1)
        left *= 1 - np.float32(depth * rng.uniform(0.5, 1)) * covered
    if rng.random() < 0.25:
        left *= halftone(shape, rng)
    return left


def family(y: Light, x: Light, spacing: float, rng: np.random.Generator) -> Light:
    """Return the distance in pixels that one family of lines counts from, at each pixel."""
    length = np.float32(spacing * rng.uniform(4, 25))
    wave = np.float32(spacing * rng.choice([0.0, 0.3, 1.0, 2.5]) * rng.uniform(0.4, 1.2))
    phase = np.float32(rng.uniform(0, 2 * np.pi))
    if rng.random() < 0.3:
        centre = rng.normal(0, 1.2, 2) * (x.shape[0] * 2, x.shape[1])
        down, across = y - np.float32(centre[0]), x - np.float32(centre[1])
        turn = np.float32(rng.integers(5, 40))
        bent = wave * np.sin(turn * np.arctan2(down, across) + phase)
        return np.asarray(np.hypot(down, across) + bent, np.float32)
    angle = rng.normal(0, 0.35) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    across = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
    return np.asarray(across + wave * np.sin(along * (2 * np.pi / length) + phase), np.float32)


def halftone(shape: tuple[int, int], rng: np.random.Generator) -> Light:
    """Print a coarse grain: dots or flecks of a tint, or the lines of a screen."""
    noise = rng.normal(0, 1, shape).astype(np.float32)
    noise = as_float32(cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.5, 1.3))))
    noise /= max(float(noise.std()), 1e-6)
    return np.clip(1 - np.float32(rng.uniform(0.02, 0.1)) * np.abs(noise), 0, 1)
