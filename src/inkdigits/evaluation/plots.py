"""The plots of the report and of `data explore`, each a Matplotlib figure of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from inkdigits.data.dataset import CLASSES
from inkdigits.evaluation.drawing import (
    BLUE,
    DPI,
    FAINT,
    INK,
    ORANGE,
    SKY,
    calm,
    canvas,
    caption,
    note,
    percent,
    put_legend,
    put_title,
    tiles,
)
from inkdigits.evaluation.label_errors import wrong_labels
from inkdigits.evaluation.measure import BINS, Bin, Measurement
from inkdigits.evaluation.selective import risk_curve, selective_points
from inkdigits.files import write_bytes

COLUMNS = 5
SHOWN = 25


def plot_report(
    images: NDArray[np.uint8],
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    measurement: Measurement,
    history: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Figure]:
    """Draw every plot of the report, by the name that the report knows it by.

    `images`: uint8 (N, 28, 28); `labels`: (N,); `probabilities`: (N, 10): the test split that
    `measurement` measured. Without `history` (a bare model) there is no plot named "curves".
    """
    figures = {
        "confusion": plot_confusion(measurement.confusion_matrix),
        "digits": plot_digits(measurement),
        "predictions": plot_predictions(images, labels, probabilities),
        "mistakes": plot_mistakes(images, labels, probabilities),
        "reliability": plot_reliability(measurement.reliability, measurement.ece),
        "coverage": plot_risk_coverage(labels, probabilities),
    }
    return figures | ({"curves": plot_curves(history)} if history else {})


def plot_confusion(matrix: Sequence[Sequence[int]]) -> Figure:
    """Draw a 10×10 confusion matrix of counts (rows = true) as an annotated heat map.

    Colours stop at the largest mistake, so that mistakes stand out beside the diagonal.
    """
    figure, axes = canvas(6.4, 5.9, left=0.1, right=0.98, bottom=0.1, top=0.92)
    counts = np.asarray(matrix)
    mistakes = counts * (1 - np.eye(CLASSES, dtype=int))
    most = max(1, 2 * int(mistakes.max()))
    axes.pcolormesh(counts, cmap="Blues", vmin=0, vmax=most, edgecolors="white", linewidth=1)
    for row, column in np.ndindex(counts.shape):
        count = int(counts[row, column])
        ink = "white" if count > most / 2 else INK
        place = column + 0.5, row + 0.5
        axes.text(*place, str(count), ha="center", va="center", color=ink, size=9)
    middles = np.arange(CLASSES) + 0.5
    axes.set_xticks(middles, [str(digit) for digit in range(CLASSES)])
    axes.set_yticks(middles, [str(digit) for digit in range(CLASSES)])
    axes.invert_yaxis()
    for edge in axes.spines.values():
        edge.set_visible(False)
    axes.set(xlabel="Predicted", ylabel="True")
    axes.tick_params(length=0, labelrotation=0)
    put_title(axes, "Confusion matrix: number of images")
    return figure


def plot_curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss and accuracy over the epochs, train and val, with the best epoch marked.

    `history`: one row an epoch with epoch, loss, accuracy and, where val was measured, val_loss
    and val_accuracy. The best epoch is the one of the lowest val loss.
    """
    figure = Figure(figsize=(9.6, 3.9), dpi=DPI)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.075, right=0.985, bottom=0.14, top=0.88, wspace=0.2)
    best = _best_epoch(history)
    for axes, key in ((left, "loss"), (right, "accuracy")):
        _curve(axes, history, key, "train", BLUE)
        _curve(axes, history, f"val_{key}", "val", ORANGE)
        _mark_epoch(axes, best)
        axes.set(xlabel="Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        calm(axes)
        put_legend(axes)
        put_title(axes, key.capitalize())
    right.yaxis.set_major_formatter(percent())
    return figure


def plot_predictions(
    images: NDArray[np.uint8], labels: NDArray[Any], probabilities: NDArray[Any]
) -> Figure:
    """Draw the first 25 images with true label, prediction and confidence; wrong ones framed.

    `images`: uint8 (N, 28, 28); `labels`: (N,); `probabilities`: (N, 10).
    """
    shown = np.arange(min(SHOWN, len(labels)))
    return _predictions(images, labels, probabilities, shown, "The first images of the test split")


def plot_mistakes(
    images: NDArray[np.uint8], labels: NDArray[Any], probabilities: NDArray[Any]
) -> Figure:
    """Draw up to 25 misread images, the most confident mistake first; says so when there is none.

    `images`: uint8 (N, 28, 28); `labels`: (N,); `probabilities`: (N, 10). Each shows its place in
    the split, and whether its label is one of those that are known to be wrong.
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    if not len(wrong):
        return note(f"No mistake among {len(labels):,} images.")
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")[:SHOWN]
    known = wrong_labels(labels)
    heads = [f"test {i}" + (", wrong label" if i in known else "") for i in wrong[order]]
    title = f"The most confident mistakes: {len(order)} of {len(wrong):,}"
    return _predictions(images, labels, probabilities, wrong[order], title, heads)


def plot_risk_coverage(labels: NDArray[Any], probabilities: NDArray[Any]) -> Figure:
    """Draw the error among the most confident readings against the share that is answered.

    `labels`: (N,); `probabilities`: (N, 10). Dots mark the coverages of `selective_points`.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    figure, axes = canvas(5.6, 4.2, left=0.17, right=0.96, bottom=0.13, top=0.9)
    curve = risk_curve(confidence, right)
    axes.plot(curve.coverage, curve.risk, color=BLUE, linewidth=1.5)
    points = selective_points(confidence, right)
    axes.plot([p["coverage"] for p in points], [p["error"] for p in points], "o", color=ORANGE)
    axes.set(xlabel="Share of the images that is answered", ylabel="Share of the answers wrong")
    axes.set(
        xticks=[0.8, 0.85, 0.9, 0.95, 1],
        xlim=(0.8, 1.003),
        ylim=(0, max(1.15 * float(curve.risk[-1]), 1e-4)),
    )
    axes.xaxis.set_major_formatter(percent())
    axes.yaxis.set_major_formatter(percent())
    calm(axes)
    put_title(axes, "Error by coverage")
    return figure


def plot_reliability(reliability: Sequence[Bin], ece: float) -> Figure:
    """Draw accuracy against confidence in each bin, above a histogram of confidence.

    `reliability`: the 15 bins of a Measurement; `ece`: 0–1. As in Guo et al. (2017).
    """
    figure = Figure(figsize=(5.6, 6.2), dpi=DPI)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    figure.subplots_adjust(left=0.15, right=0.94, bottom=0.09, top=0.93, hspace=0.12)
    filled = [part for part in reliability if part["count"]]
    upper.plot([0, 1], [0, 1], "--", color=FAINT, linewidth=1, label="perfectly calibrated")
    _bars(upper, filled, [part["accuracy"] or 0.0 for part in filled], label="accuracy")
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="Accuracy")
    put_legend(upper, loc="upper left")
    _bars(lower, filled, [float(part["count"]) for part in filled])
    lower.set(xlabel="Confidence", ylabel="Images", yscale="log")
    lower.set_ylim(bottom=0.5)
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for axes in (upper, lower):
        calm(axes)
    lower.xaxis.set_major_formatter(percent())
    upper.yaxis.set_major_formatter(percent())
    put_title(upper, f"Accuracy by confidence: ECE {100 * ece:.2f} %")
    figure.align_ylabels()
    return figure


