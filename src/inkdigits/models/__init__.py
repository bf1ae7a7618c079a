"""Keras networks, one file each, and how they are saved, loaded and turned into ONNX.

Importing this room chooses JAX below Keras, unless KERAS_BACKEND names another engine: Keras
settles it at its own first import. TensorFlow settles just so whether it computes with oneDNN; left
to itself it does only where the processor has instructions for networks, yet elsewhere, too, a
convolutional network trains 1.6 times as fast with it.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
