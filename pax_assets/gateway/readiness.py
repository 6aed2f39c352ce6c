"""Whether landing can be written, asked at most every few seconds however often somebody asks.

Each answer costs a write, and the path is as public as the others.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

from pax_assets.gateway.landing_writer import LandingWriter
from pax_assets.gateway.logs import describe

_KEPT_SECONDS = 5.0
_PROBE_SECONDS = 10.0

_log = logging.getLogger("pax.gateway")


class Readiness:
    """Probes landing and remembers the outcome for a moment."""

    def __init__(self, landing: LandingWriter, kept_seconds: float = _KEPT_SECONDS) -> None:
        self._landing = landing
        self._kept = kept_seconds
        self._asked_at = float("-inf")
        self._writable = False
        self._one_at_a_time = asyncio.Lock()

    async def is_writable(self) -> bool:
        """Whether an object could be written now, or within the last few seconds."""
        async with self._one_at_a_time:
            if monotonic() - self._asked_at > self._kept:
                self._writable = await self._probe()
                self._asked_at = monotonic()
        return self._writable

    async def _probe(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await asyncio.to_thread(self._landing.probe)
        except Exception as error:  # noqa: BLE001 - whatever it is, landing is not writable
            _log.error("landing cannot be written", extra={"pax": {"cause": describe(error)}})
            return False
        return True
