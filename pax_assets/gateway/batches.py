"""Group commit: deliveries that arrive together share an object, and its one sync to disk.

A file for every message would cost a sync each now, and the lake a listing entry and an open
file each for ever. So deliveries wait a moment for each other, and all who waited are answered
when their object is durable. While objects are being written the next ones fill.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

from pax_assets.gateway.delivery import Delivery
from pax_assets.gateway.landing_writer import LandingWriter
from pax_assets.gateway.logs import describe
from pax_assets.gateway.metrics import GatewayMetrics
from pax_assets.gateway.problems import Problem, unavailable

MAX_BATCH_BYTES = 8 * 1024 * 1024
# Twilio gives up after 15 s; an answer after that would be lost.
ANSWER_SECONDS = 10.0
_WRITERS = 4

_log = logging.getLogger("pax.gateway")


@dataclass(slots=True)
class _Batch:
    """Deliveries that will share an object, by the receipt that somebody waits for."""

    key: tuple[str, str]
    waiting: dict[asyncio.Future[None], Delivery] = field(default_factory=dict)
    size: int = 0
    scheduled: bool = False


class Batches:
    """Takes deliveries and returns when they are durable. Used from one event loop."""

    def __init__(
        self,
        landing: LandingWriter,
        metrics: GatewayMetrics,
        *,
        window_seconds: float = 0.1,
        max_waiting: int = 1024,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._landing = landing
        self._metrics = metrics
        self._window = window_seconds
        self._max_waiting = max_waiting
        self._answer_seconds = answer_seconds
        self._open: dict[tuple[str, str], _Batch] = {}
        self._commits: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(_WRITERS, "landing")
        self._turns = asyncio.Semaphore(_WRITERS)
        self._waiting = 0

    async def land(self, delivery: Delivery) -> None:
        """Return once `delivery` is durably in landing.

        Raises `Problem`: 429 where too many wait already, 503 where landing cannot be written or
        takes too long. After a 503 the delivery may be in landing all the same.
        """
        if self._waiting >= self._max_waiting:
            raise Problem(
                429,
                "busy",
                f"{self._max_waiting} deliveries wait for landing already: send it again later",
                {"Retry-After": "1"},
            )
        receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count(+1)
        batch = self._add(delivery, receipt)
        try:
            async with asyncio.timeout(self._answer_seconds):
                await receipt
        except TimeoutError:
            raise unavailable(
                "landing-slow",
                f"landing took more than {self._answer_seconds:g} seconds: send it again",
            ) from None
        finally:
            # Who is sent away comes again: while landing hangs, memory must not fill with them.
            batch.waiting.pop(receipt, None)
            self._count(-1)

    async def close(self) -> None:
        """Write what is waiting, and wait for it."""
        for batch in self._open.values():
            self._schedule(batch)
        while self._commits:
            await asyncio.wait(self._commits)
        self._threads.shutdown(wait=False)

    def _add(self, delivery: Delivery, receipt: asyncio.Future[None]) -> _Batch:
        key = (delivery.channel, delivery.extension)
        size = len(delivery.data) + 1
        batch = None if delivery.alone else self._open.get(key)
        if batch and batch.size + size > MAX_BATCH_BYTES:
            del self._open[key]
            self._schedule(batch)
            batch = None
        if batch is None:
            batch = _Batch(key)
            if delivery.alone:
                self._schedule(batch)
            else:
                self._open[key] = batch
                asyncio.get_running_loop().call_later(self._window, self._schedule, batch)
        batch.waiting[receipt] = delivery
        batch.size += size
        return batch

    def _schedule(self, batch: _Batch) -> None:
        """Have `batch` written as soon as a writer is free; until then it may still grow."""
        if batch.scheduled:
            return
        batch.scheduled = True
        task = asyncio.get_running_loop().create_task(self._commit(batch))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)

    async def _commit(self, batch: _Batch) -> None:
        async with self._turns:
            if self._open.get(batch.key) is batch:
                del self._open[batch.key]
            waiting = dict(batch.waiting)
            if not waiting:
                return
            failure = await self._write(batch.key, [d.data for d in waiting.values()])
        for receipt in waiting:
            if receipt.done():
                continue
            if failure is None:
                receipt.set_result(None)
            else:
                receipt.set_exception(failure)

    async def _write(self, key: tuple[str, str], lines: list[bytes]) -> Problem | None:
        data = lines[0] if len(lines) == 1 else b"".join(line + b"\n" for line in lines)
        started = perf_counter()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._landing.write, *key, data)
        except Exception as error:  # noqa: BLE001 - everybody who waits must get an answer
            self._metrics.landing_failed()
            _log.error("landing cannot be written", extra={"pax": {"cause": describe(error)}})
            return unavailable("landing-unwritable", "landing cannot be written: send it again")
        self._metrics.landed(key[0], len(lines), len(data), perf_counter() - started)
        return None

    def _count(self, change: int) -> None:
        self._waiting += change
        self._metrics.waiting(self._waiting)
