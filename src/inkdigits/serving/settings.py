"""Settings of the service: what it reads with, and what it takes from a stranger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inkdigits.errors import UsageError
from inkdigits.reading.cores import cores


@dataclass(frozen=True)
class ServiceSettings:
    """How the service works; the defaults suit a small machine.

    `model` is an ONNX artefact, None for the bundled ones; `api_key` is asked of who reads, and of
    who asks for the model. A request has at most `max_bytes` and `max_files`, an image at most
    `max_pixels`; it must arrive within `max_seconds`, and its decoding take no longer either.
    `workers` images are read at once; `queue` requests may wait for that, more are refused. Raises
    UsageError for values below 1, and for a key that no client can send.
    """

    model: Path | None = None
    api_key: str | None = None
    max_bytes: int = 16 * 1024 * 1024
    max_files: int = 32
    max_pixels: int = 50_000_000
    max_seconds: float = 10.0
    workers: int = 0
    queue: int = 64

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_files", "max_pixels", "max_seconds", "queue"):
            value = getattr(self, name)
            if not value >= 1:
                raise UsageError(f"{name.replace('_', '-')} must be at least 1, got {value}.")
        if self.workers < 0:
            raise UsageError(f"workers must be 0 (all cores) or more, got {self.workers}.")
        key = self.api_key
        if key is not None and not (key.strip() and key.isascii() and key.isprintable()):
            raise UsageError(
                f"the key of the service must be letters, digits and signs of ASCII, got {key!r}.",
                "Leave --api-key and INKDIGITS_API_KEY out to ask for none.",
            )

    @property
    def threads(self) -> int:
        """How many images are read at once."""
        return self.workers or cores()
