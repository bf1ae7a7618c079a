"""Metrics of the service, in Prometheus's form."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from inkdigits.serving.reader_process import Answer

SECONDS = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 5, 10)
SHARES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


class Metrics:
    """What the service counts; each service has its own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "inkdigits_requests", "Requests to read, by status.", ["status"], registry=self.registry
        )
        self.seconds = Histogram(
            "inkdigits_request_seconds",
            "From the first byte to the answer.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.queue = Gauge(
            "inkdigits_queue", "Requests that wait or are read.", registry=self.registry
        )
        self.readings = Counter(
            "inkdigits_readings",
            "Images by what became of them: ok, a reason to reject, or error.",
            ["result"],
            registry=self.registry,
        )
        self.confidence = Histogram(
            "inkdigits_confidence",
            "Confidence of the readings that are ok.",
            buckets=SHARES,
            registry=self.registry,
        )

    def count(self, answer: Answer) -> None:
        """Count what became of one image."""
        self.readings.labels(answer.result).inc()
        if answer.result == "ok":
            self.confidence.observe(answer.confidence)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)
