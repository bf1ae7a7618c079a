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

FORMAT = 1
INPUT_NAME = "images"
OUTPUT_NAME = "probabilities"
DIGIT_LABELS = [str(digit) for digit in range(10)]
PREFIX = "inkdigits."


@dataclass(frozen=True)
class Metadata:
    """The self-description of an artefact.

    `labels` name the outputs in order; `imaging_version` is the framing the model was made for;
    `temperature` was fitted on val and is already applied inside the graph; a reading whose
    confidence is below `reject_threshold` (0–1) is rejected as unsure; `recipe` is the resolved
    TOML; `data_sha256` identifies the training data; `scores` maps names to figures.
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
    format: int = FORMAT


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
        missing = sorted(names - values.keys())
        if missing:
            # A file that was cut off between two entries is still valid ONNX.
            raise ModelRefused(
                f"this artefact's metadata lacks {', '.join(missing)}: is the file cut off?",
                "Copy or export it again.",
            )
        return check(Metadata(**{name: values[name] for name in names}))
    except (TypeError, ValueError) as error:
        raise ModelRefused(f"this artefact's metadata cannot be read: {error}.") from error


def check(metadata: Metadata) -> Metadata:
    """Return `metadata` when its values make sense; raises ValueError otherwise."""
    if not metadata.temperature > 0:
        raise ValueError(f"temperature must be positive, got {metadata.temperature!r}")
    if not 0 <= metadata.reject_threshold <= 1:
        raise ValueError(f"reject_threshold must be 0–1, got {metadata.reject_threshold!r}")
    if not all(isinstance(label, str) for label in metadata.labels):
        raise ValueError(f"labels must be texts, got {metadata.labels!r}")
    return metadata
