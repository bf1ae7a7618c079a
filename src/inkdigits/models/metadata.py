"""What the artefact of every single-digit model says about itself."""

from __future__ import annotations

from typing import Any

from inkdigits import __version__
from inkdigits.artefact.metadata import DIGIT_LABELS, INPUT_NAME, Metadata
from inkdigits.imaging import IMAGING_VERSION


def digit_metadata(**known: Any) -> Metadata:
    """Return the metadata of a model of uint8 (N, 28, 28) → the digits 0–9, plus what is known."""
    return Metadata(
        labels=DIGIT_LABELS,
        input_spec={"name": INPUT_NAME, "dtype": "uint8", "shape": ["N", 28, 28], "ink": "bright"},
        imaging_version=IMAGING_VERSION,
        package_version=__version__,
        **known,
    )
