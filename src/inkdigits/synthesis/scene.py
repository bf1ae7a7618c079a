"""Scene: a line of writing on its paper: cheques, forms, tables, notebooks, screens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.imaging.arrays import as_float32, as_uint8
from inkdigits.synthesis.guilloche import guilloche
from inkdigits.synthesis.paper import jpeg, paper_light
from inkdigits.synthesis.strokes import Ink
from inkdigits.synthesis.wear import grain


@dataclass(frozen=True)
class Writing:
    """Ink on a sheet: `ink` and `printed`, uint8 (h, w), bright on 0.

    `columns`, bool (w,), says where there is ink of the number's digits, `points`, bool (w,), where
    the middle of a point or comma is, `rows` the digits' first row and the one after their last;
    None where nothing is to be read. `height` is that of a digit and `pen` its stroke's width, in
    pixels.
    """

    ink: Ink
    printed: Ink
    columns: NDArray[np.bool_]
    points: NDArray[np.bool_]
    rows: tuple[int, int] | None
    height: float
    pen: float


def photographed(writing: Writing, kind: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a photo or scan of `writing`, uint8 (h, w) of the same size or shrunk.

    `kind` is "cheque" for a printed pattern under it, "screen" for a drawing program, or any other.
    """
    cover = writing.ink
    if rng.random() < 0.3:
        cover = grain(cover, rng)
    if rng.random() < 0.03:
        cover = broken(cover, writing.pen, rng)
    covered = as_float32(cover / 255)
    if kind == "screen":
        return on_screen(covered, rng)
    light = paper_light(covered.shape, rng)
    least = 0.3
    if kind == "cheque":
        pattern = guilloche(covered.shape, max(1.5, 0.05 * writing.height), rng)
        light *= pattern
        least = 0.42
    dark = rng.uniform(0.15, 0.9)
    light *= 1 - np.float32(dark) * as_float32(writing.printed) / 255
    light *= 1 - np.float32(rng.uniform(least, 0.95)) * covered
    page = 255 - light if rng.random() < 0.05 else light
    return developed(page, writing.height, rng)


