"""The gateway as a real process: killed under load, drained, out of disk, wrongly set."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.gateway import signed_requests as signed
from pax_assets_tests.gateway.processes import GatewayProcess

CLIENTS = 8
KILLS = 4


@pytest.fixture
def start_process(tmp_path, landed):
    """Start gateways on one landing; whatever still runs at the end is killed."""
    started: list[GatewayProcess] = []

    def start(environment=None, before=None) -> GatewayProcess:
        log = tmp_path / f"gateway-{len(started)}.log"
        process = GatewayProcess(landed.root, log, environment, before)
        started.append(process)
        process.wait_until_alive()
        return process

    yield start
    for process in started:
        if process.process.poll() is None:
            process.kill()


class Load:
    """Clients that post messages without pause, and know which were acknowledged."""

    def __init__(self, url: str, first: int) -> None:
        self.acknowledged: set[str] = set()
        self.unanswered = 0
        self._url = url
        self._next = first
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> int:
        """Wait for the clients, who stop when nobody listens; return the next free number."""
        for thread in self._threads:
            thread.join(30)
        return self._next

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as client:
            while True:
                with self._lock:
                    number = self._next
                    self._next += 1
                provider_id, path, (body, headers) = _delivery(number)
                try:
                    answer = client.post(path, content=body, headers=headers)
                except httpx.ConnectError:
                    return
                except httpx.TransportError:
                    with self._lock:
                        self.unanswered += 1
                    continue
                if answer.status_code == 200:
                    with self._lock:
                        self.acknowledged.add(provider_id)


def _delivery(number: int) -> tuple[str, str, tuple[bytes, dict[str, str]]]:
    if number % 2:
        return f"SM{number:032x}", "/twilio", signed.twilio(signed.sms_form(number))
    return (
        f"wamid.{number:08d}",
        "/whatsapp",
        signed.whatsapp(signed.whatsapp_payload(number)),
    )


def test_every_message_that_was_answered_with_200_survives_kill_9(start_process, landed) -> None:
    acknowledged: set[str] = set()
    unanswered, number = 0, 0
    for round_ in range(KILLS):
        gateway = start_process()
        load = Load(gateway.url, number)
        deadline = time.monotonic() + 30
        while not load.acknowledged and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2 + 0.13 * round_)
        gateway.kill()
        number = load.join()
        assert load.acknowledged, gateway.log.read_text()
        acknowledged |= load.acknowledged
        unanswered += load.unanswered
    messages = landed.messages()
    assert acknowledged <= {message.provider_message_id for message in messages}
    # The kills hit requests in flight, and batches were shared: else nothing was tested.
    assert unanswered >= KILLS
    assert len(landed.objects()) < len(messages)
    assert len({message.message_id for message in messages}) == len(messages)


def test_sigterm_answers_everybody_who_was_taken_in(start_process, landed) -> None:
    gateway = start_process({"PAX_GATEWAY_BATCH_MS": "1000"})
    with httpx.Client(timeout=30) as client, ThreadPoolExecutor(CLIENTS) as threads:
        answers = [threads.submit(_post, gateway.url, n, client) for n in range(CLIENTS)]
        waiting = f"pax_gateway_waiting_deliveries {float(CLIENTS)}\n"
        while waiting not in client.get(f"{gateway.url}/metrics").text:
            assert not any(answer.done() for answer in answers), "too slow to be tested"
        assert landed.objects() == []
        exit_code = gateway.stop()
        assert [answer.result() for answer in answers] == [200] * CLIENTS
    assert exit_code in (0, -signal.SIGTERM)
    assert len(landed.messages()) == CLIENTS
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{gateway.url}/livez")


def _post(url: str, number: int, client: httpx.Client | None = None) -> int:
    _, path, (body, headers) = _delivery(number)
    post = client.post if client else httpx.post
    return post(url + path, content=body, headers=headers, timeout=30).status_code


def _small_files() -> None:
    # Beyond this size writes fail, as on a full disk: some bytes are written, then an error.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_when_the_disk_takes_no_more_bytes_nothing_is_acknowledged(start_process, landed) -> None:
    # The log is a file too, and would be full first.
    gateway = start_process({"PYTHONUNBUFFERED": "1"}, before=_small_files)
    long_text = signed.twilio(signed.sms_form(1, "x" * 5000))
    answer = httpx.post(f"{gateway.url}/twilio", content=long_text[0], headers=long_text[1])
    assert answer.status_code == 503
    assert landed.objects() == []
    assert list(landed.root.rglob("*.tmp")) == []
    assert _post(gateway.url, 2) == 200


def test_a_client_that_stops_in_the_middle_costs_nobody_anything(start_process, landed) -> None:
    gateway = start_process()
    _, path, (body, headers) = _delivery(1)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    stalled = []
    for _ in range(50):
        connection = socket.create_connection(("127.0.0.1", gateway.port))
        connection.sendall(head.encode() + body[: len(body) // 2])
        stalled.append(connection)
    assert _post(gateway.url, 2) == 200
    for connection in stalled:
        connection.close()
    assert _post(gateway.url, 3) == 200
    assert len(landed.messages()) == 2


def test_it_says_which_providers_are_on_and_no_secret(start_process) -> None:
    gateway = start_process({"PAX_WHATSAPP_APP_SECRET": "", "PAX_WHATSAPP_VERIFY_TOKEN": ""})
    gateway.stop()
    (line,) = [line for line in gateway.log_lines() if line["event"] == "providers"]
    assert line["on"] == {"twilio": True, "whatsapp": False, "sns": True}
    assert signed.AUTH_TOKEN not in gateway.log.read_text()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PAX_GATEWAY_PORT": "many"}, "PAX_GATEWAY_PORT"),
        ({"PAX_GATEWAY_URL": ""}, "PAX_GATEWAY_URL"),
        ({"PAX_START_DATE": "never"}, "PAX_START_DATE"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_starts(variables, named, tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pax_assets.gateway"],
        cwd=PROJECT,
        env=os.environ | signed.SETTINGS | {"PAX_LANDING": str(tmp_path)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert named in done.stderr
    assert signed.AUTH_TOKEN not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
