"""Group commit: who shares an object, who is answered when, and what happens when it fails."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from pax_assets.gateway import batches as batches_module
from pax_assets.gateway.batches import Batches
from pax_assets.gateway.delivery import FORM, JSON, Delivery
from pax_assets.gateway.metrics import GatewayMetrics
from pax_assets.gateway.problems import Problem


class Written:
    """Landing in memory, which can be slow, hang or fail."""

    def __init__(self) -> None:
        self.objects: list[tuple[str, str, bytes]] = []
        self.failure: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()

    def write(self, channel: str, extension: str, data: bytes) -> str:
        self.go_on.wait(5)
        if self.failure:
            raise self.failure
        self.objects.append((channel, extension, data))
        return "path"

    def probe(self) -> None: ...

    def remove_leftovers(self) -> None: ...


@pytest.fixture
def written() -> Written:
    return Written()


def _run(written, deliveries, **options):
    """Land all at once; return what each was answered with (None is a receipt)."""
    options.setdefault("window_seconds", 0.02)

    async def run():
        batches = Batches(written, GatewayMetrics(), **options)
        answers = await asyncio.gather(*map(batches.land, deliveries), return_exceptions=True)
        await batches.close()
        return answers

    return asyncio.run(run())


def _forms(count: int) -> list[Delivery]:
    return [Delivery("sms", FORM, b"Body=%d" % number) for number in range(count)]


def test_deliveries_that_arrive_together_share_an_object_one_a_line(written) -> None:
    assert _run(written, _forms(50)) == [None] * 50
    ((channel, extension, data),) = written.objects
    assert (channel, extension) == ("sms", "form")
    assert data.decode().splitlines() == [f"Body={number}" for number in range(50)]


def test_a_lone_delivery_is_an_object_of_its_own_bytes(written) -> None:
    _run(written, _forms(1))
    assert written.objects == [("sms", "form", b"Body=0")]


def test_channels_and_forms_do_not_mix(written) -> None:
    _run(
        written,
        [
            Delivery("sms", FORM, b"a=1"),
            Delivery("sms", JSON, b"{}"),
            Delivery("whatsapp", FORM, b"b=1"),
            Delivery("whatsapp", JSON, b"[]", alone=True),
            Delivery("whatsapp", JSON, b"{}"),
        ],
    )
    assert sorted(written.objects) == [
        ("sms", "form", b"a=1"),
        ("sms", "jsonl", b"{}"),
        ("whatsapp", "form", b"b=1"),
        ("whatsapp", "jsonl", b"[]"),
        ("whatsapp", "jsonl", b"{}"),
    ]


def test_an_object_stays_below_its_bound(written, monkeypatch) -> None:
    monkeypatch.setattr(batches_module, "MAX_BATCH_BYTES", 30)
    assert _run(written, _forms(10)) == [None] * 10
    assert len(written.objects) == 3
    assert all(len(data) <= 30 for _, _, data in written.objects)
    lines = [line for _, _, data in written.objects for line in data.split()]
    assert sorted(lines) == sorted(d.data for d in _forms(10))


def test_a_delivery_larger_than_the_bound_lands(written, monkeypatch) -> None:
    monkeypatch.setattr(batches_module, "MAX_BATCH_BYTES", 30)
    large = Delivery("sms", FORM, b"Body=" + b"x" * 100)
    assert _run(written, [*_forms(1), large, *_forms(1)]) == [None] * 3


def test_nobody_is_answered_before_the_write_returned(written) -> None:
    async def run() -> None:
        written.go_on.clear()
        batches = Batches(written, GatewayMetrics(), window_seconds=0)
        task = asyncio.create_task(batches.land(_forms(1)[0]))
        await asyncio.sleep(0.1)
        assert not task.done()
        written.go_on.set()
        await task
        assert len(written.objects) == 1

    asyncio.run(run())


@pytest.mark.parametrize("failure", [OSError(28, "full"), ValueError("odd")])
def test_when_the_write_fails_everybody_is_sent_away_to_come_again(failure, written) -> None:
    written.failure = failure
    answers = _run(written, _forms(5))
    assert [answer.status for answer in answers] == [503] * 5
    assert all(answer.headers["Retry-After"] for answer in answers)


def test_a_failure_is_that_of_its_batch_only(written) -> None:
    async def run() -> None:
        batches = Batches(written, GatewayMetrics(), window_seconds=0)
        written.failure = OSError("once")
        with pytest.raises(Problem):
            await batches.land(_forms(1)[0])
        written.failure = None
        await batches.land(_forms(1)[0])

    asyncio.run(run())


def test_one_more_than_may_wait_is_sent_away_at_once(written) -> None:
    answers = _run(written, _forms(12), max_waiting=10)
    refused = [answer for answer in answers if answer is not None]
    assert [answer.status for answer in refused] == [429, 429]
    assert all(answer.headers["Retry-After"] for answer in refused)
    assert answers.count(None) == 10


def test_places_are_free_again_after_answers(written) -> None:
    async def run() -> None:
        batches = Batches(written, GatewayMetrics(), window_seconds=0, max_waiting=1)
        for _ in range(5):
            await batches.land(_forms(1)[0])
        written.failure = OSError("once")
        for _ in range(5):
            with pytest.raises(Problem) as refused:
                await batches.land(_forms(1)[0])
            assert refused.value.status == 503

    asyncio.run(run())


def test_a_landing_that_hangs_is_answered_in_time_and_does_not_fill_memory(written) -> None:
    async def run() -> None:
        written.go_on.clear()
        batches = Batches(
            written, GatewayMetrics(), window_seconds=0.001, answer_seconds=0.05, max_waiting=50
        )
        for _ in range(20):
            answers = await asyncio.gather(*map(batches.land, _forms(50)), return_exceptions=True)
            assert {answer.status for answer in answers} == {503}
        # Four batches are with the writers; what came after was dropped with its answer.
        assert len(batches._commits) <= 5
        assert sum(len(batch.waiting) for batch in batches._open.values()) == 0
        written.go_on.set()
        await batches.land(_forms(1)[0])
        await batches.close()

    asyncio.run(run())


def test_while_writers_are_busy_the_next_object_grows(written) -> None:
    async def run() -> None:
        written.go_on.clear()
        batches = Batches(written, GatewayMetrics(), window_seconds=0)
        tasks = []
        for delivery in _forms(40):
            tasks.append(asyncio.create_task(batches.land(delivery)))
            await asyncio.sleep(0.002)
        written.go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert len(written.objects) <= 6


def test_a_lone_delivery_waits_no_longer_than_the_window(written) -> None:
    started = time.perf_counter()
    _run(written, _forms(1), window_seconds=0.1)
    assert 0.09 < time.perf_counter() - started < 1


def test_closing_writes_what_waits(written) -> None:
    async def run() -> None:
        batches = Batches(written, GatewayMetrics(), window_seconds=60)
        tasks = [asyncio.create_task(batches.land(d)) for d in _forms(3)]
        await asyncio.sleep(0.01)
        await batches.close()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert len(written.objects) == 1
