"""Under test: the HTTP contract of the service, in process: routes, limits, errors, offsets.

The model is a lookup table, so that every answer is known. `compute/test_local_service.py` asks
the same app over a real port.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from bentos.message_intelligence import api as api_module
from bentos.message_intelligence import engine as engine_module
from bentos.message_intelligence.api import METHODS, create_app
from bentos.message_intelligence.engine import AnalysesTexts, Engine, Release
from bentos.message_intelligence.metrics import ServiceMetrics
from bentos.message_intelligence.schemas import MAX_BODY_BYTES
from pax_assets.inference.runtime import Runtime
from pax_assets.nlp.documents import Analysis
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact

JSON = {"Content-Type": "application/json"}
RELEASE = Release(
    bento="message_intelligence:m1-abc",
    model_tag="message_intelligence_model:abc",
    model_version="m1",
    variant="fp32",
    region="US",
    lineage={"model_version": "m1", "data_versions": {"annotations": "d1"}},
)


def client_of(runtime: AnalysesTexts, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    app = create_app()
    app.state.engine = Engine(runtime, RELEASE, ServiceMetrics("m1", CollectorRegistry()))
    return TestClient(app)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return Runtime.load(write_lookup_artifact(tmp_path_factory.mktemp("lookup")))


@pytest.fixture(scope="module")
def client(runtime: Runtime) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as monkeypatch, client_of(runtime, monkeypatch) as client:
        yield client


def messages(*texts: object) -> dict[str, object]:
    return {"messages": [{"text": text} for text in texts]}


def test_a_text_is_answered_with_entities_an_event_and_relations(client: TestClient) -> None:
    response = client.post(
        "/v1/analyze", json={"messages": [{"id": "a-1", "text": "Anna meets Ben"}, {"text": ""}]}
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert answer["model_version"] == "m1"
    first, second = answer["results"]
    assert first == {
        "message_id": "a-1",
        "model_version": "m1",
        "language": None,
        "entities": [
            {"id": "e1", "type": "person", "text": "Anna", "start": 0, "end": 4}
            | {"score": pytest.approx(1, abs=0.01)},
            {"id": "e2", "type": "person", "text": "Ben", "start": 11, "end": 14}
            | {"score": pytest.approx(1, abs=0.01)},
        ],
        "events": [
            {
                "id": "v1",
                "type": "meeting",
                "trigger": {"text": "meets", "start": 5, "end": 10},
                "score": pytest.approx(1, abs=0.01),
                "arguments": [
                    {"entity": e, "role": "participant", "score": pytest.approx(1, abs=0.01)}
                    for e in ("e1", "e2")
                ],
            }
        ],
        "relations": [
            {"head": h, "tail": t, "type": "knows", "score": pytest.approx(1, abs=0.01)}
            for h, t in (("e1", "e2"), ("e2", "e1"))
        ],
    }
    assert (second["message_id"], second["entities"]) == ("1", [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Anna", [(0, 4)]),
        ("😀 Anna 👩‍👩‍👧", [(2, 6)]),
        ("שלום דנה!", [(5, 8)]),
        ("\u202bשלום\u202c Anna", [(7, 11)]),
        ("e\u0301 Anna\u202f", [(3, 7)]),
        ("\x00\x07 Anna", [(3, 7)]),
        ("x " * 4998 + "Anna", [(9996, 10000)]),
        (" \n\t ", []),
    ],
    ids=[
        "plain",
        "emoji",
        "right to left",
        "bidi marks",
        "combining",
        "control",
        "10,000 characters",
        "blank",
    ],
)
def test_offsets_count_code_points_of_the_text_as_sent(
    client: TestClient, text: str, found: list[tuple[int, int]]
) -> None:
    response = client.post("/v1/analyze", json=messages(text))
    assert response.status_code == 200
    entities = response.json()["results"][0]["entities"]
    assert [(e["start"], e["end"]) for e in entities] == found
    assert all(e["text"] == text[e["start"] : e["end"]] for e in entities)


REFUSED: dict[str, tuple[bytes | dict, int, str]] = {
    "an empty list": ({"messages": []}, 422, "messages must hold at least 1 message"),
    "257 messages": (messages(*["x"] * 257), 413, "messages has more than 256 items"),
    "a long text": (messages("x" * 100_001), 413, "messages[0].text has more than 100,000"),
    "long together": (messages(*["x" * 99_999] * 5), 413, "499,995 characters together"),
    "a number as text": (messages("x", 7), 422, "messages[1].text must be a string"),
    "null as text": (messages(None), 422, "messages[0].text must be a string"),
    "a list as text": (messages(["x"]), 422, "messages[0].text must be a string"),
    "no text": ({"messages": [{"id": "1"}]}, 422, "messages[0].text is missing"),
    "a number as id": ({"messages": [{"id": 1, "text": "x"}]}, 422, "messages[0].id must be a"),
    "an empty id": ({"messages": [{"id": "", "text": "x"}]}, 422, "messages[0].id must not be"),
    "a misspelt field": ({"messages": [{"txt": "x"}]}, 422, "messages[0].text is missing"),
    "an unknown field": ({**messages("x"), "lang": "en"}, 422, "lang is not a known field"),
    "strings": ({"messages": ["x"]}, 422, "messages[0] must be a JSON object"),
    "messages as object": ({"messages": {"text": "x"}}, 422, "messages must be a list"),
    "messages as null": ({"messages": None}, 422, "messages must be a list"),
    "an empty object": ({}, 422, "messages is missing"),
    "a bare list": (b'[{"text": "x"}]', 422, "the body must be a JSON object"),
    "a bare string": (b'"x"', 422, "the body must be a JSON object"),
    "null": (b"null", 422, "the body must be a JSON object"),
    "nothing": (b"", 400, "the body is not valid JSON"),
    "cut JSON": (b'{"messages": [{"te', 400, "the body is not valid JSON"),
    "Latin-1": ('{"messages": [{"text": "é"}]}'.encode("latin-1"), 400, "not valid JSON"),
    "a lone surrogate": (b'{"messages": [{"text": "\\ud83d"}]}', 400, "not valid JSON"),
    "a low surrogate": (b'{"messages": [{"text": "\\ude00 x"}]}', 400, "not valid JSON"),
    "NaN": (b'{"messages": NaN}', 422, "messages must be a list"),
    "deep nesting": (b"[" * 100_000, 400, "the body is not valid JSON"),
    "a deep text": (b'{"messages":[{"text":' + b"[" * 5000, 400, "not valid JSON"),
    "many unknown fields": (
        json.dumps({f"k{i}": i for i in range(100_000)}).encode(),
        422,
        "messages is missing (100001 faults in all)",
    ),
    "too many bytes": (b" " * (MAX_BODY_BYTES + 1), 413, "more than 8,388,608 bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_input_gets_a_4xx_with_a_sentence(client: TestClient, case: str) -> None:
    body, status, sentence = REFUSED[case]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client.post("/v1/analyze", content=content, headers=JSON)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) - {"errors"} == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert sentence in problem["detail"]
    assert len(problem.get("errors", [])) <= 20


@pytest.mark.parametrize(
    "content_type",
    [
        "application/vnd.bentoml+pickle",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonx",
        "",
    ],
)
def test_anything_but_json_in_utf_8_gets_415(client: TestClient, content_type: str) -> None:
    response = client.post(
        "/v1/analyze",
        content=json.dumps(messages("Anna")).encode(),
        headers={"Content-Type": content_type} if content_type else {},
    )
    assert response.status_code == 415
    assert "application/json" in response.json()["detail"]


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "Application/JSON"])
def test_json_is_recognised_however_it_is_spelt(client: TestClient, content_type: str) -> None:
    response = client.post(
        "/v1/analyze",
        content=json.dumps(messages("Anna")).encode(),
        headers={"Content-Type": content_type},
    )
    assert response.status_code == 200


def test_a_compressed_body_gets_415(client: TestClient) -> None:
    response = client.post(
        "/v1/analyze", content=b"x", headers={**JSON, "Content-Encoding": "gzip"}
    )
    assert response.status_code == 415


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/analyze/", "/v2/analyze", "/docs.json", "/%00"])
def test_an_unknown_path_gets_404(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["type"] == "urn:pax:problem:no-such-route"


@pytest.mark.parametrize("path", METHODS)
def test_a_wrong_method_gets_405_and_says_which_are_right(client: TestClient, path: str) -> None:
    response = client.request("DELETE", path)
    assert response.status_code == 405
    assert response.headers["allow"] == METHODS[path]


def test_the_lineage_is_that_of_the_release(client: TestClient) -> None:
    assert client.get("/v1/lineage").json() == {
        "model_version": "m1",
        "data_versions": {"annotations": "d1"},
        "variant": "fp32",
        "region": "US",
        "bento": "message_intelligence:m1-abc",
    }


def test_metrics_count_requests_messages_and_what_was_found(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(runtime, monkeypatch)
    client.post("/v1/analyze", json=messages("Anna meets Ben", "nobody"))
    client.post("/v1/analyze", json=messages())
    for number in range(3):
        client.get(f"/probe/{number}")
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'pax_requests_total{code="200",route="/v1/analyze"} 1.0',
        'pax_requests_total{code="422",route="/v1/analyze"} 1.0',
        'pax_requests_total{code="404",route="other"} 3.0',
        'pax_request_duration_seconds_count{route="/v1/analyze"} 2.0',
        "pax_messages_total 2.0",
        "pax_characters_total 20.0",
        'pax_entities_total{type="person"} 2.0',
        'pax_events_total{type="meeting"} 1.0',
        'pax_relations_total{type="knows"} 2.0',
        'pax_model_info{model_version="m1"} 1.0',
    ):
        assert line in lines
    assert not [line for line in lines if "probe" in line]


class Failing:
    """A runtime that fails, and quotes the text as careless libraries do."""

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        raise ValueError(f"cannot handle {texts[0]!r}")


def test_a_failure_says_where_it_happened_and_never_what_was_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(Failing(), monkeypatch)
    with caplog.at_level(logging.DEBUG):
        response = client.post("/v1/analyze", json=messages("my secret"))
    assert response.status_code == 500
    assert response.json()["type"] == "urn:pax:problem:internal"
    assert "secret" not in response.text + caplog.text
    assert "ValueError at" in caplog.text
    assert "analyze" in caplog.text


class Blocked:
    """A runtime that answers once it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()

    def analyze(self, texts: Sequence[str]) -> list[Analysis]:
        self.entered.set()
        assert self.go.wait(20)
        return [Analysis() for _ in texts]


