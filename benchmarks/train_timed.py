"""Our side of benchmarks/epoch.py: the product's own training, with a clock among its callbacks.

State saving, TensorBoard, history and the progress line lie inside the measured epochs. Prints
what it measured as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import keras
from rich.console import Console

from inkdigits.training import load_recipe, train


class EpochEnds(keras.callbacks.Callback):
    """Notes the clock at every epoch's end."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Note the clock."""
        self.ends.append(time.perf_counter())


def main() -> None:
    """Train and print the clock at each epoch's end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    recipe = load_recipe("early-stopping").override([f"training.epochs={options.epochs}"])
    clock = EpochEnds()
    run = train(
        recipe.with_seed(options.seed),
        out=options.out,
        data="mnist",
        callbacks=[clock],
        console=Console(stderr=True),
    )
    accuracy = run.evaluation["test_accuracy"]
    print(json.dumps({"epoch_ends": clock.ends, "test_accuracy": accuracy}))


if __name__ == "__main__":
    main()
