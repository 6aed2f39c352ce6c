"""The BentoML service: packaging, supervision and health around the app in `api.py`.

BentoML loads models lazily and would let the first caller wait for it; here the model is loaded
and warmed up before the service is ready. One service and no API methods of BentoML's own, so
that there is no route that takes anything but JSON (CVE-2025-27520 and those like it).
"""

from __future__ import annotations

import os
from pathlib import Path

import bentoml

from bentos.message_intelligence.api import create_app
from bentos.message_intelligence.engine import Engine, Release
from bentos.message_intelligence.metrics import ServiceMetrics

RELEASE = Release.read(Path(__file__).with_name("release.json"))

app = create_app()


@bentoml.service(
    name="message_intelligence",
    workers=1,
    traffic={"timeout": 300},
    metrics={"enabled": False},  # metrics.py says why
)
@bentoml.asgi_app(app, path="/")
class MessageIntelligence:
    """Finds entities, events and relations in messages."""

    model = bentoml.models.BentoModel(RELEASE.model_tag)

    def __init__(self) -> None:
        # Imported here because the supervisor imports this module too, and needs no runtime.
        from pax_assets.inference.runtime import Runtime

        threads = int(os.environ.get("PAX_THREADS") or 0)
        runtime = Runtime.load(
            Path(self.model.path), RELEASE.variant, threads, region=RELEASE.region
        )
        app.state.engine = Engine(runtime, RELEASE, ServiceMetrics(RELEASE.model_version))
        self._ready = True

    def __is_ready__(self) -> bool:
        """True once the model has answered: BentoML's `/readyz`."""
        return self._ready
