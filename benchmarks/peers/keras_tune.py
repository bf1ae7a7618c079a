"""The peer of a search: the same trials in Optuna over plain Keras on TensorFlow and `model.fit`.

The parameters come as a JSON list and are enqueued, as Optuna's users do to run given trials; no
pruning, no early stopping, so that both sides train as many epochs. It runs in the peer's own
environment, knows nothing of inkdigits, and prints what it measured as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

# Chooses the engine below Keras before Keras is imported.
from keras_tensorflow import BATCH, load_split

import keras  # isort: skip
import numpy as np
import optuna

RANGES = {
    "model.dropout": (0.05, 0.5),
    "training.learning_rate": (0.0003, 0.01),
    "training.weight_decay": (0.01, 0.5),
}
WIDTHS, BATCHES, SCHEDULES = [128, 256, 512], [BATCH, 2 * BATCH], ["constant", "cosine"]


def propose(trial: optuna.Trial) -> dict[str, Any]:
    """Return the trial's parameters from the same space as the recipe's, but for the epochs."""
    return {
        "width": trial.suggest_categorical("model.hidden.width", WIDTHS),
        "depth": trial.suggest_int("model.hidden.depth", 1, 3),
        "dropout": trial.suggest_float("model.dropout", *RANGES["model.dropout"]),
        "batch": trial.suggest_categorical("training.batch_size", BATCHES),
        "schedule": trial.suggest_categorical("training.schedule", SCHEDULES),
        "rate": trial.suggest_float(
            "training.learning_rate", *RANGES["training.learning_rate"], log=True
        ),
        "decay": trial.suggest_float(
            "training.weight_decay", *RANGES["training.weight_decay"], log=True
        ),
    }


def build(settings: dict[str, Any], steps: int, jit_compile: bool | str) -> keras.Model:
    """Return the compiled network of a trial, which takes so many steps."""
    layers: list[Any] = [keras.Input((784,))]
    for number in range(settings["depth"]):
        layers.append(keras.layers.Dense(settings["width"] >> number, activation="relu"))
        layers.append(keras.layers.Dropout(settings["dropout"]))
    layers.append(keras.layers.Dense(10, activation="softmax"))
    rate = settings["rate"]
    if settings["schedule"] == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings["decay"])
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(
        optimizer=optimizer,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    return model


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the four IDX files")
    parser.add_argument("--trials", type=Path, required=True, help="JSON list of parameters")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--jit", choices=("auto", "on", "off"), default="auto")
    return parser.parse_args()


def main() -> None:
    """Run the trials and print their val losses."""
    options = parse()
    jit: bool | str = {"auto": "auto", "on": True, "off": False}[options.jit]
    images, labels = load_split(options.data, "train")
    n = int(len(images) * 0.9)

    def objective(trial: optuna.Trial) -> float:
        settings = propose(trial)
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        steps = options.epochs * math.ceil(n / settings["batch"])
        history = build(settings, steps, jit).fit(
            images, labels, batch_size=settings["batch"], validation_split=0.1,
            epochs=options.epochs, verbose=0,
        )  # fmt: skip
        return float(history.history["val_loss"][-1])

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize")
    trials = json.loads(options.trials.read_text(encoding="utf-8"))
    for parameters in trials:
        study.enqueue_trial(parameters)
    study.optimize(objective, n_trials=len(trials))
    losses = np.array([trial.value for trial in study.trials])
    print(json.dumps({"val_losses": losses.tolist()}))


if __name__ == "__main__":
    main()
