"""What the gateway counts, in Prometheus' terms.

Labels come from short fixed lists: on a public port a label that a stranger chooses is a way to
fill the monitoring's memory.
"""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class GatewayMetrics:
    """The gateway's counters, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "pax_gateway_requests_total",
            "Requests answered, by provider and HTTP status",
            ["provider", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "pax_gateway_request_duration_seconds",
            "Time from a request's first byte to its answer",
            ["provider"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._received = Counter(
            "pax_gateway_received_bytes_total",
            "Bytes of request bodies, verified or not",
            ["provider"],
            registry=registry,
        )
        self._deliveries = Counter(
            "pax_gateway_landed_deliveries_total",
            "Deliveries durably in landing",
            ["channel"],
            registry=registry,
        )
        self._bytes = Counter(
            "pax_gateway_landed_bytes_total",
            "Bytes durably in landing",
            ["channel"],
            registry=registry,
        )
        self._landing = Histogram(
            "pax_gateway_landing_duration_seconds",
            "Time to make one object durable",
            buckets=_SECONDS,
            registry=registry,
        )
        self._sizes = Histogram(
            "pax_gateway_batch_deliveries",
            "Deliveries that shared an object",
            buckets=_SIZES,
            registry=registry,
        )
        self._failures = Counter(
            "pax_gateway_landing_failures_total",
            "Objects that could not be written",
            registry=registry,
        )
        self._waiting = Gauge(
            "pax_gateway_waiting_deliveries",
            "Verified deliveries that are not yet in landing",
            registry=registry,
        )

    def answered(self, provider: str, code: int, size: int, seconds: float) -> None:
        """Count one request. `provider` is twilio, whatsapp, sns or none."""
        self._requests.labels(provider, str(code)).inc()
        self._seconds.labels(provider).observe(seconds)
        self._received.labels(provider).inc(size)

    def landed(self, channel: str, deliveries: int, size: int, seconds: float) -> None:
        """Count one object that became durable."""
        self._deliveries.labels(channel).inc(deliveries)
        self._bytes.labels(channel).inc(size)
        self._landing.observe(seconds)
        self._sizes.observe(deliveries)

    def landing_failed(self) -> None:
        """Count one object that did not become durable."""
        self._failures.inc()

    def waiting(self, deliveries: int) -> None:
        """Show how many deliveries wait now."""
        self._waiting.set(deliveries)

    def exposition(self) -> bytes:
        """All metrics in the text format."""
        return generate_latest(self._registry)
