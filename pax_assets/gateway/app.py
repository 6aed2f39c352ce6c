"""The gateway's routes: verify, land, then answer.

The order is the promise. Nothing lands that is not verified, and nothing is answered with 200
before it is durable; whatever fails in between is a refusal that makes the provider come again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from pax_assets.gateway import aws_requests
from pax_assets.gateway.answering import Answering
from pax_assets.gateway.aws_requests import Fetch, RefusedByAws
from pax_assets.gateway.batches import Batches
from pax_assets.gateway.intake import Intake
from pax_assets.gateway.landing_writer import LandingWriter
from pax_assets.gateway.metrics import CONTENT_TYPE, GatewayMetrics
from pax_assets.gateway.problems import Problem, forged, unavailable
from pax_assets.gateway.readiness import Readiness
from pax_assets.gateway.settings import GatewaySettings
from pax_assets.gateway.sns import Sns
from pax_assets.gateway.sns_certificates import Certificates
from pax_assets.gateway.twilio import ANSWER_TYPE, EMPTY_ANSWER, FORM_TYPE, JSON_TYPE, Twilio
from pax_assets.gateway.whatsapp import WhatsApp

METHODS = {
    "/twilio": "POST",
    "/whatsapp": "GET, POST",
    "/sns": "POST",
    "/metrics": "GET",
    "/livez": "GET",
    "/readyz": "GET",
}

_log = logging.getLogger("pax.gateway")
P = TypeVar("P")


async def _aws_get(url: str) -> bytes:
    return await asyncio.to_thread(aws_requests.get, url)


class Gateway:
    """What the routes share: the verifiers of the providers that are on, intake and landing."""

    def __init__(self, settings: GatewaySettings, landing: LandingWriter, fetch: Fetch) -> None:
        self.metrics = GatewayMetrics()
        self.intake = Intake(settings.gateway_max_body_bytes)
        self.landing = landing
        self.readiness = Readiness(landing)
        self.fetch = fetch
        self.batches = Batches(
            landing,
            self.metrics,
            window_seconds=settings.gateway_batch_ms / 1000,
            max_waiting=settings.gateway_max_waiting,
        )
        token, url = settings.twilio_auth_token, settings.gateway_url
        self.twilio = Twilio(token.get_secret_value(), url) if token and url else None
        secret, verify = settings.whatsapp_app_secret, settings.whatsapp_verify_token
        self.whatsapp = (
            WhatsApp(secret.get_secret_value(), verify.get_secret_value() if verify else None)
            if secret
            else None
        )
        topics = settings.sns_topics
        self.sns = Sns(topics, Certificates(fetch)) if topics else None

    @property
    def providers(self) -> dict[str, bool]:
        """Which providers are on."""
        return {name: getattr(self, name) is not None for name in ("twilio", "whatsapp", "sns")}


def create_app(
    settings: GatewaySettings, landing: LandingWriter, *, fetch: Fetch = _aws_get
) -> Starlette:
    """Return the app. `fetch` is how SNS is asked; tests bring their own."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        gateway = app.state.gateway = Gateway(settings, landing, fetch)
        _log.info("providers", extra={"pax": {"on": gateway.providers}})
        try:
            await asyncio.to_thread(landing.remove_leftovers)
        except OSError:
            _log.warning("landing cannot be read; /readyz tells when it can be written")
        yield
        await gateway.batches.close()

    return Starlette(
        routes=[
            Route("/twilio", _twilio, methods=["POST"]),
            Route("/whatsapp", _whatsapp, methods=["POST"]),
            Route("/whatsapp", _handshake, methods=["GET"]),
            Route("/sns", _sns, methods=["POST"]),
            Route("/metrics", _metrics, methods=["GET"]),
            Route("/livez", _livez, methods=["GET"]),
            Route("/readyz", _readyz, methods=["GET"]),
            Route("/{path:path}", _NoSuchRoute()),
        ],
        middleware=[Middleware(Answering, paths=tuple(METHODS))],
        lifespan=lifespan,
    )


async def _twilio(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    provider = _switched_on(gateway.twilio)
    media_type = _media_type(request, FORM_TYPE, JSON_TYPE)
    if "x-twilio-signature" not in request.headers:
        raise forged("there is no X-Twilio-Signature")
    async with gateway.intake.body(request) as body:
        delivery = provider.verify(_target(request), request.headers, media_type, body)
        await gateway.batches.land(delivery)
    return Response(EMPTY_ANSWER, media_type=ANSWER_TYPE)


async def _whatsapp(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    provider = _switched_on(gateway.whatsapp)
    _media_type(request, JSON_TYPE)
    if "x-hub-signature-256" not in request.headers:
        raise forged("there is no X-Hub-Signature-256")
    async with gateway.intake.body(request) as body:
        await gateway.batches.land(provider.verify(request.headers, body))
    return Response()


async def _handshake(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    challenge = _switched_on(gateway.whatsapp).challenge(request.query_params)
    return PlainTextResponse(challenge, headers={"X-Content-Type-Options": "nosniff"})


async def _sns(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    provider = _switched_on(gateway.sns)
    # SNS sends its JSON as text unless a delivery policy says otherwise.
    _media_type(request, "text/plain", JSON_TYPE)
    async with gateway.intake.body(request) as body:
        delivery = await provider.verify(body)
        await gateway.batches.land(delivery)
    if delivery.confirm:
        await _confirm(gateway, delivery.confirm)
    return Response()


async def _confirm(gateway: Gateway, url: str) -> None:
    try:
        await gateway.fetch(url)
    except (OSError, RefusedByAws) as error:
        _log.error(
            "a subscription could not be confirmed", extra={"pax": {"cause": type(error).__name__}}
        )
        raise unavailable("not-confirmed", "SNS did not take the confirmation") from None
    _log.info("a subscription was confirmed")


async def _metrics(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    return Response(gateway.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


async def _livez(_: Request) -> Response:
    return PlainTextResponse("alive\n")


async def _readyz(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    if not await gateway.readiness.is_writable():
        raise unavailable("landing-unwritable", "landing cannot be written")
    return PlainTextResponse("ready\n")


class _NoSuchRoute:
    """Every other path, and every other method of the paths above."""

    async def __call__(self, scope: Scope, *_: object) -> None:
        allowed = METHODS.get(scope["path"])
        if allowed is None:
            raise Problem(404, "no-such-route", "there is no such path")
        raise Problem(
            405, "method-not-allowed", f"this path takes {allowed}", headers={"Allow": allowed}
        )


def _switched_on(provider: P | None) -> P:
    if provider is None:
        raise Problem(404, "provider-off", "this provider is not switched on")
    return provider


def _media_type(request: Request, *accepted: str) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in accepted:
        raise Problem(415, "media-type", f"the body must be {' or '.join(accepted)}")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(415, "encoded", "the body must not be compressed")
    return media_type


def _target(request: Request) -> str:
    """Return path and query exactly as they came: they are signed."""
    path = request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
