"""The peer: the classic recipe as people write it, with Keras on TensorFlow and `model.fit`.

784-128-64-10, ReLU, dropout 0.3 twice, Adam, batches of 128, the last 10 % of train as val, early
stopping on val loss with patience 5 and the best weights restored. It runs in the peer's own
environment, knows nothing of inkdigits, and prints what it measured as one line of JSON.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

BATCH = 128
# The usual ways to feed and compile the same training; benchmarks/epoch.py finds the fastest.
WAYS: dict[str, dict[str, Any]] = {
    "arrays": {},
    "arrays, jit_compile=True": {"jit_compile": True},
    "arrays, jit_compile=False": {"jit_compile": False},
    "tf.data": {"dataset": True},
    "arrays, steps_per_execution=32": {"steps_per_execution": 32},
    "tf.data, steps_per_execution=32": {"dataset": True, "steps_per_execution": 32},
}


class EpochEnds(keras.callbacks.Callback):
    """Notes the clock at every epoch's end."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Note the clock."""
        self.ends.append(time.perf_counter())


def read_idx(folder: Path, name: str, header: int) -> np.ndarray:
    """Return the bytes after the header of an IDX file, gzipped or not."""
    packed = folder / f"{name}.gz"
    content = gzip.decompress(packed.read_bytes()) if packed.is_file() else None
    return np.frombuffer(content or (folder / name).read_bytes(), np.uint8, offset=header)


def load_split(folder: Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images as float32 (N, 784) in 0–1 and labels as uint8 (N,)."""
    images = read_idx(folder, f"{prefix}-images-idx3-ubyte", 16).reshape(-1, 784)
    return images.astype("float32") / 255, read_idx(folder, f"{prefix}-labels-idx1-ubyte", 8)


def build(jit_compile: bool | str = "auto", steps_per_execution: int = 1) -> keras.Model:
    """Return the compiled network."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=jit_compile,
        steps_per_execution=steps_per_execution,
    )
    return model


def as_datasets(images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return train and val as tf.data pipelines, as TensorFlow's own guides build them."""
    boundary = int(len(images) * 0.9)
    train = tf.data.Dataset.from_tensor_slices((images[:boundary], labels[:boundary]))
    val = tf.data.Dataset.from_tensor_slices((images[boundary:], labels[boundary:]))
    return {
        "x": train.cache().shuffle(boundary).batch(BATCH).prefetch(tf.data.AUTOTUNE),
        "validation_data": val.batch(BATCH).cache().prefetch(tf.data.AUTOTUNE),
    }


def fit(
    images: np.ndarray, labels: np.ndarray, way: str, epochs: int, patience: int
) -> tuple[keras.Model, Any, list[float]]:
    """Train and return the model, Keras's history and the clock at each epoch's end."""
    settings = dict(WAYS[way])
    fed: dict[str, Any] = {"x": images, "y": labels, "batch_size": BATCH, "validation_split": 0.1}
    if settings.pop("dataset", False):
        fed = as_datasets(images, labels)
    clock = EpochEnds()
    callbacks: list[keras.callbacks.Callback] = [clock]
    if patience:
        callbacks.append(
            keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
        )
    model = build(**settings)
    # No progress output: the best case for the peer.
    history = model.fit(**fed, epochs=epochs, callbacks=callbacks, verbose=0)
    return model, history, clock.ends


def write_up(
    model: keras.Model, history: Any, test: tuple[np.ndarray, np.ndarray], out: Path
) -> float:
    """Save, evaluate and draw what the write-ups of this recipe do; return the test accuracy."""
    from sklearn.metrics import classification_report, confusion_matrix

    images, labels = test
    out.mkdir(parents=True, exist_ok=True)
    model.save(out / "model.keras")
    _, accuracy = model.evaluate(images, labels, verbose=0)
    predictions = model.predict(images, verbose=0).argmax(axis=1)
    report = classification_report(labels, predictions)
    (out / "classification_report.txt").write_text(report, encoding="utf-8")
    draw(confusion_matrix(labels, predictions), history.history, out)
    return float(accuracy)


def draw(confusion: np.ndarray, curves: dict[str, list[float]], out: Path) -> None:
    """Draw the confusion heat map and the curves of loss and accuracy as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axes = plt.subplots(figsize=(8, 7))
    sns.heatmap(confusion, annot=True, fmt="d", cmap="Blues", ax=axes)
    axes.set(xlabel="Predicted", ylabel="True")
    figure.savefig(out / "confusion.png")
    figure, both = plt.subplots(1, 2, figsize=(12, 4))
    for axes, name in zip(both, ("loss", "accuracy"), strict=True):
        axes.plot(curves[name], label="train")
        axes.plot(curves[f"val_{name}"], label="val")
        axes.set(xlabel="Epoch", ylabel=name)
        axes.legend()
    figure.savefig(out / "curves.png")


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the four IDX files")
    parser.add_argument("--out", type=Path, help="save, evaluate and draw into this folder")
    parser.add_argument("--way", choices=WAYS, default="arrays")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--patience", type=int, default=5, help="0: no early stopping")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Train, write up where asked to, and print the measurements."""
    options = parse()
    keras.utils.set_random_seed(options.seed)
    images, labels = load_split(options.data, "train")
    model, history, ends = fit(images, labels, options.way, options.epochs, options.patience)
    result: dict[str, Any] = {"epoch_ends": ends, "epochs": len(ends)}
    if options.out is not None:
        test = load_split(options.data, "t10k")
        result["test_accuracy"] = write_up(model, history, test, options.out)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