def plot_digits(measurement: Measurement, reference: float | None = 0.97) -> Figure:
    """Draw the accuracy of each digit as bars; a digit without examples has none.

    `reference`: an accuracy in 0–1 drawn as a line; 97 % is what every digit of the published
    early-stopping network passed. The axis starts where the bars can be told apart, and says so.
    """
    figure, axes = canvas(6.0, 4.6, left=0.145, right=0.98, bottom=0.12, top=0.9)
    shares = {digit: scores["accuracy"] for digit, scores in measurement.per_digit.items()}
    known = {int(digit): share for digit, share in shares.items() if share is not None}
    start = _axis_start(min([*known.values(), reference or 1.0]))
    axes.bar(list(known), [share - start for share in known.values()], 0.7, start, color=BLUE)
    for digit, share in known.items():
        height = share + 0.01 * (1 - start)
        axes.text(digit, height, f"{100 * share:.1f}", ha="center", va="bottom", color=INK, size=9)
    if reference is not None:
        axes.axhline(reference, color=ORANGE, linestyle="--", linewidth=1.2)
    axes.set(xlabel="Digit", ylabel="Accuracy", xticks=range(CLASSES), xlim=(-0.6, 9.6))
    axes.set_ylim(start, 1 + 0.1 * (1 - start))
    axes.yaxis.set_major_formatter(percent())
    calm(axes)
    dashed = f"; dashed: {100 * reference:.4g} %" if reference is not None else ""
    put_title(axes, f"Accuracy of each digit (axis from {100 * start:.0f} %{dashed})")
    return figure


