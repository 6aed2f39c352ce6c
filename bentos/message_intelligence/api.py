"""The HTTP contract: routes, limits and errors, as an ASGI app that BentoML mounts.

BentoML's own routes answer a validation error with 400 in a shape of their own, accept a pickle
content type, and answer unknown paths in plain text. Mounted at the root with a catch-all, this
app owns every path but BentoML's health routes, and answers every HTTP request in JSON.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from time import perf_counter

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos.message_intelligence.engine import Engine
from bentos.message_intelligence.metrics import CONTENT_TYPE
from bentos.message_intelligence.problems import Problem
from bentos.message_intelligence.schemas import MAX_BODY_BYTES

_log = logging.getLogger("pax.service")

# Every path of the service and what it allows; the health routes themselves are BentoML's.
METHODS = {
    "/v1/analyze": "POST",
    "/v1/lineage": "GET, HEAD",
    "/metrics": "GET, HEAD",
    "/healthz": "GET, HEAD",
    "/livez": "GET, HEAD",
    "/readyz": "GET, HEAD",
}
# A body beyond the limit is read to its end, so that the caller gets to read the answer, but
# only so far.
_DRAINED_BYTES = 8 * MAX_BODY_BYTES
# A body of the largest size arrives in this time over 3 Mbit/s.
BODY_SECONDS = 30


def create_app() -> Starlette:
    """The app. It answers once an `Engine` stands at `app.state.engine`."""
    return Starlette(
        routes=[
            Route("/v1/analyze", _analyze, methods=["POST"]),
            Route("/v1/lineage", _lineage, methods=["GET"]),
            Route("/metrics", _metrics, methods=["GET"]),
            Route("/{path:path}", _NoSuchRoute()),
        ],
        middleware=[Middleware(_Answering)],
    )


async def _analyze(request: Request) -> Response:
    engine: Engine = request.app.state.engine
    _require_json(request)
    # Before a place is taken: who sends slowly must not keep others out.
    body = await _read_body(request)
    engine.admit()
    try:
        return Response(await engine.answer(body), media_type="application/json")
    finally:
        engine.leave()


async def _lineage(request: Request) -> Response:
    engine: Engine = request.app.state.engine
    return JSONResponse(engine.release.to_dict())


def _metrics(request: Request) -> Response:
    engine: Engine = request.app.state.engine
    return Response(engine.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


class _NoSuchRoute:
    """Every other path, and every other method of the paths above."""

    async def __call__(self, scope: Scope, *_: object) -> None:
        allowed = METHODS.get(scope["path"])
        if allowed is None:
            raise Problem(
                404, "no-such-route", f"there is no such path; there are {', '.join(METHODS)}"
            )
        raise Problem(
            405,
            "method-not-allowed",
            f"{scope['path']} does not take {scope['method']}; it takes {allowed}",
            headers={"Allow": allowed},
        )


def _require_json(request: Request) -> None:
    given = request.headers.get("content-type", "")
    media_type, *parameters = (part.strip().lower() for part in given.split(";"))
    charset = [p.partition("=")[2].strip('" ') for p in parameters if p.startswith("charset=")]
    if media_type != "application/json" or any(c not in {"utf-8", "utf8"} for c in charset):
        raise Problem(
            415,
            "not-json",
            "the body must be JSON in UTF-8: send it with Content-Type: application/json",
            headers={"Accept": "application/json"},
        )
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(415, "encoded", "the body must not be compressed: send it as it is")


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= MAX_BODY_BYTES:
                    body += chunk
                elif size > _DRAINED_BYTES:
                    break
    except TimeoutError:
        raise Problem(
            408,
            "body-too-slow",
            f"the body did not arrive within {BODY_SECONDS} seconds: send it again",
            headers={"Connection": "close"},
        ) from None
    if size > MAX_BODY_BYTES:
        raise Problem(
            413,
            "too-large",
            f"the body has more than {MAX_BODY_BYTES:,} bytes: send several requests",
            headers={"Connection": "close"},
        )
    return bytes(body)


class _Answering:
    """Turns every failure into a problem document, and counts the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        code = 0

        async def watched(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Problem as problem:
            await problem.response()(scope, receive, watched)
        except ClientDisconnect:
            code = 499  # nobody is left to answer; the number is nginx's
        except Exception as error:
            # No exc_info: the error's own message may quote a text.
            _log.error(describe(error))
            if code:
                raise
            failure = Problem(
                500, "internal", "the service failed on this request; its log says where"
            )
            await failure.response()(scope, receive, watched)
        route = scope["path"] if scope["path"] in METHODS else "other"
        engine: Engine = scope["app"].state.engine
        engine.metrics.answered(route, code, perf_counter() - started)


def describe(error: BaseException) -> str:
    """An error's type and where it happened, without its message, which may quote a text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
    return f"{type(error).__name__} at {where}"
