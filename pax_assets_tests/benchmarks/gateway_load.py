"""`make bench-gateway`: how many webhooks a second one gateway process makes durable.

A real gateway process on this machine's disk, 32 clients on connections that stay open, each
sending its next delivery when the former one is answered; Twilio forms and WhatsApp payloads by
turns, every one signed and different. Because clients wait for their answer, the batch window
bounds what they can send: 32 clients and a window of 100 ms give at most 320 a second however fast
the gateway is. So it is measured with the default window and with one of 5 ms.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from pax_assets_tests.benchmarks.report import RESULTS, finish, machine
from pax_assets_tests.gateway import signed_requests as signed
from pax_assets_tests.gateway.conftest import Landed
from pax_assets_tests.gateway.processes import GatewayProcess

CLIENTS = 32
SECONDS = 8.0
WARM_UP_SECONDS = 1.0
DISTINCT = 20_000


def main() -> None:
    """Measure both windows and close with the line of all benchmarks."""
    requests = [_request(number) for number in range(DISTINCT)]
    print(f"{machine()}; {CLIENTS} clients, {SECONDS:g} s each, fsync on", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    values: dict[str, float | int] = {"clients": CLIENTS}
    for window, suffix in ((100, ""), (5, "_5ms")):
        with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
            found = _measured(Path(folder), window, requests)
        print(f"  window {window:>3} ms: " + "  ".join(f"{k} {v}" for k, v in found.items()))
        values |= {f"{key}{suffix}": value for key, value in found.items()}
    finish("bench-gateway", values)


def _request(number: int) -> bytes:
    """Return the bytes of one signed POST."""
    if number % 2:
        path, (body, headers) = "/twilio", signed.twilio(signed.sms_form(number))
    else:
        path, (body, headers) = "/whatsapp", signed.whatsapp(signed.whatsapp_payload(number))
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _measured(folder: Path, window: int, requests: list[bytes]) -> dict[str, float]:
    landing = folder / "landing"
    gateway = GatewayProcess(landing, folder / "log", {"PAX_GATEWAY_BATCH_MS": str(window)})
    try:
        gateway.wait_until_alive()
        supply = iter(requests)
        asyncio.run(_load(gateway.url, supply, WARM_UP_SECONDS))
        before = len(Landed(landing).objects())
        started = time.perf_counter()
        taken = asyncio.run(_load(gateway.url, supply, SECONDS))
        elapsed = time.perf_counter() - started
    finally:
        gateway.stop()
    objects = len(Landed(landing).objects()) - before
    cuts = statistics.quantiles(taken, n=100)
    return {
        "requests_s": round(len(taken) / elapsed),
        "p50_ms": round(cuts[49] * 1000, 1),
        "p99_ms": round(cuts[98] * 1000, 1),
        "deliveries_per_object": round(len(taken) / max(objects, 1), 1),
    }


async def _load(url: str, supply: Iterator[bytes], seconds: float) -> list[float]:
    """Return how long each answered request took; raises `RuntimeError` for any but a 200."""
    deadline = time.perf_counter() + seconds
    found = await asyncio.gather(*(_client(url, supply, deadline) for _ in range(CLIENTS)))
    return [taken for one in found for taken in one]


async def _client(url: str, supply: Iterator[bytes], deadline: float) -> list[float]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    taken = []
    with closing(writer):
        while (started := time.perf_counter()) < deadline:
            if (request := next(supply, None)) is None:
                raise RuntimeError(f"more than {DISTINCT} requests were answered: raise DISTINCT")
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(f"the gateway answered {head.splitlines()[0].decode()}")
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            taken.append(time.perf_counter() - started)
    return taken


if __name__ == "__main__":
    main()
