"""Every request is answered in one form, counted and logged once.

Around the routes, so that a route says only what is wrong, and a failure that nobody foresaw is
still a problem document and a line in the log, without what the request held.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pax_assets.gateway.logs import describe
from pax_assets.gateway.metrics import GatewayMetrics
from pax_assets.gateway.problems import Problem

_PROVIDERS = {"/twilio": "twilio", "/whatsapp": "whatsapp", "/sns": "sns"}
# Nobody is left to answer; the number is nginx's.
_DISCONNECTED = 499

_log = logging.getLogger("pax.gateway")


class Answering:
    """Turns every failure into a problem document; counts and logs the request.

    `paths` are those that the log may name: any other could hold anything.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        code, refusal = 0, None

        async def watched(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Problem as problem:
            refusal = problem
        except ClientDisconnect:
            code = _DISCONNECTED
        except Exception as error:
            _log.error("the gateway failed", extra={"pax": {"cause": describe(error)}})
            if code:
                raise
            refusal = Problem(500, "internal", "the gateway failed on this request; see its log")
        if refusal is not None:
            await refusal.response()(scope, receive, watched)
        self._record(scope, code, refusal, perf_counter() - started)

    def _record(self, scope: Scope, code: int, refusal: Problem | None, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        size = scope.get("state", {}).get("body_bytes", 0)
        metrics: GatewayMetrics = scope["app"].state.gateway.metrics
        metrics.answered(_PROVIDERS.get(path, "none"), code, size, seconds)
        line = {
            "method": scope["method"] if scope["method"].isalpha() else "other",
            "path": path,
            "status": code,
            "bytes": size,
            "ms": round(seconds * 1000, 1),
            "client": (scope.get("client") or [None])[0],
        }
        if refusal is not None:
            line |= {"refusal": refusal.kind, "detail": refusal.detail}
        _log.info("request", extra={"pax": line})
