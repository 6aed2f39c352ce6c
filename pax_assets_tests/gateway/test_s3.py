"""Landing on S3: a real object store, one that is not there, and one that refuses."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from starlette.testclient import TestClient

from pax_assets.gateway.app import create_app
from pax_assets.gateway.landing_writer import open_landing
from pax_assets.gateway.settings import load_gateway_settings
from pax_assets.lake.landing import dated_objects
from pax_assets.messages import parse
from pax_assets_tests.gateway import signed_requests as signed
from pax_assets_tests.s3_server import keys, s3_client


@contextmanager
def _gateway(root: str):
    app = create_app(load_gateway_settings(), open_landing(root))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def _post(client: TestClient, number: int) -> int:
    body, headers = signed.twilio(signed.sms_form(number))
    return client.post("/twilio", content=body, headers=headers).status_code


def test_what_is_acknowledged_lies_in_the_bucket_where_the_lake_lists_it(bucket) -> None:
    root = f"s3://{bucket}/landing"
    # The store's first objects can take longer than a gateway waits.
    for _ in range(5):
        with suppress(OSError):
            open_landing(root).probe()
            break
    with _gateway(root) as client, ThreadPoolExecutor(8) as threads:
        assert client.get("/readyz").status_code == 200
        assert set(threads.map(lambda number: _post(client, number), range(40))) == {200}
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    objects = dated_objects(root, "sms", day)
    assert 0 < len(objects) < 40
    found = set()
    for one in objects:
        body = s3_client().get_object(Bucket=bucket, Key=f"landing/{one.path}")["Body"].read()
        records = parse(body, "sms", one.path, received_at=datetime.now(UTC))
        found |= {record.provider_message_id for record in records}
    assert found == {f"SM{number:032x}" for number in range(40)}
    assert [key for key in keys(bucket) if not key.startswith("landing/sms/")] == [
        "landing/.gateway-probe"
    ]


class _Store(BaseHTTPRequestHandler):
    """Takes whatever is put, and notes each request."""

    def _taken(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(f"{self.command} {self.path.partition('?')[0]}")
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_POST = do_GET = do_HEAD = _taken  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


def test_a_small_object_costs_one_request(monkeypatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Store) as server:
        server.seen = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_address[1]}"
        root = f"s3://bucket/landing?region=x&scheme=http&endpoint_override={address}"
        path = open_landing(root).write("sms", "form", b"x" * 100_000)
        server.shutdown()
    assert server.seen == [f"PUT /bucket/landing/{path}"]


def test_credentials_that_are_refused_acknowledge_nothing(bucket, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with _gateway(f"s3://{bucket}/landing") as client:
        assert _post(client, 1) == 503


def test_a_store_that_is_not_there_acknowledges_nothing(bucket, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with _gateway(f"s3://{bucket}/landing") as client:
        assert _post(client, 1) == 503
