"""Reading a request's body within limits, before anybody knows who sends it.

The port is public: a stranger may send too much, too slowly, or from too many connections at
once. Each costs the stranger an answer and the gateway a bounded amount of memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from pax_assets.gateway.problems import Problem

BODY_SECONDS = 10.0
MAX_BUFFERED_BYTES = 256 * 1024 * 1024
# What a request costs before its first byte.
_OVERHEAD = 4096
# A body that is too large is read on, so that the caller gets to read the answer; but only so far.
_DRAINED_TIMES = 4


class Intake:
    """Hands out bodies, and counts what all of them together hold in memory."""

    def __init__(
        self,
        max_body_bytes: int,
        *,
        max_buffered_bytes: int = MAX_BUFFERED_BYTES,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._max_body = max_body_bytes
        self._max_buffered = max_buffered_bytes
        self._body_seconds = body_seconds
        self._buffered = 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body; its bytes count as held until the context ends.

        Raises `Problem`: 408 for a body that comes too slowly, 413 for one that is too large,
        429 where all bodies together are; and `ClientDisconnect`.
        """
        held = [0]
        try:
            self._hold(_OVERHEAD, held)
            try:
                async with asyncio.timeout(self._body_seconds):
                    body = await self._read(request, held)
            except TimeoutError:
                raise Problem(
                    408,
                    "body-too-slow",
                    f"the body did not arrive within {self._body_seconds:g} seconds: send it again",
                    {"Connection": "close"},
                ) from None
            request.state.body_bytes = len(body)
            yield body
        finally:
            self._buffered -= held[0]

    async def _read(self, request: Request, held: list[int]) -> bytes:
        body = bytearray()
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > _DRAINED_TIMES * self._max_body:
                break
            if size <= self._max_body:
                self._hold(len(chunk), held)
                body += chunk
        if size > self._max_body:
            raise Problem(
                413,
                "too-large",
                f"the body has more than {self._max_body:,} bytes",
                {"Connection": "close"},
            )
        return bytes(body)

    def _hold(self, size: int, held: list[int]) -> None:
        if self._buffered + size > self._max_buffered:
            raise Problem(
                429,
                "busy",
                "the bodies of other requests fill the gateway's memory: send it again later",
                {"Retry-After": "1", "Connection": "close"},
            )
        self._buffered += size
        held[0] += size
