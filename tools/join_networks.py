"""One `line` artefact with several networks that were trained apart, best first.

Val's numbers, of a run, tell the accuracy that the artefact carries; pages made of val's digits the
curve of error against coverage.

    python tools/join_networks.py one.onnx two.onnx --val runs/one --out line.onnx
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from inkdigits.artefact.points import as_whole
from inkdigits.evaluation.numbers import measure_numbers, read_crops
from inkdigits.files import write_bytes
from inkdigits.models.backend import set_up_keras
from inkdigits.models.join import join_networks
from inkdigits.reading.line_engine import LineEngine


def main() -> None:
    """Join, measure on val, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("networks", nargs="+", type=Path, metavar="FILE", help="an artefact")
    parser.add_argument("--val", type=Path, required=True, metavar="RUN", help="whose val numbers")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    set_up_keras()
    from inkdigits.data.dataset import split_val
    from inkdigits.data.source import load_dataset
    from inkdigits.training.careful import with_made_curve
    from inkdigits.training.folder import RECIPE_FILE
    from inkdigits.training.line import NUMBERS_FOLDER
    from inkdigits.training.numbers import read_parts
    from inkdigits.training.recipe import load_recipe

    contents = [path.read_bytes() for path in options.networks]
    metadata = LineEngine(contents[0]).metadata
    joined = join_networks(contents, metadata)
    engine = LineEngine(joined)
    val = read_parts(sorted((options.val / NUMBERS_FOLDER / "val").glob("*.npz")))
    labels = [as_whole(text) for text in val.texts]
    read = read_crops(engine, val.images)
    accuracy = measure_numbers(read.texts, labels, read.confidences.tolist()).accuracy
    recipe = load_recipe(str(options.val / RECIPE_FILE))
    _, digits = split_val(load_dataset(recipe.data.source).train, recipe.data.val_fraction)
    metadata = with_made_curve(metadata, joined, digits, recipe.data.val_numbers)
    metadata = replace(metadata, scores={"val_accuracy": accuracy})
    write_bytes(options.out, join_networks(contents, metadata))
    Console().print(f"val accuracy {accuracy:.2%}, written to {options.out}")


if __name__ == "__main__":
    main()