def plot_grid(images: NDArray[np.uint8], labels: NDArray[Any]) -> Figure:
    """Draw the first nine images, 3×3, each with its label.

    `images`: uint8 (N, 28, 28); `labels`: (N,).
    """
    captions = [(str(label), INK) for label in labels[:9]]
    return tiles(images[:9], captions, columns=3, inches=1.5, title="")


def plot_balance(splits: Mapping[str, NDArray[Any]]) -> Figure:
    """Draw what share of each split each digit has, as grouped bars.

    `splits`: the labels, integer (N,), by name of split, in the order to draw; up to three.
    """
    figure, axes = canvas(7.2, 3.7, left=0.12, right=0.98, bottom=0.15, top=0.87)
    width = 0.8 / max(1, len(splits))
    for place, (name, labels) in enumerate(splits.items()):
        share = np.bincount(labels, minlength=CLASSES) / max(1, len(labels))
        middle = np.arange(CLASSES) + (place - (len(splits) - 1) / 2) * width
        label = f"{name} ({len(labels):,} images)"
        axes.bar(middle, share, 0.92 * width, color=(BLUE, ORANGE, SKY)[place % 3], label=label)
    axes.axhline(1 / CLASSES, color=FAINT, linestyle="--", linewidth=1, label="equal shares")
    axes.set(xlabel="Digit", ylabel="Share of the split", xticks=range(CLASSES))
    axes.yaxis.set_major_formatter(percent(decimals=0))
    axes.set_ylim(top=1.35 * axes.get_ylim()[1])
    calm(axes)
    put_legend(axes, loc="upper center", ncols=2)
    put_title(axes, "Class balance")
    return figure


def png_bytes(figure: Figure) -> bytes:
    """Return `figure` as a PNG at 100 dots an inch."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()


def save_png(figure: Figure, path: Path) -> None:
    """Write `figure` to `path` as a PNG, whole or not at all; raises CannotWrite."""
    write_bytes(path, png_bytes(figure), durable=False)


def _curve(
    axes: Axes, history: Sequence[Mapping[str, Any]], key: str, label: str, colour: str
) -> None:
    points = [(float(row["epoch"]), float(row[key])) for row in history if _measured(row, key)]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=3, label=label)


def _measured(row: Mapping[str, Any], key: str) -> bool:
    return row.get(key) not in (None, "") and isfinite(float(row[key]))


def _best_epoch(history: Sequence[Mapping[str, Any]]) -> float | None:
    measured = [row for row in history if _measured(row, "val_loss")]
    if not measured:
        return None
    return float(min(measured, key=lambda row: float(row["val_loss"]))["epoch"])


def _mark_epoch(axes: Axes, epoch: float | None) -> None:
    if epoch is not None:
        label = f"best epoch ({epoch:.0f})"
        axes.axvline(epoch, color=FAINT, linestyle=":", linewidth=1.5, label=label)


def _bars(axes: Axes, bins: Sequence[Bin], heights: Sequence[float], **style: Any) -> None:
    middles = [(part["low"] + part["high"]) / 2 for part in bins]
    axes.bar(middles, heights, 0.92 / BINS, color=BLUE, alpha=0.85, **style)


def _axis_start(lowest: float) -> float:
    """Return the largest of a few round shares that leaves room below `lowest`."""
    return next((start for start in (0.95, 0.9, 0.8, 0.5) if lowest > start + 0.005), 0.0)


def _predictions(
    images: NDArray[np.uint8],
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    shown: NDArray[np.intp],
    title: str,
    heads: Sequence[str] = (),
) -> Figure:
    """`heads` has a line to stand above each caption, or nothing."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    captions = [caption(int(labels[i]), int(predicted[i]), float(confidence[i])) for i in shown]
    if heads:
        captions = [
            (f"{h}\n{text}", colour) for h, (text, colour) in zip(heads, captions, strict=True)
        ]
    return tiles(images[shown], captions, columns=COLUMNS, inches=1.55, title=title)
