"""The gateway as a process of its own, for what only a process can show: signals and limits."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.gateway import signed_requests as signed


class GatewayProcess:
    """A running gateway; everything it logs is in the file `log`."""

    def __init__(
        self,
        landing: Path,
        log: Path,
        environment: dict[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        settings = {
            "PAX_LANDING": str(landing),
            "PAX_GATEWAY_PORT": str(self.port),
            "PAX_GATEWAY_BATCH_MS": "20",
            **signed.SETTINGS,
            **(environment or {}),
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pax_assets.gateway"],
                cwd=PROJECT,
                env=os.environ | settings,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=before,
            )

    def wait_until_alive(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/livez").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"not alive after 60 s: {self.log.read_text()}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop, as Kubernetes does; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def log_lines(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
