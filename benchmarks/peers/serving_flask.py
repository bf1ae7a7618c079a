"""The peer: a Flask service around the classic network, as people write it.

Pillow opens the image; it becomes grey, 28×28 and bright on dark, is divided by 255, and goes
through `model.predict`. KERAS_MODEL names the `.keras` file. Run as a script it is served by
Werkzeug, with threads and keep-alive; `create_app` is for gunicorn and waitress. It runs in the
peer's own environment and knows nothing of inkdigits.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from flask import Flask, jsonify, request
from PIL import Image
from werkzeug.serving import WSGIRequestHandler


class QuietHandler(WSGIRequestHandler):
    """Keeps connections alive, and does not write a line for each request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        """Say nothing."""


def prepare(content: bytes) -> np.ndarray:
    """Return an image file as float32 (1, 784) in 0–1, ink bright."""
    page = Image.open(io.BytesIO(content)).convert("L").resize((28, 28))
    pixels = np.asarray(page, np.float32)
    if pixels.mean() > 127:
        pixels = 255 - pixels
    return pixels.reshape(1, 784) / 255


def create_app() -> Flask:
    """Return the service, its model loaded and warm."""
    app = Flask(__name__)
    model = keras.models.load_model(os.environ["KERAS_MODEL"])
    model.predict(np.zeros((1, 784), np.float32), verbose=0)

    def healthz() -> str:
        return str(os.getpid())

    def predict() -> Any:
        probabilities = model.predict(prepare(request.get_data()), verbose=0)[0]
        digit = int(probabilities.argmax())
        return jsonify(digit=digit, confidence=float(probabilities[digit]))

    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/predict", view_func=predict, methods=["POST"])
    return app


if __name__ == "__main__":
    create_app().run("127.0.0.1", int(sys.argv[1]), threaded=True, request_handler=QuietHandler)
