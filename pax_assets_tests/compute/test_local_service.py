"""Under test: the service of a lake as processes of this machine: started, replaced, stopped.

Everything here is real: a Bento built by BentoML, served on a port, asked over HTTP.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError

import psutil
import pytest

from pax_assets.client import Client, ClientError, RequestRefused
from pax_assets.compute.bento import BuiltBento, build_bento
from pax_assets.compute.local_service import LocalService, NotReady, PortTaken, ServiceError, main
from pax_assets.compute.served_bento import ServedBento, launch, wait_ready
from pax_assets_tests.compute.conftest import Bentos
from pax_assets_tests.conftest import PROJECT

TEXT = "Anna meets Ben 😀 and דנה"


@pytest.fixture(scope="module")
def running(
    bentos: Bentos, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LocalService, ServedBento]]:
    """A service that the tests of this module only ask."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = LocalService(str(tmp_path_factory.mktemp("running") / "lake"), port)
    yield service, service.replace(bentos.first)
    service.stop()


def get(url: str, data: bytes | None = None, **headers: str) -> tuple[int, str, str]:
    """Status, content type and body of a request."""
    request = urllib.request.Request(
        url, data, {k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.headers["content-type"], response.read().decode()
    except HTTPError as error:
        return error.code, error.headers["content-type"], error.read().decode()


def test_the_service_answers_over_its_port(running: tuple[LocalService, ServedBento]) -> None:
    with Client(running[1].url) as client:
        answer = client.analyze([TEXT, ""], ids=["a", "b"])
    assert answer.model_version == "model-one"
    first, second = answer.results
    assert [TEXT[e.start : e.end] for e in first.analysis.entities] == ["Anna", "Ben", "דנה"]
    assert [first.message_id, second.message_id] == ["a", "b"]
    assert [e.type for e in first.analysis.events] == ["meeting"]
    assert first.analysis.relations
    assert second.analysis.entities == ()


def test_wrong_input_is_refused_over_its_port(running: tuple[LocalService, ServedBento]) -> None:
    with Client(running[1].url) as client, pytest.raises(RequestRefused, match="at least 1") as e:
        client.analyze([])
    assert e.value.status == 422


def test_a_body_beyond_the_limit_is_answered_before_the_connection_ends(
    running: tuple[LocalService, ServedBento],
) -> None:
    body = b'{"messages": [{"text": "' + b"x" * (20 * 1024 * 1024) + b'"}]}'
    status, _, text = get(f"{running[1].url}/v1/analyze", body, Content_Type="application/json")
    assert (status, json.loads(text)["type"]) == (413, "urn:pax:problem:too-large")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health_is_answered(running: tuple[LocalService, ServedBento], path: str) -> None:
    assert get(running[1].url + path)[0] == 200


@pytest.mark.parametrize("path", ["/", "/docs.json", "/v1/analyze/submit", "/MessageIntelligence"])
def test_bentoml_shows_no_routes_of_its_own(
    running: tuple[LocalService, ServedBento], path: str
) -> None:
    status, kind, _ = get(running[1].url + path)
    assert (status, kind) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/v1/analyze", "/v1/lineage", "/", "/analyze"])
def test_the_pickle_type_is_refused_everywhere(
    running: tuple[LocalService, ServedBento], path: str
) -> None:
    exploit = b"cposix\nsystem\n(S'touch /tmp/pax-was-here'\ntR."
    status, kind, _ = get(
        running[1].url + path,
        exploit,
        Content_Type="application/vnd.bentoml+pickle",
        Payload_Container="NdarrayContainer",
    )
    assert status in {404, 405, 415}
    assert kind == "application/problem+json"
    assert not Path("/tmp/pax-was-here").exists()


def test_metrics_hold_our_counts_and_no_path_that_was_probed(
    running: tuple[LocalService, ServedBento],
) -> None:
    url = running[1].url
    with Client(url) as client:
        client.analyze(["Anna"])
    get(f"{url}/probe-me")
    status, kind, text = get(f"{url}/metrics")
    assert status == 200
    assert kind.startswith("text/plain")
    assert 'pax_entities_total{type="person"}' in text
    assert 'pax_model_info{model_version="model-one"} 1.0' in text
    assert "probe-me" not in text


def test_the_lineage_names_the_bento_and_what_made_it(
    running: tuple[LocalService, ServedBento], bentos: Bentos
) -> None:
    with Client(running[1].url) as client:
        lineage = client.lineage()
    assert lineage["bento"] == bentos.first.tag
    assert lineage["data_versions"] == {"annotations": "d" * 70}


def test_no_text_of_a_message_is_logged(running: tuple[LocalService, ServedBento]) -> None:
    served = running[1]
    with Client(served.url) as client:
        client.analyze(["xyzzy Anna"])
        with pytest.raises(RequestRefused):
            client._call("POST", "/v1/analyze", {"messages": [{"text": ["xyzzy"]}]})
    log = Path(served.log).read_text()
    assert "/v1/analyze" in log
    assert "xyzzy" not in log


def test_deploying_what_already_answers_changes_nothing(
    running: tuple[LocalService, ServedBento], bentos: Bentos
) -> None:
    service, served = running
    assert service.replace(bentos.first) == served
    assert service.status() == served


def test_a_second_lake_is_told_who_has_the_port(
    running: tuple[LocalService, ServedBento], bentos: Bentos, tmp_path: Path
) -> None:
    port = running[1].port
    service = LocalService(str(tmp_path / "other"), port)
    with pytest.raises(
        PortTaken, match=rf"port {port} is taken by the PAX service of another lake.*PAX_API_PORT"
    ):
        service.replace(bentos.first)
    assert service.status() is None


def test_a_foreign_program_on_the_port_is_named(
    bentos: Bentos, service: LocalService, port: int
) -> None:
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(PortTaken, match=rf"python.*\(pid {os.getpid()}\).*PAX_API_PORT"):
            service.replace(bentos.first)
        assert service.last() is None


def test_a_new_bento_takes_over_while_the_former_answers(
    bentos: Bentos, service: LocalService, port: int
) -> None:
    former = service.replace(bentos.first)
    seen: list[tuple[float, str]] = []
    done = threading.Event()

    def keep_asking() -> None:
        with Client(former.url, timeout=10) as client:
            while not done.is_set():
                try:
                    version = client.analyze(["Anna"]).model_version
                except ClientError:
                    version = "none"
                seen.append((time.monotonic(), version))
                time.sleep(0.02)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    served = service.replace(bentos.second)
    time.sleep(0.3)
    done.set()
    asking.join(20)
    assert served.pid != former.pid
    assert served.seconds_until_ready is not None
    assert former.processes() == []
    versions = [version for _, version in seen]
    assert {"model-one", "model-two"} <= set(versions)
    assert versions[-1] == "model-two"
    answered = [at for at, version in seen if version != "none"]
    gap = max(later - earlier for earlier, later in itertools.pairwise(answered))
    print(f"\nlongest time without an answer during the replacement: {gap:.2f} s")
    assert gap < 2


def test_a_bento_that_does_not_start_leaves_the_former_serving(
    bentos: Bentos, service: LocalService, port: int, tmp_path: Path
) -> None:
    former = service.replace(bentos.first)
    artifact = shutil.copytree(bentos.artifact, tmp_path / "onnx")
    (artifact / "fp32/model.onnx").write_bytes(b"no model")
    broken = build_bento(artifact, "fp32", {"model_version": "broken"}, tmp_path / "home")
    with pytest.raises(NotReady, match=r"(?s)cannot be loaded.*model-one-.* still serves") as error:
        service.replace(broken, timeout=60)
    assert broken.tag in str(error.value)
    assert service.status() == former
    assert former.answers()
    assert _with_path(broken) == []


def test_a_service_that_answers_as_another_version_is_not_ready(
    running: tuple[LocalService, ServedBento],
) -> None:
    served = running[1]
    shipped = replace(served, bento=replace(served.bento, model_version="another"))
    with pytest.raises(NotReady, match=r"model-one.*what was shipped is.*another"):
        wait_ready(shipped, timeout=10)


def test_the_service_outlives_the_process_that_started_it(
    bentos: Bentos, service: LocalService, port: int, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from pax_assets.compute.bento import current_bento;"
        "from pax_assets.compute.local_service import LocalService;"
        "LocalService(sys.argv[1], int(sys.argv[3])).replace(current_bento(Path(sys.argv[2])))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "served"), bentos.first.home, str(port)],
        cwd=PROJECT,
        check=True,
    )
    running = service.status()
    assert running is not None
    assert running.answers()
    assert len(running.processes()) == 2
    assert service.stop() == running
    assert running.processes() == []
    assert service.status() is None
    assert service.stop() is None


def test_workers_without_their_supervisor_are_found_and_ended(
    bentos: Bentos, service: LocalService, port: int
) -> None:
    served = service.replace(bentos.first)
    supervisor, _worker = served.processes()
    supervisor.kill()
    supervisor.wait(10)
    assert len(served.processes()) == 1
    assert service.status() == served
    service.stop()
    assert served.processes() == []
    assert service.status() is None
    assert service.last() == served
    assert service.bento_to_serve() == bentos.first


def test_a_process_id_that_was_given_out_again_is_not_taken_for_the_service(
    bentos: Bentos, service: LocalService, tmp_path: Path
) -> None:
    folder = tmp_path / "served/bento_deployment"
    folder.mkdir(parents=True)
    foreign = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    record = ServedBento(
        bentos.first, "127.0.0.1", 1, foreign.pid, "a-token", "log", "2026-01-01T00:00:00+00:00"
    )
    (folder / "service.json").write_text(record.to_json())
    try:
        assert service.status() is None
        assert service.stop() is None
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_what_a_broken_off_deployment_left_is_ended_by_the_next(
    bentos: Bentos, service: LocalService, tmp_path: Path
) -> None:
    folder = tmp_path / "served/bento_deployment"
    folder.mkdir(parents=True)
    left = launch(
        bentos.first,
        [sys.executable, "-c", "import time; time.sleep(60)"],
        os.environ,
        host="127.0.0.1",
        port=1,
        token="left-over",
        log=tmp_path / "log",
    )
    (folder / "starting.json").write_text(left.to_json())
    service.stop()
    assert left.processes() == []
    assert not (folder / "starting.json").exists()


def test_a_damaged_record_is_named(service: LocalService, tmp_path: Path) -> None:
    folder = tmp_path / "served/bento_deployment"
    folder.mkdir(parents=True)
    (folder / "service.json").write_text('{"bento": {}}')
    with pytest.raises(ServiceError, match=r"service\.json is damaged"):
        service.status()
    (folder / "service.json").unlink()


def test_a_lake_that_is_no_folder_is_refused() -> None:
    with pytest.raises(ServiceError, match="PAX_LAKE is s3://bucket/lake"):
        LocalService("s3://bucket/lake", 1)


@pytest.mark.parametrize(
    ("command", "code", "sentence"),
    [
        ("status", 0, "No PAX service runs on the lake"),
        ("stop", 0, "No PAX service runs on the lake"),
        ("serve", 1, "holds no Bento yet: run `make demo`"),
        ("restart", 2, "usage:"),
    ],
)
def test_on_an_empty_lake_each_command_says_what_to_do(
    command: str,
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PAX_LAKE", str(tmp_path / "empty"))
    assert main([command]) == code
    printed = capsys.readouterr()
    assert sentence in printed.out + printed.err


def test_make_serve_serves_in_the_foreground_and_a_second_one_finds_it(
    bentos: Bentos, port: int
) -> None:
    environment = {**os.environ, "PAX_LAKE": str(bentos.lake), "PAX_API_PORT": str(port)}
    command = [sys.executable, "-m", "pax_assets.compute.local_service"]
    # As in a terminal: what a shell starts in the background ignores SIGINT, and so would this.
    serving = subprocess.Popen(
        ["env", "--default-signal=INT", *command, "serve"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout is not None
        first_line = serving.stdout.readline()
        assert f"PAX answers at http://127.0.0.1:{port}: {bentos.first.tag}" in first_line
        for verb in ("serve", "status"):
            again = subprocess.run(
                [*command, verb], cwd=PROJECT, env=environment, capture_output=True, text=True
            )
            assert again.returncode == 0
            assert again.stdout == first_line
    finally:
        serving.send_signal(signal.SIGINT)
        assert serving.wait(90) == 0
    assert LocalService(str(bentos.lake), port).status() is None


def _with_path(built: BuiltBento) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if built.path in (p.info["cmdline"] or ())]