def on_screen(cover: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a drawing made on a screen: even ground, mostly light."""
    ground = (255.0, 0.0) if rng.random() < 0.7 else (0.0, 255.0)
    ink = ground[1] + (ground[0] - ground[1]) * rng.uniform(0, 0.45)
    hard = (cover > 0.5).astype(np.float32) if rng.random() < 0.4 else cover
    return as_uint8(np.rint(ground[0] + (ink - ground[0]) * hard))


def developed(
    page: NDArray[np.float32], height: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return what a lens, few pixels, noise and JPEG make of a page."""
    if rng.random() < 0.55:
        page = as_float32(cv2.GaussianBlur(page, (0, 0), height * float(rng.uniform(0.008, 0.045))))
    if rng.random() < 0.3:
        by = max(float(rng.uniform(0.45, 0.9)), 14 / height)
        if by < 1:
            page = as_float32(cv2.resize(page, None, fx=by, fy=by, interpolation=cv2.INTER_AREA))
    noise = np.float32(rng.choice([0.5, 1.5, 4]))
    page = page + noise * rng.standard_normal(page.shape, np.float32)
    image = np.clip(page, 0, 255).astype(np.uint8)
    return jpeg(image, int(rng.integers(30, 95))) if rng.random() < 0.4 else image


def broken(ink: Ink, pen: float, rng: np.random.Generator) -> Ink:
    """Let the pen fail in spots about as wide as its stroke."""
    size = (max(2, round(ink.shape[1] / pen / 2)), max(2, round(ink.shape[0] / pen / 2)))
    spots = (rng.random((size[1], size[0])) > rng.uniform(0.06, 0.2)).astype(np.uint8) * 255
    large = cv2.resize(spots, ink.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.minimum(ink, as_uint8(large))


def ruled(writing: Writing, rng: np.random.Generator) -> Writing:
    """Print level rules: one under the number, one above it too, or a notebook's."""
    printed = writing.printed.copy()
    top, bottom = band(writing)
    gap = writing.height * rng.uniform(1.2, 1.9)
    thick, tilt = thickness(writing, rng), rng.normal(0, 0.012) * printed.shape[1]
    first = bottom + writing.height * rng.uniform(-0.12, 0.25)
    above = top - writing.height * rng.uniform(0.0, 0.3)
    rows = ([first], [first, above], [above], [first, first - gap, first + gap])
    for row in rows[int(rng.choice(4, p=(0.5, 0.2, 0.1, 0.2)))]:
        draw_line(printed, (0, row - tilt), (printed.shape[1], row + tilt), thick)
    return replace(writing, printed=printed)


def framed(writing: Writing, rng: np.random.Generator) -> Writing:
    """Print a table's cell or a form's field around the number."""
    printed = writing.printed.copy()
    top, bottom = band(writing)
    left, right = span(writing)
    tall = writing.height
    sides = left - tall * rng.uniform(0.1, 1.0), right + tall * rng.uniform(0.1, 1.0)
    levels = top - tall * rng.uniform(0.02, 0.6), bottom + tall * rng.uniform(0.02, 0.6)
    thick, over = thickness(writing, rng), rng.random() < 0.6
    tilt = rng.normal(0, 0.012)
    ends = (-2, printed.shape[1] + 2) if over else sides
    for row in levels:
        rise = tilt * (ends[1] - ends[0]) / 2
        draw_line(printed, (ends[0], row - rise), (ends[1], row + rise), thick)
    edges = (-2, printed.shape[0] + 2) if over else levels
    for column in sides:
        if rng.random() < 0.92:
            lean = tilt * (edges[1] - edges[0]) / 2
            draw_line(printed, (column + lean, edges[0]), (column - lean, edges[1]), thick)
    return replace(writing, printed=printed)


def underlined(writing: Writing, rng: np.random.Generator) -> Writing:
    """Underline the number by hand."""
    ink = writing.ink.copy()
    left, right = span(writing)
    row = band(writing)[1] + writing.height * rng.uniform(0.05, 0.3)
    overrun = writing.height * rng.uniform(-0.4, 0.3, 2)
    across = np.linspace(left - overrun[0], right + overrun[1], 5)
    points = np.stack([across, row + rng.normal(0, 0.03 * writing.height, 5)], axis=1)
    fixed = [np.rint(points * 16).astype(np.int32)[:, None]]
    cv2.polylines(ink, fixed, False, 255, max(1, round(writing.pen - 0.7)), cv2.LINE_AA, 4)
    return replace(writing, ink=ink)


def cropped(writing: Writing, whole: bool, rng: np.random.Generator) -> Writing:
    """Cut the sheet around the number, or the `whole` form, loosely or as tightly as in life."""
    left, right = span(writing)
    top, bottom = band(writing)
    if whole:
        left, top, width, height = cv2.boundingRect(writing.printed)
        right, bottom = left + width, top + height
    loose = writing.height * (0.12 if rng.random() < 0.35 else 0.7)
    margins = rng.uniform(-0.02 * writing.height, loose, 4)
    high, wide = writing.ink.shape
    x, y = max(0, round(left - 1.4 * margins[0])), max(0, round(top - margins[1]))
    far, low = min(wide, round(right + 1.4 * margins[2])), min(high, round(bottom + margins[3]))
    part = np.s_[y : max(low, y + 8), x : max(far, x + 8)]
    rows = None if writing.rows is None else (writing.rows[0] - y, writing.rows[1] - y)
    return replace(
        writing,
        ink=writing.ink[part],
        printed=writing.printed[part],
        columns=writing.columns[part[1]],
        points=writing.points[part[1]],
        rows=rows,
    )


def band(writing: Writing) -> tuple[float, float]:
    """Return the first and last row of the number, or of a digit in the middle of the sheet."""
    if writing.rows is None:
        middle = writing.ink.shape[0] / 2
        return middle - writing.height / 2, middle + writing.height / 2
    return writing.rows


def span(writing: Writing) -> tuple[float, float]:
    """Return the first and last column of all ink, or of the middle of a sheet without any."""
    filled = np.flatnonzero(writing.ink.any(axis=0))
    if not filled.size:
        columns = writing.ink.shape[1]
        return 0.25 * columns, 0.75 * columns
    return float(filled[0]), float(filled[-1] + 1)


def thickness(writing: Writing, rng: np.random.Generator) -> int:
    """Draw the width of printed lines in pixels."""
    return max(1, round(writing.height * float(rng.choice([0.02, 0.04, 0.08]))))


def draw_line(
    printed: Ink, start: tuple[float, float], end: tuple[float, float], thick: int
) -> None:
    """Draw a straight printed line between two points, x and y in pixels."""
    fixed = [tuple(round(16 * value) for value in point) for point in (start, end)]
    cv2.line(printed, fixed[0], fixed[1], 255, thick, cv2.LINE_AA, 4)
