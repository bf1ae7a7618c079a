"""Models of one's own: the bundled ones, changed so that it shows who reads."""

from __future__ import annotations

from pathlib import Path

import onnx

from inkdigits.artefact.metadata import PREFIX


def never_sure(bundled: Path, out: Path) -> Path:
    """Write a model that reads as `bundled` does and rejects everything as unsure; return `out`."""
    model = onnx.load(bundled)
    for entry in model.metadata_props:
        if entry.key == f"{PREFIX}reject_threshold":
            entry.value = "1.0"
    onnx.save(model, out)
    return out
