"""The plots of a search: what mattered, and which values went with which val loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from inkdigits.evaluation.drawing import (
    BLUE,
    FAINT,
    GRID,
    INK,
    ORANGE,
    SKY,
    calm,
    canvas,
    note,
    put_title,
)
from inkdigits.search.results import TrialRow, best_row
from inkdigits.search.study import label
from inkdigits.search.trial import FINISHED
from inkdigits.training.search_table import Axis

# So many finished trials are needed to say what mattered to be in the best share of them.
FEWEST, BEST_SHARE = 8, 0.25
DROPPED = ("model.", "training.")
SHADES = LinearSegmentedColormap.from_list("val loss", [BLUE, SKY, "#DDE3E8"])
RIGHT_END = "val loss (log)"


def plot_search(
    study: optuna.Study, axes: Sequence[Axis], rows: Sequence[TrialRow]
) -> dict[str, Figure]:
    """Draw both plots of a search, by name."""
    finished = [row for row in rows if row.outcome.ended == FINISHED]
    if len(finished) < FEWEST:
        few = note(f"{len(finished)} finished trials are too few to say what mattered.")
    else:
        judge = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
        few = plot_importance(get_param_importances(study, evaluator=judge))
    return {"importance": few, "parallel": plot_parallel(axes, rows)}


def short(key: str) -> str:
    """Return a key without the name of its section."""
    for section in DROPPED:
        key = key.removeprefix(section)
    return key


def plot_importance(shares: Mapping[str, float]) -> Figure:
    """Draw how much each key decided about the best trials, as bars; shares add up to 1."""
    height = 1.1 + 0.36 * len(shares)
    figure, axes = canvas(
        7.0, height, left=0.25, right=0.93, bottom=0.55 / height, top=1 - 0.4 / height
    )
    names = [short(key) for key in shares][::-1]
    values = list(shares.values())[::-1]
    axes.barh(names, values, 0.6, color=BLUE)
    for place, value in enumerate(values):
        axes.text(value + 0.01, place, f"{value:.2f}", va="center", color=INK, size=9)
    axes.set(xlabel="Share of the importance (PED-ANOVA)", xlim=(0, 1.12 * max(values) or 1))
    calm(axes)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    put_title(axes, f"What the best {BEST_SHARE:.0%} of the trials have in common")
    return figure


def plot_parallel(axes: Sequence[Axis], rows: Sequence[TrialRow]) -> Figure:
    """Draw each trial as a line across its values to its val loss; the best one stands out.

    Lines are the darker the smaller the val loss; trials that were not finished are dotted.
    """
    shown = [row for row in rows if row.outcome.val_loss is not None]
    if not shown:
        return note("No trial has a val loss.")
    width = 1.8 + 1.5 * len(axes)
    figure, place = canvas(width, 4.6, left=0.9 / width, right=1 - 0.9 / width, bottom=0.1, top=0.8)
    losses = np.array([row.outcome.val_loss for row in shown])
    logs = np.log(losses)
    heights = np.array([[*positions(axes, row), 0.0] for row in shown])
    heights[:, -1] = scaled(logs, logs.min(), logs.max())
    best = best_row(rows)
    ranks = losses.argsort().argsort() / max(1, len(losses) - 1)
    for row, line, rank in sorted(zip(shown, heights, ranks, strict=True), key=lambda t: -t[2]):
        finished, is_best = row.outcome.ended == FINISHED, row is best
        place.plot(
            line,
            color=ORANGE if is_best else SHADES(rank),
            linewidth=2.4 if is_best else 1.2,
            linestyle="-" if finished else ":",
        )
    ends = (f"{losses.min():.4f}", f"{losses.max():.4f}")
    for number, axis in enumerate(axes):
        draw_axis(place, number, short(axis.key), marks_of(axis))
    draw_axis(place, len(axes), RIGHT_END, {0.0: ends[0], 1.0: ends[1]})
    place.set_axis_off()
    place.set(xlim=(-0.01, len(axes) + 0.01), ylim=(-0.04, 1.04))
    title = f"{len(rows)} trials; orange: the best, trial {best.number}; dotted: not finished"
    figure.text(0.02, 0.95, title, color=INK, fontsize=11, va="center")
    return figure


def draw_axis(place: Axes, number: int, name: str, marks: Mapping[float, str]) -> None:
    """Draw the upright line of one axis with its name above and its marks beside it."""
    place.plot([number, number], [0, 1], color=FAINT, linewidth=1.0, zorder=5)
    place.text(number, 1.09, name, ha="center", color=INK, fontsize=9, clip_on=False)
    for height, text in marks.items():
        place.text(
            number + 0.03,
            height,
            text,
            va="center",
            color=INK,
            fontsize=8,
            zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )


def positions(axes: Sequence[Axis], row: TrialRow) -> list[float]:
    """Return where a trial's line meets each axis, 0–1."""
    return [position(axis, row.values[axis.key]) for axis in axes]


def position(axis: Axis, value: Any) -> float:
    """Return where a value lies on its axis, 0–1."""
    if axis.choices:
        return float(scaled(axis.choices.index(value), 0, len(axis.choices) - 1))
    if axis.log:
        return float(scaled(np.log(value), np.log(axis.low), np.log(axis.high)))
    return float(scaled(value, axis.low, axis.high))


def scaled(value: Any, low: float, high: float) -> Any:
    """Return `value` as a share of the way from `low` to `high`, the middle where they are one."""
    return (value - low) / (high - low) if high > low else 0.5 + 0 * value


def marks_of(axis: Axis) -> dict[float, str]:
    """Return what is written beside an axis, by position."""
    if axis.choices:
        return {position(axis, choice): str(label(choice)) for choice in axis.choices}
    if axis.whole and axis.high - axis.low <= 6:
        return {position(axis, n): str(n) for n in range(int(axis.low), int(axis.high) + 1)}
    return {0.0: f"{axis.low:g}", 1.0: f"{axis.high:g}"}
