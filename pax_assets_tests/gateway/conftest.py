"""A gateway in this process, with every provider on and a landing folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pax_assets.gateway.app import create_app
from pax_assets.gateway.landing_writer import DirectoryLanding
from pax_assets.gateway.settings import load_gateway_settings
from pax_assets.messages import parse
from pax_assets.messages.message import Message
from pax_assets_tests.gateway import signed_requests as signed


class FakeSns:
    """Stands for SNS where the gateway asks it: serves the certificate, notes every address."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, bytes | Exception] = {signed.CERTIFICATE_URL: signed.certificate()}
        self.default: bytes | Exception = b"<ConfirmSubscriptionResponse/>"

    async def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        answer = self.answers.get(url, self.default)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Landed:
    """What lies in a landing folder, read as the lake would."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def objects(self, channel: str = "*") -> list[Path]:
        found = self.root.glob(f"{channel}/*/*")
        return sorted(path for path in found if not path.parent.name.startswith("."))

    def lines(self, channel: str = "*") -> list[bytes]:
        return [line for path in self.objects(channel) for line in path.read_bytes().split(b"\n")]

    def messages(self) -> list[Message]:
        """Parse all; anything but messages is an error."""
        found = []
        for path in self.objects():
            channel = path.relative_to(self.root).parts[0]
            now = datetime.now(UTC)
            records = list(parse(path.read_bytes(), channel, str(path), received_at=now))
            assert all(isinstance(record, Message) for record in records), records
            found += records
        return found


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in signed.SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PAX_GATEWAY_BATCH_MS", "5")


@pytest.fixture
def fake_sns() -> FakeSns:
    return FakeSns()


@pytest.fixture
def landed(tmp_path: Path) -> Landed:
    return Landed(tmp_path / "landing")


@pytest.fixture
def start(landed: Landed, fake_sns: FakeSns) -> Iterator[Callable[..., TestClient]]:
    """Start a gateway with the environment's settings; returns a client of it."""
    with ExitStack() as stack:

        def started(root: Path | None = None) -> TestClient:
            writer = DirectoryLanding(root or landed.root)
            app = create_app(load_gateway_settings(), writer, fetch=fake_sns)
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield started


@pytest.fixture
def gateway(start: Callable[..., TestClient]) -> TestClient:
    return start()
