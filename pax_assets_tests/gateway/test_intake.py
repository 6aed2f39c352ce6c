"""Reading bodies: slow ones, large ones, and too many at once."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from pax_assets.gateway.intake import Intake
from pax_assets.gateway.problems import Problem


def _request(*parts: bytes, pause: float = 0.0, cut: bool = False) -> Request:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.disconnect"} if cut else {"type": "http.request"})
    sent = iter(messages)

    async def receive():
        await asyncio.sleep(pause)
        return next(sent)

    return Request({"type": "http", "headers": []}, receive)


async def _read(intake: Intake, request: Request) -> bytes:
    async with intake.body(request) as body:
        return body


def _refusal(intake: Intake, request: Request) -> int:
    with pytest.raises(Problem) as refused:
        asyncio.run(_read(intake, request))
    return refused.value.status


def test_a_body_in_parts_is_one_body() -> None:
    assert asyncio.run(_read(Intake(10), _request(b"abc", b"", b"defg"))) == b"abcdefg"


def test_a_body_of_the_limit_is_read_and_one_byte_more_is_refused() -> None:
    assert asyncio.run(_read(Intake(10), _request(b"x" * 10))) == b"x" * 10
    assert _refusal(Intake(10), _request(b"x" * 10, b"x")) == 413


def test_an_endless_body_is_not_read_to_its_end() -> None:
    read = []

    async def receive():
        read.append(1)
        return {"type": "http.request", "body": b"x" * 10, "more_body": True}

    assert _refusal(Intake(100), Request({"type": "http", "headers": []}, receive)) == 413
    assert len(read) < 50


def test_a_body_that_trickles_is_refused_in_time() -> None:
    parts = [b"x"] * 100
    assert _refusal(Intake(1000, body_seconds=0.05), _request(*parts, pause=0.01)) == 408


def test_all_bodies_together_stay_in_bounds_and_free_their_place() -> None:
    intake = Intake(10_000, max_buffered_bytes=20_000)

    async def run() -> None:
        async with intake.body(_request(b"x" * 10_000)):
            with pytest.raises(Problem) as refused:
                await _read(intake, _request(b"x" * 10_000))
            assert refused.value.status == 429
        assert await _read(intake, _request(b"x" * 10_000))
        with pytest.raises(ClientDisconnect):
            await _read(intake, _request(b"x" * 10_000, cut=True))
        assert await _read(intake, _request(b"x" * 10_000))

    asyncio.run(run())
