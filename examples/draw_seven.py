"""Draw a crossed seven with a pen of varying pressure on unevenly lit paper: no data set needed.

    python examples/draw_seven.py seven.png
"""  # fmt: skip

import sys
from pathlib import Path

import cv2
import numpy as np

# Control points of the strokes, as a hand would set them; between them runs a smooth curve.
STROKES = (
    ((98, 118), (112, 96), (160, 104), (238, 92), (226, 128), (188, 210), (150, 330)),
    ((126, 214), (170, 206), (232, 196)),
)


def curve(points: tuple[tuple[int, int], ...], steps: int = 24) -> np.ndarray:
    """Return a Catmull–Rom curve through `points`, float (N, 2)."""
    control = np.array([points[0], *points, points[-1]], float)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
               + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(control, control[1:], control[2:], control[3:], strict=False)
    ]  # fmt: skip
    return np.concatenate(parts)


def draw(width: int = 340, height: int = 430, seed: int = 3) -> np.ndarray:
    """Return the page, uint8 (height, width)."""
    rng = np.random.default_rng(seed)
    ink = np.zeros((height, width), np.float32)
    for stroke in STROKES:
        path = curve(stroke)
        pressure = 6 + 1.5 * np.sin(np.linspace(0.4, 2.8, len(path)))
        for (x, y), radius in zip(path, pressure, strict=True):
            cv2.circle(ink, (round(x), round(y)), round(radius), 1.0, -1, cv2.LINE_AA)
    ink = cv2.GaussianBlur(ink, (0, 0), 1.2)
    light = np.linspace(232, 168, width)[None, :] - np.linspace(0, 26, height)[:, None]
    fibres = cv2.GaussianBlur(rng.normal(0, 14, (height, width)), (0, 0), 1.5)
    page = light + fibres - 150 * ink
    return np.clip(page, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    cv2.imwrite(str(target), draw())
    print(f"a seven on paper: {target}")
