"""The report of a run: one HTML file that needs no script, no network and no other file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib import resources
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from inkdigits.evaluation.gallery import Gallery, Misread
from inkdigits.evaluation.measure import Bin
from inkdigits.files import write_text

NOT_COMPARABLE = (
    "This score does not compare with published MNIST figures: it was measured on other images."
)
ALT_TEXTS = {
    "confusion": "Heat map of the confusion matrix; the same counts stand in the table below it",
    "digits": "Bars of the accuracy of each digit; the same figures stand in the table beside it",
    "curves": "Loss and accuracy of train and val over the epochs, the best epoch marked",
    "predictions": "Grid of the first test images with true label, prediction and confidence",
    "mistakes": "Grid of the misread images in which the model was most confident",
    "reliability": "Accuracy by confidence in 15 bins, above a histogram of confidence",
    "coverage": "Error among the most confident readings, by the share of images answered",
    "robustness": "Digits under each corruption, beside bars of the error; the same in the table",
}


def write_report(  # noqa: PLR0913 (a report has ten parts, all but the path by keyword)
    path: Path,
    *,
    title: str,
    recipe_text: str,
    environment: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    plots: Mapping[str, Path | bytes],
    saved: Sequence[Mapping[str, Any]],
    gallery: Gallery | None = None,
    notice: str = "",
) -> None:
    """Write report.html: what the model scores, where it errs, and how it was made.

    `evaluation`: the content of evaluation.json (`evaluation_dict`), with `against` (a Paired as
    dict, and `model`) and `robustness` (`robustness_dict`) where those were measured; `history`:
    one row an epoch, empty for a bare model; `plots`: PNGs, as files or bytes, by the names of
    `plot_report`, and "robustness"; others are shown at the end; `environment`: what to state, in
    order, a nested mapping on one line; `saved`: rows with file, format, size_bytes, accuracy,
    max_difference and same; `gallery`: the misread images, in place of the plot of mistakes.
    `notice` stands at the top; without one, `environment["comparable"]` = False puts the usual
    words there.
    The file is whole or not there at all; raises CannotWrite.
    """
    page = template("report.html.j2").render(
        title=title,
        recipe_text=recipe_text,
        facts=facts(environment),
        test=evaluation,
        right=sum(row[i] for i, row in enumerate(evaluation["confusion_matrix"])),
        splits=[name for name in ("train", "val", "test") if f"{name}_accuracy" in evaluation],
        mean_confidence=mean_confidence(evaluation["reliability"]),
        history=history,
        figures={name: figure(name, plot) for name, plot in plots.items()},
        known=ALT_TEXTS,
        saved=saved,
        gallery=gallery,
        against=evaluation.get("against"),
        robustness=evaluation.get("robustness"),
        notice=notice or (NOT_COMPARABLE if environment.get("comparable") is False else ""),
    )
    write_text(path, page)


def facts(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what to state of a training, as label and text."""
    return [(_label(key), _fact(key, value)) for key, value in environment.items()]


def mean_confidence(reliability: Sequence[Bin]) -> float:
    """Return the mean confidence, 0–1, over every example in the bins."""
    total = sum(part["count"] for part in reliability)
    return sum(part["count"] * (part["confidence"] or 0.0) for part in reliability) / max(1, total)


def template(name: str) -> Template:
    """Return the template called `name`, which finds its style as `style`."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": _percent,
        "points": _points,
        "size": _size,
        "cell": _cell,
        "digit": _digit_image,
        "label": _label,
    }
    folder = resources.files("inkdigits.evaluation")
    style = folder.joinpath("report_style.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)
    return environment.from_string(folder.joinpath(name).read_text(encoding="utf-8"))


def figure(name: str, plot: Path | bytes) -> Markup:
    """Return the <img> of a PNG, its size stated so that the page does not jump while it loads."""
    content = plot if isinstance(plot, bytes) else plot.read_bytes()
    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    tag = '<img alt="{}" width="{}" height="{}" src="data:image/png;base64,{}">'
    alt = ALT_TEXTS.get(name, name)
    return Markup(tag).format(alt, width, height, b64encode(content).decode())


def _digit_image(misread: Misread) -> Markup:
    """Return the <img> of a misread image, enlarged without smoothing by the page's style."""
    words = f"test image {misread.place}, labelled {misread.label}, read {misread.prediction}"
    tag = '<img class="digit" alt="{}" width="112" height="112" src="data:image/png;base64,{}">'
    return Markup(tag).format(words, b64encode(misread.png).decode())


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}".replace("-", "−")


def _size(count: int) -> str:
    if count < 1_000:
        return f"{count} bytes"
    if count < 1_000_000:
        return f"{count / 1_000:.1f} kB"
    return f"{count / 1_000_000:.2f} MB"


def _cell(value: Any, key: str) -> str:
    """Return one figure of the history or of the reload checks, as its column shows it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, str) and key in ("file", "format"):
        return value
    number = float(value)
    if "accuracy" in key and isfinite(number):
        return _percent(number)
    return f"{number:.4g}"


def _label(key: str) -> str:
    words = key.removesuffix("_seconds").replace("_", " ").replace("sha256", "SHA-256")
    return words[:1].upper() + words[1:]


def _fact(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and key.endswith("seconds"):
        return _duration(float(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(name, part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return " ".join(str(part) for part in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
