"""The peer: LitServe around an ONNX file that reads uint8 (N, 28, 28).

OpenCV decodes the image and resizes it to 28×28; with batches, one run reads several. With
`--reader` it serves inkdigits' own reader instead, for the same answers. It runs in the peer's own
environment.
"""

# No `from __future__ import annotations`: LitServe reads the annotation of `decode_request`.
import argparse
from typing import Annotated, Any

import cv2
import litserve
import numpy as np
import onnxruntime
from fastapi import Body

Content = Annotated[bytes, Body(media_type="image/png")]
"""The raw body: cheaper than the usual form, and than base64 in JSON."""


class DigitApi(litserve.LitAPI):  # type: ignore[misc]
    """Decodes, resizes and runs."""

    def __init__(self, model: str, threads: int, **others: Any) -> None:
        super().__init__(**others)
        self.model_file, self.threads = model, threads

    def setup(self, _device: str) -> None:
        """Load the model in the worker."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        # Spinning threads would take the cores from the service's other processes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            self.model_file, options, providers=["CPUExecutionProvider"]
        )

    def decode_request(self, request: Content) -> np.ndarray:
        """Return uint8 (28, 28), ink bright."""
        grey = cv2.imdecode(np.frombuffer(request, np.uint8), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise ValueError("this is no image")
        small = cv2.resize(grey, (28, 28), interpolation=cv2.INTER_AREA)
        return 255 - small if small.mean() > 127 else small

    def predict(self, images: np.ndarray) -> Any:
        """Return the probabilities of one image, or of a batch."""
        batch = images if images.ndim == 3 else images[None]
        found = self.session.run(["probabilities"], {"images": batch})[0]
        return found if images.ndim == 3 else found[0]

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        """Return digit and confidence."""
        digit = int(output.argmax())
        return {"digit": digit, "confidence": float(output[digit])}


class ReaderApi(litserve.LitAPI):  # type: ignore[misc]
    """Reads with inkdigits."""

    def setup(self, _device: str) -> None:
        """Load the reader in the worker."""
        from inkdigits.reading.reader import Reader

        self.reader = Reader(layout="digit")

    def decode_request(self, request: Content) -> bytes:
        """Return the image as it came."""
        return request

    def predict(self, content: Any) -> Any:
        """Return the reading of one image, or of each in a batch."""
        if isinstance(content, list):
            return [self.reader.read_or_error(one, "image").to_dict() for one in content]
        return self.reader.read_or_error(content, "image").to_dict()

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Return the reading."""
        return output


def main() -> None:
    """Serve at 127.0.0.1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("port", type=int)
    parser.add_argument("--reader", action="store_true")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--wait", type=float, default=0.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--api-servers", type=int, default=1)
    parser.add_argument("--fast-queue", action="store_true")
    given = parser.parse_args()
    batching = {"max_batch_size": given.batch, "batch_timeout": given.wait}
    api: Any = (
        ReaderApi(**batching) if given.reader else DigitApi(given.model, given.threads, **batching)
    )
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        devices=1,
        workers_per_device=given.workers,
        fast_queue=given.fast_queue,
    )
    server.run(
        host="127.0.0.1",
        port=given.port,
        num_api_servers=given.api_servers,
        log_level="warning",
        generate_client_file=False,
    )


if __name__ == "__main__":
    main()
