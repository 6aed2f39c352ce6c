"""From the bytes of a request to the bytes of its answer, off the event loop.

Inference keeps the processor busy for as long as the texts are long. Run on the event loop it
would stop health checks and every other caller; run on many threads it would run slower than on
one, because the runtime already uses every core. So: one thread, and a bounded queue before it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bentos.message_intelligence.metrics import ServiceMetrics
from bentos.message_intelligence.problems import Problem
from bentos.message_intelligence.schemas import parse_analyze_request
from pax_assets.nlp.documents import Analysis

MAX_WAITING = 64


class AnalysesTexts(Protocol):
    """What the engine needs of a runtime: an analysis for each text, in order."""

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        """Analyse `texts`."""
        ...


@dataclass(frozen=True, slots=True)
class Release:
    """Which model a Bento serves, as `release.json` in the Bento says."""

    bento: str
    model_tag: str
    model_version: str
    variant: str
    # Of phone numbers without a country code, as in batch scoring.
    region: str
    lineage: dict[str, Any]

    @classmethod
    def read(cls, file: Path) -> Release:
        """Read `release.json`; `FileNotFoundError` says that this is no built Bento."""
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{file} is missing: the service runs from a Bento, which the asset "
                "message_intelligence_bento builds; the source folder alone holds no model"
            ) from None
        return cls(**content)

    def to_dict(self) -> dict[str, Any]:
        """What `/v1/lineage` answers: the model's lineage, and what is served of it."""
        return {
            **self.lineage,
            "model_version": self.model_version,
            "variant": self.variant,
            "region": self.region,
            "bento": self.bento,
        }


class Engine:
    """One runtime, the thread that runs it, and the count of those who wait for it."""

    def __init__(self, runtime: AnalysesTexts, release: Release, metrics: ServiceMetrics) -> None:
        self.release = release
        self.metrics = metrics
        self._runtime = runtime
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="analyze")
        self._waiting = 0

    def admit(self) -> None:
        """Take a place in the queue; `Problem` 429 when it is full. Pair with `leave`."""
        if self._waiting >= MAX_WAITING:
            raise Problem(
                429,
                "busy",
                f"{MAX_WAITING} requests are waiting already: try again in a moment",
                headers={"Retry-After": "1"},
            )
        self._waiting += 1

    def leave(self) -> None:
        """Give the place back."""
        self._waiting -= 1

    async def answer(self, body: bytes) -> bytes:
        """The JSON answer to the JSON request `body`; `Problem` where it is not one."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._answer, body)

    def _answer(self, body: bytes) -> bytes:
        request = parse_analyze_request(body)
        texts = [message.text for message in request.messages]
        analyses = self._runtime.analyze(texts)
        version = self.release.model_version
        results = [
            {
                "message_id": str(position) if message.id is None else message.id,
                "model_version": version,
                **analysis.to_dict(),
            }
            for position, (message, analysis) in enumerate(
                zip(request.messages, analyses, strict=True)
            )
        ]
        answer = json.dumps(
            {"model_version": version, "results": results},
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        ).encode()
        self.metrics.analysed(texts, analyses)
        return answer
