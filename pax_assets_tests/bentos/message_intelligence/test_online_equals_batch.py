"""Under test: one message, one answer: over HTTP, from the runtime, and in the tables of a Spark
job.

Recognizers are at work in all three. Texts are those that both ways in can carry: JSON and Parquet
hold no lone surrogates.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from bentos.message_intelligence.api import create_app
from bentos.message_intelligence.engine import Engine, Release
from bentos.message_intelligence.metrics import ServiceMetrics
from pax_assets.inference.runtime import Runtime
from pax_assets.jobs.insights import insight_tables
from pax_assets.jobs.insights.insight_tables import ENTITIES, EVENTS, RELATIONS, SCORED
from pax_assets.jobs.score import Scorer, score_day
from pax_assets.training import onnx_int8
from pax_assets_tests.jobs.message_rows import DAY_1, put_messages
from pax_assets_tests.model_fixtures import toy_onnx

__all__ = ["toy_onnx"]

REGION, VERSION = "US", "m1"
TOLERANCE = 1e-4
PIECES = st.one_of(
    st.sampled_from(
        [
            "anna will meet ben in paris on friday",
            "carla works for acme",
            "call 415-555-2671",
            "write to Anna@Example.org",
            "anna@example.org will meet ben",
            "https://example.org/a?b=1",
            "DE89 3704 0044 0532 0130 00",
        ]
    ),
    st.sampled_from(["\x00", "\u202f", "e\u0301", "👩‍👧", "\u202bשלום\u202c", "\n", "\u2028"]),
    st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=10),
)
TEXTS = st.lists(PIECES, max_size=7).map(" ".join)
LONG = "please thanks again " * 200 + "anna will meet ben in paris on friday, 415-555-2671"


@pytest.fixture(scope="module")
def onnx(toy_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy model with an int8 that rounds: as exported its products are too small for that."""
    folder = shutil.copytree(toy_onnx, tmp_path_factory.mktemp("rounded") / "onnx")
    texts = ["anna will meet ben in paris on friday", "carla works for acme"] * 20
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(onnx_int8, "LEAST_WEIGHTS", 500)
        quantizer = onnx_int8.Quantizer(folder / "fp32/model.onnx", folder, texts)
        quantizer.write(folder / "int8/model.onnx")
    return folder


@pytest.fixture(scope="module", params=["fp32", "int8"])
def runtime(request: pytest.FixtureRequest, onnx: Path) -> Runtime:
    return Runtime.load(onnx, request.param, threads=1, region=REGION)


@pytest.fixture(scope="module")
def client(runtime: Runtime) -> Iterator[TestClient]:
    release = Release(
        bento="message_intelligence:m1-abc",
        model_tag="message_intelligence_model:abc",
        model_version=VERSION,
        variant=runtime.variant,
        region=REGION,
        lineage={},
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
        app = create_app()
        app.state.engine = Engine(runtime, release, ServiceMetrics(VERSION, CollectorRegistry()))
        with TestClient(app) as client:
            yield client


def without_scores(value: Any, scores: list[float]) -> Any:
    """Return `value` without what is called score; those go to `scores`, in order."""
    if isinstance(value, list):
        return [without_scores(one, scores) for one in value]
    if not isinstance(value, dict):
        return value
    if "score" in value:
        scores.append(value["score"])
    return {k: without_scores(v, scores) for k, v in value.items() if k != "score"}


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    scores: tuple[list[float], list[float]] = [], []
    assert without_scores(one, scores[0]) == without_scores(other, scores[1])
    assert scores[0] == pytest.approx(scores[1], abs=TOLERANCE)


def number(found: dict[str, Any]) -> int:
    return int(found["id"][1:])


def stored(lake: str) -> dict[str, dict[str, Any]]:
    """The analyses by message, as the tables have them, in the shape of an answer over HTTP."""
    rows: dict[str, dict[str, list[dict]]] = {}
    for table in (ENTITIES, EVENTS, RELATIONS):
        rows[table] = defaultdict(list)
        for row in insight_tables.read(lake, table).to_pylist():
            assert row["model_version"] == VERSION
            rows[table][row["message_id"]].append(row)
    return {
        row["message_id"]: {
            "language": row["language"],
            "entities": sorted(map(entity, rows[ENTITIES][row["message_id"]]), key=number),
            "events": sorted(map(event, rows[EVENTS][row["message_id"]]), key=number),
            "relations": [
                {key: r[column] for key, column in RELATION_COLUMNS.items()}
                for r in rows[RELATIONS][row["message_id"]]
            ],
        }
        for row in insight_tables.read(lake, SCORED).to_pylist()
    }


RELATION_COLUMNS = {"head": "head_id", "tail": "tail_id", "type": "type", "score": "score"}


def entity(row: dict[str, Any]) -> dict[str, Any]:
    found = {"id": row["entity_id"], **{k: row[k] for k in ("type", "text", "start", "end")}}
    found["score"] = row["score"]
    return found | {k: row[k] for k in ("value", "recognizer") if row[k] is not None}


def event(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["event_id"],
        "type": row["type"],
        "trigger": {key: row[key] for key in ("text", "start", "end")},
        "score": row["score"],
        "arguments": [
            {"entity": a["entity_id"], "role": a["role"], "score": a["score"]}
            for a in row["arguments"]
        ],
    }


def test_a_message_gets_one_answer_online_from_the_runtime_and_in_batch(
    spark, lake: str, onnx: Path, client: TestClient, runtime: Runtime
) -> None:
    answers: dict[str, dict[str, Any]] = {}
    texts: dict[str, str] = {}

    @settings(max_examples=40, deadline=None)
    @given(st.lists(TEXTS, min_size=1, max_size=6))
    def ask(asked: list[str]) -> None:
        own = {f"m{len(texts) + place}": text for place, text in enumerate(asked)}
        body = {"messages": [{"id": key, "text": text} for key, text in own.items()]}
        response = client.post("/v1/analyze", json=body)
        assert response.status_code == 200
        results = response.json()["results"]
        assert [result["message_id"] for result in results] == list(own)
        for result, analysis in zip(results, runtime.analyze(asked), strict=True):
            assert result.pop("model_version") == VERSION
            key = result.pop("message_id")
            # The same process and the same texts together: not even a score may differ.
            assert result == analysis.to_dict()
            answers[key] = result
        texts.update(own)

    ask()
    ask.hypothesis.inner_test([LONG, "", "anna@example.org will meet ben"])
    put_messages(lake, DAY_1, texts)
    report = score_day(
        spark, lake, DAY_1, Scorer(str(onnx), runtime.variant, VERSION, threads=1, region=REGION)
    )
    assert report.scored == len(texts)
    batch = stored(lake)
    assert batch.keys() == texts.keys()
    for key, answer in answers.items():
        assert_same(answer, batch[key])
    every = list(batch.values())
    # There was something to compare in each field.
    assert any(e.get("recognizer") and e["value"] for one in every for e in one["entities"])
    assert any("recognizer" not in e for one in every for e in one["entities"])
    assert any(v["arguments"] for one in every for v in one["events"])
    assert any(one["relations"] for one in every)