def test_other_requests_are_answered_while_one_is_analysed_and_a_full_queue_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "MAX_WAITING", 1)
    runtime = Blocked()
    with client_of(runtime, monkeypatch) as client:
        codes: list[int] = []
        first = threading.Thread(
            target=lambda: codes.append(client.post("/v1/analyze", json=messages("x")).status_code)
        )
        first.start()
        assert runtime.entered.wait(20)
        assert client.get("/v1/lineage").status_code == 200
        refused = client.post("/v1/analyze", json=messages("x"))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        runtime.go.set()
        first.join(20)
        assert codes == [200]
        assert client.post("/v1/analyze", json=messages("x")).status_code == 200


@settings(max_examples=60, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["messages", "text", "id", "x"]), inner, max_size=3
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_no_body_whatsoever_gets_a_5xx(client: TestClient, body: bytes) -> None:
    assert client.post("/v1/analyze", content=body, headers=JSON).status_code < 500


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_every_span_is_the_slice_of_the_text_that_it_names(client: TestClient, text: str) -> None:
    response = client.post("/v1/analyze", json=messages(f"{text} Anna {text}"))
    assert response.status_code == 200
    sent = f"{text} Anna {text}"
    for entity in response.json()["results"][0]["entities"]:
        assert sent[entity["start"] : entity["end"]] == entity["text"]


def test_a_source_folder_without_a_release_says_that_it_is_no_bento(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="message_intelligence_bento builds"):
        Release.read(tmp_path / "release.json")


def test_an_upload_that_stalls_takes_no_place_and_is_ended(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends a byte and waits must not keep others out."""
    monkeypatch.setattr(engine_module, "MAX_WAITING", 1)
    monkeypatch.setattr(api_module, "BODY_SECONDS", 0.5)
    sent: list[dict] = []
    opened = False

    async def receive() -> dict:
        nonlocal opened
        if not opened:
            opened = True
            return {"type": "http.request", "body": b"{", "more_body": True}
        await asyncio.sleep(60)
        raise AssertionError("the service waited for the rest")

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/analyze",
        "raw_path": b"/v1/analyze",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("testclient", 1),
        "headers": [(b"content-type", b"application/json")],
    }
    with client_of(runtime, monkeypatch) as client:
        stalled = threading.Thread(target=lambda: asyncio.run(client.app(scope, receive, send)))
        stalled.start()
        assert client.post("/v1/analyze", json=messages("x")).status_code == 200
        stalled.join(20)
    assert sent[0]["status"] == 408
