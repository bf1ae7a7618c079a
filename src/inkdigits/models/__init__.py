"""Keras networks, one file each, and how they are saved, loaded and turned into ONNX.

Importing this room chooses JAX below Keras, unless KERAS_BACKEND names another engine: Keras
settles it at its own first import.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
