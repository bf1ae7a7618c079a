"""The peer: images a second of Keras's own `predict` with the classic network on TensorFlow.

It runs in the peer's own environment and knows nothing of inkdigits. For each line on standard
input it predicts all test images once and prints the seconds; the batch size is the fastest of the
usual ones, tried first.
"""

from __future__ import annotations

import gzip
import os
import sys
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

BATCH_SIZES = (32, 256, 1024, 10_000)


def test_images(folder: Path) -> np.ndarray:
    """Return the test images as uint8 (10000, 784)."""
    packed = folder / "t10k-images-idx3-ubyte.gz"
    plain = folder / "t10k-images-idx3-ubyte"
    content = gzip.decompress(packed.read_bytes()) if packed.is_file() else plain.read_bytes()
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 784)


def classic_network() -> keras.Model:
    """Return the 784-128-64-10 network; its weights make no difference to its speed."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(128, "relu"),
            layers.Dropout(0.3),
            layers.Dense(64, "relu"),
            layers.Dropout(0.3),
            layers.Dense(10, "softmax"),
        ]
    )


def main() -> None:
    """Find the best batch size, then answer each line with the seconds of one pass."""
    images, model = test_images(Path(sys.argv[1])), classic_network()

    def predict(batch_size: int) -> float:
        started = time.perf_counter()
        # Scaling is part of it, as it is inside our artefact.
        model.predict(images.astype("float32") / 255, batch_size=batch_size, verbose=0)
        return time.perf_counter() - started

    best = min(BATCH_SIZES, key=lambda size: min(predict(size) for _ in range(3)))
    print(best, flush=True)
    for _ in sys.stdin:
        print(predict(best), flush=True)


if __name__ == "__main__":
    main()
