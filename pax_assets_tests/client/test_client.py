"""Under test: the client says who has to act when a call fails, whatever answers it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pax_assets.client import (
    Answer,
    Client,
    ClientError,
    RequestRefused,
    Result,
    ServiceFailed,
    ServiceUnreachable,
)
from pax_assets.client.answers import analysis_of
from pax_assets.nlp.documents import (
    Analysis,
    FoundArgument,
    FoundEntity,
    FoundEvent,
    FoundRelation,
)

EMPTY = {
    "message_id": "0",
    "model_version": "m1",
    "language": None,
    "entities": [],
    "events": [],
    "relations": [],
}
ANALYSIS = Analysis(
    (FoundEntity("e1", "person", "Anna", 0, 4, 0.9), FoundEntity("e2", "org", "Acme", 11, 15, 0.8)),
    (FoundEvent("v1", "meeting", "meets", 5, 10, 0.7, (FoundArgument("e1", "who", 0.6),)),),
    (FoundRelation("e1", "e2", "knows", 0.5),),
    "en",
)


class Scripted(ThreadingHTTPServer):
    """Answers every request with `status` and `body`, and keeps what it was sent."""

    status = 200
    body = b"{}"
    received: bytes = b""
    path = ""


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_POST(self) -> None:
        self.server.path = self.path
        self.server.received = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def client_of(server: Scripted) -> Client:
    return Client(f"http://127.0.0.1:{server.server_port}/", timeout=5)


def test_texts_and_ids_are_sent_and_the_answer_comes_back_as_it_is(server: Scripted) -> None:
    result = {**EMPTY, "message_id": "a", **ANALYSIS.to_dict()}
    server.body = json.dumps({"model_version": "m1", "results": [result]}).encode()
    with client_of(server) as client:
        answer = client.analyze(["שלום 😀"], ids=["a"])
    assert answer == Answer("m1", (Result("a", "m1", ANALYSIS),))
    assert server.path == "/v1/analyze"
    assert json.loads(server.received) == {"messages": [{"id": "a", "text": "שלום 😀"}]}


def test_the_value_of_a_recognized_entity_comes_back_and_is_left_out_where_there_is_none() -> None:
    entities = (
        FoundEntity("e1", "person", "Anna", 0, 4, 0.9),
        FoundEntity("e2", "phone_number", "0", 5, 6, 1.0, "+49", "phone_international"),
        FoundEntity("e3", "card_number", "1", 7, 8, 1.0, None, "card_luhn"),
    )
    written = Analysis(entities).to_dict()
    assert [
        set(e) - {"id", "type", "text", "start", "end", "score"} for e in written["entities"]
    ] == [
        set(),
        {"value", "recognizer"},
        {"recognizer"},
    ]
    assert analysis_of(written) == Analysis(entities)


def test_a_lone_surrogate_reaches_the_service_which_decides(server: Scripted) -> None:
    server.body = json.dumps({"model_version": "m1", "results": [EMPTY]}).encode()
    client_of(server).analyze(["\ud83d"])
    assert json.loads(server.received) == {"messages": [{"text": "\ud83d"}]}


def test_the_lineage_is_an_object(server: Scripted) -> None:
    server.body = b'{"model_version": "m1"}'
    assert client_of(server).lineage() == {"model_version": "m1"}
    assert server.path == "/v1/lineage"


@pytest.mark.parametrize(
    ("status", "body", "error", "sentence"),
    [
        (422, b'{"detail": "messages is missing"}', RequestRefused, "422: messages is missing"),
        (404, b"<html>", RequestRefused, "404: Not Found"),
        (503, b'{"detail": "later"}', ServiceFailed, "503: later"),
        (500, b"[]", ServiceFailed, "500: Internal Server Error"),
        (200, b"hello", ServiceFailed, "did not answer with JSON"),
        (200, b"[]", ServiceFailed, "did not answer with a JSON object"),
        (200, b'{"results": []}', ServiceFailed, "a shape that this client does not know"),
        (200, b'{"model_version": "m1", "results": 7}', ServiceFailed, "does not know"),
        (200, b'{"model_version": "m1", "results": []}', ServiceFailed, "1 texts with 0 results"),
    ],
)
def test_each_failure_has_its_type_and_a_sentence(
    server: Scripted, status: int, body: bytes, error: type[ClientError], sentence: str
) -> None:
    server.status, server.body = status, body
    with pytest.raises(error, match=sentence) as raised:
        client_of(server).analyze(["x"])
    assert type(raised.value) is error


def test_a_refusal_names_the_fields(server: Scripted) -> None:
    faults = [{"field": "messages[0].text", "problem": "is missing"}]
    server.status = 422
    server.body = json.dumps({"detail": "d", "errors": faults}).encode()
    with pytest.raises(RequestRefused) as raised:
        client_of(server).analyze(["x"])
    assert (raised.value.status, raised.value.detail, raised.value.errors) == (422, "d", faults)


def test_an_address_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(ServiceUnreachable, match=url):
        Client(url).lineage()


def test_a_proxy_for_the_outside_is_not_asked_about_this_machine(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert client_of(server).lineage() == {}


def test_one_text_in_place_of_a_list_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match=r"analyze\(\[text\]\)"):
        Client("http://127.0.0.1:1").analyze("Anna")


@pytest.mark.parametrize("url", ["127.0.0.1:3001", "file:///etc/passwd", "http://", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a service"):
        Client(url)
