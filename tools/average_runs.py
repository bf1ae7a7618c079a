"""One `line` artefact whose weights are the weighted mean of several trainings' weights.

Trainings that went on from one network lie in one valley of low loss: their mean is better than
each of them (Wortsman et al., 2022, *Model soups*), and costs no more to run. Val, of the first
run, tells the accuracy, pages made of its digits the curve of error against coverage.

    python tools/average_runs.py runs/a=0.4 runs/b=0.4 old.onnx=0.2 --out line.onnx
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from inkdigits.artefact.points import as_whole
from inkdigits.data.dataset import split_val
from inkdigits.data.source import load_dataset
from inkdigits.evaluation.model_file import find_model
from inkdigits.evaluation.numbers import measure_numbers, read_crops
from inkdigits.files import write_bytes
from inkdigits.models.backend import set_up_keras
from inkdigits.models.export import export_onnx
from inkdigits.models.metadata import line_metadata
from inkdigits.models.start import start_from
from inkdigits.reading.line_engine import LineEngine
from inkdigits.training.careful import with_made_curve
from inkdigits.training.folder import RECIPE_FILE
from inkdigits.training.line import NUMBERS_FOLDER, build
from inkdigits.training.line_run import check_parity
from inkdigits.training.numbers import read_parts
from inkdigits.training.recipe import Recipe, load_recipe


def main() -> None:
    """Average, measure on val, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="+", metavar="RUN=WEIGHT", help="a run or an artefact")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    set_up_keras()
    shares = {Path(path): float(share) for path, share in split(options.parts)}
    folder = next(iter(shares))
    recipe = load_recipe(str(folder / RECIPE_FILE))
    model = averaged(recipe, shares)
    data = load_dataset(recipe.data.source)
    metadata = line_metadata(recipe=recipe.to_toml(), data_name=data.name, data_sha256=data.sha256)
    val = read_parts(sorted((folder / NUMBERS_FOLDER / "val").glob("*.npz")))
    content = export_onnx(model, metadata)
    check_parity(model, content, val)
    read = read_crops(LineEngine(content), val.images)
    labels = [as_whole(text) for text in val.texts]
    accuracy = measure_numbers(read.texts, labels, read.confidences.tolist()).accuracy
    _, digits = split_val(data.train, recipe.data.val_fraction)
    metadata = with_made_curve(metadata, content, digits, recipe.data.val_numbers)
    metadata = replace(metadata, scores={"val_accuracy": accuracy})
    write_bytes(options.out, export_onnx(model, metadata))
    Console().print(f"val accuracy {accuracy:.2%}, written to {options.out}")


def split(parts: list[str]) -> list[list[str]]:
    """Return path and weight of each part."""
    return [part.rsplit("=", 1) for part in parts]


def averaged(recipe: Recipe, shares: Mapping[Path, float]) -> Any:
    """Return the recipe's network with the mean of all weights, by their shares."""
    # Artefacts have batch normalisation folded in, as networks that start from one.
    model = build(replace(recipe, model=replace(recipe.model, start="bundled")))
    total = [np.zeros_like(weights) for weights in model.get_weights()]
    for path, share in shares.items():
        start_from(model, find_model(path, ["model.onnx"]))
        own = model.get_weights()
        total = [one + share * other for one, other in zip(total, own, strict=True)]
    model.set_weights([weights / sum(shares.values()) for weights in total])
    return model


if __name__ == "__main__":
    main()
