"""What the artefact of every model says about itself."""

from __future__ import annotations

from typing import Any

from inkdigits import __version__
from inkdigits.artefact.metadata import DIGIT_LABELS, INPUT_NAME, LINE_LABELS, Metadata
from inkdigits.imaging import IMAGING_VERSION
from inkdigits.imaging.line import HEIGHT


def digit_metadata(**known: Any) -> Metadata:
    """Return the metadata of a model of uint8 (N, 28, 28) → the digits 0–9, plus what is known."""
    return Metadata(
        labels=DIGIT_LABELS,
        input_spec={"name": INPUT_NAME, "dtype": "uint8", "shape": ["N", 28, 28], "ink": "bright"},
        imaging_version=IMAGING_VERSION,
        package_version=__version__,
        **known,
    )


def line_metadata(**known: Any) -> Metadata:
    """Return the metadata of a model of uint8 (N, 32, W) → steps, plus what is known."""
    shape = ["N", HEIGHT, "W"]
    return Metadata(
        labels=LINE_LABELS,
        input_spec={"name": INPUT_NAME, "dtype": "uint8", "shape": shape, "ink": "bright"},
        imaging_version=IMAGING_VERSION,
        package_version=__version__,
        **known,
    )
