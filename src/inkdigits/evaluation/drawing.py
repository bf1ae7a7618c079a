"""What the plots share: colours, a calm pair of axes, and grids of digits.

Figures are made through Matplotlib's object interface: no pyplot, no window, no global state.
A grid of digits is one tiled picture, because Matplotlib pays for each axes, not for each pixel.
Colours are those of Okabe and Ito (2008), told apart with any common colour vision.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

BLUE, ORANGE, SKY = "#0072B2", "#D55E00", "#56B4E9"
RIGHT, WRONG = "#00563F", "#C0241C"  # dark enough to read as small text; wrong is framed as well
INK, FAINT, GRID = "#1F2933", "#616E7C", "#E4E7EB"
DPI = 100
TILE = 28
PAPER = 14  # least darkness of a tile, of 255: the frame of each digit stays visible

Caption = tuple[str, str]  # text, colour


def canvas(width: float, height: float, **margins: float) -> tuple[Figure, Axes]:
    """Return a figure of width × height inches with one pair of axes, and the axes."""
    # Margins are set by hand: the layout engines draw every figure twice.
    figure = Figure(figsize=(width, height), dpi=DPI)
    axes = figure.subplots()
    figure.subplots_adjust(**margins)
    return figure, axes


def percent(decimals: int | None = None) -> PercentFormatter:
    """Return the formatter of an axis of shares, 0–1."""
    return PercentFormatter(1.0, decimals, symbol=" %")


def calm(axes: Axes) -> None:
    """Take away what distracts: two spines, dark grids."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_color(INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def put_title(axes: Axes, text: str) -> None:
    """Put a title at the left above `axes`."""
    axes.set_title(text, loc="left", color=INK, fontsize=11, pad=8)


def put_legend(axes: Axes, **place: Any) -> None:
    """Put a legend into `axes`, if anything in it has a label."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, **place)


def caption(true: int, predicted: int, confidence: float) -> Caption:
    """Return what stands above an image: label, prediction, confidence (0–1)."""
    read = f"true {true}, read {predicted}\n{100 * confidence:.1f} %"
    return (read, RIGHT if true == predicted else WRONG)


def tiles(
    images: NDArray[np.uint8], captions: Sequence[Caption], columns: int, inches: float, title: str
) -> Figure:
    """Lay the images out as one picture, each under its caption; cells are `inches` wide."""
    lines = 1 + max((text.count("\n") for text, _ in captions), default=0)
    above = 2 + 6 * lines
    cell_width, cell_height = TILE + 8, above + TILE + 2
    rows = max(1, ceil(len(images) / columns))
    scale = inches / cell_width
    top = 0.4 if title else 0.05
    height = rows * cell_height * scale + top
    figure, axes = canvas(columns * inches, height, left=0, right=1, bottom=0, top=1 - top / height)
    picture = np.zeros((rows * cell_height, columns * cell_width), np.uint8)
    for place, (image, (text, colour)) in enumerate(zip(images, captions, strict=True)):
        y, x = (place // columns) * cell_height + above, (place % columns) * cell_width + 4
        picture[y : y + TILE, x : x + TILE] = np.maximum(image, PAPER)
        middle = x + TILE / 2 - 0.5
        axes.text(middle, y - 1.5, text, color=colour, ha="center", va="bottom", fontsize=11)
        if colour == WRONG:
            axes.add_patch(frame_around(x, y))
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    if title:
        figure.text(0.02, 1 - 0.22 / height, title, color=INK, fontsize=11, va="center")
    return figure


def frame_around(x: int, y: int) -> Rectangle:
    """Return the frame of a tile whose first pixel is at (x, y)."""
    return Rectangle((x - 0.5, y - 0.5), TILE, TILE, fill=False, edgecolor=WRONG, linewidth=1.5)


def note(text: str) -> Figure:
    """Return a figure that holds nothing but a sentence."""
    figure = Figure(figsize=(7.75, 1.2), dpi=DPI)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=INK, fontsize=12)
    return figure
