"""What the service counts, in Prometheus' terms.

BentoML's own traffic metrics carry the path that was asked as a label. On a reachable port that
grows without bound (each probed path is a new series, kept until the process ends), so they are
off in `service.py` and these, whose labels come from short fixed lists, take their place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from pax_assets.nlp.documents import Analysis

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class ServiceMetrics:
    """The service's counters, in `registry` (the process's own unless a test brings one)."""

    def __init__(self, model_version: str, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._requests = Counter(
            "pax_requests_total",
            "Requests answered, by route and HTTP status",
            ["route", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "pax_request_duration_seconds",
            "Time from a request's first byte to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._messages = Counter("pax_messages_total", "Messages analysed", registry=registry)
        self._characters = Counter(
            "pax_characters_total", "Characters of the messages analysed", registry=registry
        )
        self._found = {
            layer: Counter(
                f"pax_{layer}_total", f"{layer.capitalize()} found", ["type"], registry=registry
            )
            for layer in ("entities", "events", "relations")
        }
        info = Gauge(
            "pax_model_info",
            "The model that answers; always 1",
            ["model_version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        info.labels(model_version=model_version).set(1)

    def answered(self, route: str, code: int, seconds: float) -> None:
        """Count one request. `route` is one of the service's own, or `other`."""
        self._requests.labels(route=route, code=str(code)).inc()
        self._seconds.labels(route=route).observe(seconds)

    def analysed(self, texts: Iterable[str], analyses: Iterable[Analysis]) -> None:
        """Count what was found in a batch."""
        for text in texts:
            self._messages.inc()
            self._characters.inc(len(text))
        for analysis in analyses:
            for layer, counter in self._found.items():
                for item in getattr(analysis, layer):
                    counter.labels(type=item.type).inc()

    def exposition(self) -> bytes:
        """All metrics in the text format, of every worker where BentoML runs several."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)
        return generate_latest(everyone)
