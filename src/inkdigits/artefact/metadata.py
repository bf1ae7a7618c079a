"""What an artefact says about itself: the `metadata_props` of its ONNX file.

Everything that the weights need to be used rightly travels with them, as text, never as code.
Only the standard library is used here, because both towers read this page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from inkdigits.errors import ModelRefused

FORMAT = 4
ADDED_IN_2 = frozenset({"not_a_digit_threshold", "val_curve", "val_n"})
ADDED_IN_3 = frozenset({"parent_sha256"})
CAREFUL_SINCE = 4
"""Before, the curve of a model for whole numbers was of single looks: no threshold to go by now."""
INPUT_NAME = "images"
OUTPUT_NAME = "probabilities"
NOT_A_DIGIT_NAME = "not_a_digit"
"""The second, optional output: float32 (N,), the probability 0–1 that an image is no digit."""
DIGIT_LABELS = [str(digit) for digit in range(10)]
OTHER = "?"
"""A sign that is no digit and makes what stands around it no whole number."""
POINT = "."
"""A point or comma: what stands behind it tells whether it parts thousands or makes a decimal."""
LINE_LABELS = [*DIGIT_LABELS, OTHER, POINT, ""]
"""What the steps of a whole number are: a digit, another sign, a point, or nothing."""
LINE_BLANK = len(LINE_LABELS) - 1
"""The class between digits (Graves et al., 2006)."""
LINE_STEP = 2
"""Columns of a crop to one step of the network."""
MOST_NETWORKS = 4
"""So many networks an artefact for whole numbers may hold."""
PREFIX = "inkdigits."


def output_name(number: int) -> str:
    """Return what the output of network `number`, from 1, is called."""
    return OUTPUT_NAME if number == 1 else f"{OUTPUT_NAME}_{number}"


@dataclass(frozen=True)
class Metadata:
    """The self-description of an artefact.

    `labels` name the outputs in order; `imaging_version` is the framing the model was made for;
    `temperature` was fitted on val and is already applied inside the graph; a reading whose
    confidence is below `reject_threshold` (0–1) is rejected as unsure; `recipe` is the resolved
    TOML; `data_sha256` identifies the training data; `scores` maps names to figures. An image whose
    probability of being no digit is above `not_a_digit_threshold` is rejected (1: none ever is).
    `parent_sha256` is that of the file it was adapted from, empty for none.
    `val_curve` is what `selective.risk_coverage` made of the `val_n` digits of val, or of numbers
    made of them and read in all looks; empty and 0 where val was not measured.
    """

    labels: list[str]
    input_spec: dict[str, Any]
    imaging_version: int
    temperature: float = 1.0
    reject_threshold: float = 0.0
    recipe: str = ""
    data_name: str = ""
    data_sha256: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    package_version: str = ""
    not_a_digit_threshold: float = 1.0
    val_curve: list[list[float]] = field(default_factory=list)
    val_n: int = 0
    format: int = FORMAT
    parent_sha256: str = ""


def to_props(metadata: Metadata) -> dict[str, str]:
    """Return `metadata` as the flat text mapping that ONNX stores, each value as JSON."""
    return {
        PREFIX + name: json.dumps(value, sort_keys=True) for name, value in asdict(metadata).items()
    }


def from_props(props: Mapping[str, str]) -> Metadata:
    """Parse ONNX `metadata_props`; raises ModelRefused when they are missing, torn or too new."""
    names = {f.name for f in fields(Metadata)}
    try:
        values = {
            key.removeprefix(PREFIX): json.loads(text)
            for key, text in props.items()
            if key.startswith(PREFIX)
        }
        if not values:
            raise ModelRefused(
                "this ONNX file is not an inkdigits artefact: it has no inkdigits metadata.",
                "Make one with `inkdigits export RUN -o FILE`.",
            )
        if int(values.get("format", 0)) > FORMAT:
            raise ModelRefused(
                f"this artefact has format {values['format']}, this version reads up to {FORMAT}.",
                "Upgrade inkdigits.",
            )
        if int(values.get("format", FORMAT)) < 2:
            names -= ADDED_IN_2
        if int(values.get("format", FORMAT)) < 3:
            names -= ADDED_IN_3
        missing = sorted(names - values.keys())
        if missing:
            # A file that was cut off between two entries is still valid ONNX.
            raise ModelRefused(
                f"this artefact's metadata lacks {', '.join(missing)}: is the file cut off?",
                "Copy or export it again.",
            )
        if int(values.get("format", FORMAT)) < CAREFUL_SINCE and values["labels"] == LINE_LABELS:
            values |= {"val_curve": [], "val_n": 0}
        return check(Metadata(**{name: values[name] for name in names}))
    except (TypeError, ValueError) as error:
        raise ModelRefused(f"this artefact's metadata cannot be read: {error}.") from error


def check(metadata: Metadata) -> Metadata:
    """Return `metadata` when its values make sense; raises ValueError otherwise."""
    if not metadata.temperature > 0:
        raise ValueError(f"temperature must be positive, got {metadata.temperature!r}")
    if not 0 <= metadata.reject_threshold <= 1:
        raise ValueError(f"reject_threshold must be 0–1, got {metadata.reject_threshold!r}")
    if not 0 <= metadata.not_a_digit_threshold <= 1:
        raise ValueError(
            f"not_a_digit_threshold must be 0–1, got {metadata.not_a_digit_threshold!r}"
        )
    if metadata.val_curve:
        check_curve(metadata.val_curve, metadata.val_n)
    if not all(isinstance(label, str) for label in metadata.labels):
        raise ValueError(f"labels must be texts, got {metadata.labels!r}")
    return metadata


def check_curve(curve: list[list[float]], n: int) -> None:
    """Raise ValueError unless each row accepts more than the last, of `n` in all, and errs less."""
    above, before, errors = 1.0, 0.0, 0.0
    for row in curve:
        threshold, accepted, wrong = row
        sound = 0 <= threshold <= above and before < accepted <= n and errors <= wrong <= accepted
        if not sound:
            raise ValueError(f"val_curve has an unsound row, {row!r}, of {n!r} examples")
        above, before, errors = threshold, accepted, wrong
