"""One real run of the demo, shared by the tests that look at what it leaves behind."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pax_assets_tests.conftest import PROJECT

DEMO_SECONDS = 900


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@dataclass
class FinishedLine:
    """A lake on which the demo ran, with its service still up."""

    lake: Path
    api_port: int
    output: str
    exit_code: int
    started_java: bool
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedLine]:
    """Run `python -m pax_assets.demo` on an empty lake; stop its service at the end."""
    lake = tmp_path_factory.mktemp("line") / "lake"
    home = lake / ".dagster"
    home.mkdir(parents=True)
    shutil.copy(PROJECT / "dagster.yaml", home / "dagster.yaml")
    port = free_port()
    # The line must run without Java and without a network: a `java` that leaves a mark and
    # fails, and proxies that refuse.
    trap = lake.parent / "bin"
    trap.mkdir()
    java = trap / "java"
    java.write_text(f"#!/bin/sh\ntouch {trap}/java-was-started\nexit 1\n")
    java.chmod(0o755)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PAX_")},
        "PAX_LAKE": str(lake),
        "PAX_API_PORT": str(port),
        "DAGSTER_HOME": str(home),
        "KEEP": "1",
        # Two epochs less than by default: the floors are reached, and CI is done minutes earlier.
        "PAX_EPOCHS": "4",
        "JAVA_HOME": str(trap / "nowhere"),
        "PATH": f"{trap}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "no_proxy": "127.0.0.1,localhost",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pax_assets.demo"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )
    started_java = (trap / "java-was-started").exists()
    yield FinishedLine(lake, port, done.stdout, done.returncode, started_java, environment)
    subprocess.run(
        [sys.executable, "-m", "pax_assets.compute.local_service", "stop"],
        cwd=PROJECT,
        env=environment,
        check=False,
    )
