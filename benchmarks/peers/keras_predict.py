"""The peer: reading one image with a saved `.keras` file, as people write it.

Loads the model in TensorFlow, resizes the image to 28×28, divides by 255, and predicts. It runs
in the peer's own environment and knows nothing of inkdigits.
"""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from PIL import Image, ImageOps


def main() -> None:
    """Print the digit in the image."""
    model_file, image_file = sys.argv[1:]
    model = keras.models.load_model(model_file)
    page = ImageOps.invert(Image.open(image_file).convert("L")).resize((28, 28))
    pixels = np.asarray(page, np.float32).reshape(1, 784) / 255
    # A direct call: `model.predict` would first trace and compile a loop for this one image.
    probabilities = np.asarray(model(pixels, training=False))[0]
    print(int(probabilities.argmax()), float(probabilities.max()))


if __name__ == "__main__":
    main()
