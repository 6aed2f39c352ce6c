"""`make demo` keeps its promise: every asset, every check, an answer of the model just trained."""

import json
import re
from pathlib import Path

import dagster as dg
import httpx
import pytest
from deltalake import DeltaTable

from pax_assets.definitions import defs
from pax_assets.lake import read
from pax_assets_tests.e2e.conftest import FinishedLine

pytestmark = pytest.mark.timeout(1200)

CLOSING_LINE = re.compile(
    r"^demo: landed=(?P<landed>\d+) messages=(?P<messages>\d+) events=(?P<events>\d+) "
    r"quarantined=(?P<quarantined>\d+) duplicates=(?P<duplicates>\d+) entity_f1=(?P<entity>[\d.]+) "
    r"event_f1=(?P<event>[\d.]+) relation_f1=(?P<relation>[\d.]+) answer_ms=(?P<ms>\d+)$"
)


@pytest.fixture(scope="module")
def closing(line: FinishedLine) -> dict[str, float]:
    assert line.exit_code == 0, line.output[-4000:]
    found = CLOSING_LINE.match(line.output.rstrip().splitlines()[-1])
    assert found, line.output.rstrip().splitlines()[-1]
    return {name: float(value) for name, value in found.groupdict().items()}


def test_the_four_outcomes_add_up_to_what_landed(closing) -> None:
    outcomes = ("messages", "events", "quarantined", "duplicates")
    assert closing["landed"] == sum(closing[name] for name in outcomes)
    assert all(closing[name] > 0 for name in outcomes)


def test_the_scores_reach_their_floors(closing) -> None:
    assert closing["entity"] >= 0.80
    assert closing["event"] >= 0.65
    assert closing["relation"] >= 0.60


def test_the_line_never_starts_java(line: FinishedLine, closing) -> None:
    assert not line.started_java


def test_every_asset_of_the_line_has_a_materialization(line: FinishedLine, closing) -> None:
    graph = defs().resolve_asset_graph()
    with dg.DagsterInstance.from_config(str(line.lake / ".dagster")) as instance:
        for key in graph.materializable_asset_keys:
            if "pax/by_hand" in graph.get(key).tags:
                continue
            event = instance.get_latest_materialization_event(key)
            assert event is not None, key
            assert event.asset_materialization.tags.get("dagster/data_version"), key


def test_the_service_reports_the_lineage_down_to_the_tables(line: FinishedLine, closing) -> None:
    lineage = httpx.get(f"{line.url}/v1/lineage").json()
    model = json.loads((line.lake / "message_model" / "current.json").read_text())
    assert lineage["model_version"] == model["version"]
    versions = lineage["data_versions"]
    assert versions["tokenized_dataset"]
    assert (
        int(versions["annotations.delta_version"])
        <= DeltaTable(str(line.lake / "annotations")).version()
    )
    assert lineage["dagster_run_id"]
    assert lineage["mlflow_run_id"]


def test_service_and_batch_say_the_same_of_a_stored_message(line: FinishedLine, closing) -> None:
    entities = read(str(line.lake), "insights/entities").to_pylist()
    chosen = sorted({row["message_id"] for row in entities})[:20]
    texts = {
        row["message_id"]: row["text"]
        for row in read(str(line.lake), "messages", columns=["message_id", "text"]).to_pylist()
    }
    answer = httpx.post(
        f"{line.url}/v1/analyze",
        json={"messages": [{"id": key, "text": texts[key]} for key in chosen]},
        timeout=60,
    ).json()
    for result in answer["results"]:
        stored = sorted(
            (row["start"], row["end"], row["type"])
            for row in entities
            if row["message_id"] == result["message_id"]
        )
        served = sorted((e["start"], e["end"], e["type"]) for e in result["entities"])
        assert served == stored


def test_the_graph_cites_messages_that_are_in_the_store(line: FinishedLine, closing) -> None:
    edges = read(str(line.lake), "relationship_graph/edges")
    assert edges.num_rows > 0
    stored = set(read(str(line.lake), "messages", columns=["message_id"])["message_id"].to_pylist())
    for evidence in edges["message_ids"].to_pylist():
        assert evidence
        assert set(evidence) <= stored


def test_nothing_in_the_lake_is_a_pickle(line: FinishedLine, closing) -> None:
    suspects = [
        path
        for path in line.lake.rglob("*")
        if path.suffix in {".pkl", ".pickle", ".pt", ".bin", ".joblib"}
    ]
    assert suspects == []


def test_no_message_text_stands_in_the_run_logs(line: FinishedLine, closing) -> None:
    texts = [
        text
        for text in read(str(line.lake), "messages", columns=["text"])["text"].to_pylist()
        if len(text) > 40
    ]
    log = line.output + "".join(
        path.read_text(errors="replace")
        for path in (line.lake / "bento_deployment").rglob("*.log")
        if isinstance(path, Path)
    )
    assert texts
    assert not [text for text in texts if text in log]
