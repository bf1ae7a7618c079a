"""The picture of a model's robustness: what each corruption looks like, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from inkdigits.evaluation.corruptions import corrupt
from inkdigits.evaluation.drawing import (
    BLUE,
    DPI,
    GRID,
    INK,
    ORANGE,
    PAPER,
    TILE,
    calm,
    percent,
    put_legend,
    put_title,
)
from inkdigits.evaluation.robustness import Robustness

DIGITS = 6
GAP = 3
LONGEST_NAME = 44


def plot_robustness(
    own: Robustness, beside: Robustness | None, images: NDArray[np.uint8]
) -> Figure:
    """Draw a row for each corruption: a few digits under it, and the errors as bars.

    `images`: uint8 (N, 28, 28), N ≥ 1, of which the first six are shown.
    """
    figure = Figure(figsize=(9.6, 9.4), dpi=DPI)
    left, right = figure.subplots(1, 2, width_ratios=[DIGITS, 7.6])
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.09, top=0.96, wspace=0.02)
    _draw_strip(left, own, images[:DIGITS])
    _draw_bars(right, [own] if beside is None else [own, beside])
    return figure


def _draw_strip(axes: Axes, own: Robustness, images: NDArray[np.uint8]) -> None:
    shown = [images, *(corrupt(images, kind, own.seed) for kind in own.errors)]
    lines = []
    for row in shown:
        line = np.zeros((TILE + GAP, len(row) * (TILE + GAP)), np.uint8)
        for place, image in enumerate(row):
            x = place * (TILE + GAP)
            line[:TILE, x : x + TILE] = np.maximum(image, PAPER)
        lines.append(line)
    picture = np.concatenate(lines)
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.tick_params(length=0)
    middles = [TILE / 2 + place * (TILE + GAP) for place in range(len(shown))]
    names = ["not corrupted", *(kind.replace("_", " ") for kind in own.errors)]
    axes.set_yticks(middles, names, color=INK, fontsize=10)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _draw_bars(axes: Axes, models: Sequence[Robustness]) -> None:
    """Draw the bars of one model or of two, a pair of them below one another."""
    high = 0.76 / len(models)
    for number, (model, colour) in enumerate(zip(models, (BLUE, ORANGE), strict=False)):
        errors = [model.clean_error, *model.errors.values()]
        middles = np.arange(len(errors)) + (number - (len(models) - 1) / 2) * high * 1.05
        axes.barh(middles, errors, high, color=colour, label=_short(model.name))
        for y, error in zip(middles, errors, strict=True):
            text = f" {100 * error:.{1 if error >= 0.001 else 2}f}"
            axes.text(error, y, text, va="center", color=INK, fontsize=7.5)
    axes.set(xlabel="Error", xlim=(0, 1), ylim=(len(errors) - 0.5, -0.5), yticks=[])
    axes.xaxis.set_major_formatter(percent(decimals=0))
    calm(axes)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    put_legend(axes, loc="upper center", bbox_to_anchor=(0.3, -0.045), ncols=2)
    means = " and ".join(f"{100 * model.mean_error:.2f} %" for model in models)
    put_title(axes, f"Mean error of the {len(errors) - 1}: {means}")


def _short(name: str) -> str:
    """Return a name that fits into the legend: the end of a path tells the most."""
    return name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]
