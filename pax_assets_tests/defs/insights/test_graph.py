"""The relationship graph as Dagster runs it, over findings that are known."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import dagster as dg
import networkx
import pytest

from pax_assets.defs.insights import columns
from pax_assets.defs.insights.graph import relationship_graph
from pax_assets.defs.resources import LakeResource
from pax_assets.jobs.insights import insight_tables
from pax_assets.jobs.insights.insight_tables import GRAPH_TABLES, SCHEMAS
from pax_assets.lake.artifacts import ArtifactStore
from pax_assets_tests.jobs.insights.store import ANNA, BEN, ME, Message, put_days, put_people

PERSON = "person"
MESSAGES = [
    Message("a", "2026-01-05T10:00", BEN, [ME, ANNA],
            {"Anna": PERSON, "Acme": "organization", "€20": "money", "tomorrow": "time",
             "soon": "time"},
            [("payment", "pay", {"payee": "Anna", "amount": "€20", "time": "tomorrow"})],
            [("Anna", "works_for", "Acme")], conversation="c1"),
    Message("b", "2026-01-06T10:00", ANNA, [ME], {"Ben Osei": PERSON, "+49 170 2222222": "phone"},
            conversation="c1"),
]  # fmt: skip


@pytest.fixture
def graph(lake: str):
    folder = Path(lake) / "to_release"
    folder.mkdir()
    (folder / "release.json").write_text(json.dumps({"model_version": "m1"}))
    ArtifactStore(lake).publish("released_model", folder)
    put_days(lake, MESSAGES)
    put_people(lake, [([ANNA], ["Anna Keller"]), ([BEN], ["Ben Osei"])])
    resources = {"lake": LakeResource(root=lake, landing=f"{lake}/landing")}

    def run() -> dg.AssetMaterialization:
        result = dg.materialize([relationship_graph], resources=resources)
        [event] = result.get_asset_materialization_events()
        return event.step_materialization_data.materialization

    return run


def test_a_run_has_tables_files_and_pictures(graph, lake: str) -> None:
    metadata = graph().metadata
    assert (metadata["nodes"].value, metadata["edges"].value) == (3, 1)
    assert metadata["events"].value == 1
    assert metadata["nodes_linked_to_a_participant"].value == 2
    assert "| participant_in_conversation | 1 |" in metadata["resolved"].value
    assert "| identity | 1 |" in metadata["resolved"].value
    assert "| time | 2 | 1 |" in metadata["values"].value
    assert "| money | 1 | 1 |" in metadata["values"].value
    for name in ("picture", "events_picture"):
        encoded = metadata[name].value.split("base64,")[1].rstrip(")")
        assert base64.b64decode(encoded).startswith(b"\x89PNG")
    file = Path(lake) / "relationship_graph" / "graph.graphml"
    assert str(file) in metadata["exports"].value
    assert networkx.read_graphml(file).number_of_edges() == 1


def test_what_the_run_shows_has_no_name_and_no_address(graph) -> None:
    shown = " ".join(str(value.value) for value in graph().metadata.values())
    for word in ("Anna", "anna", "Keller", "Osei", "170222", "1701111", "Acme", "€20"):
        assert word not in shown


def test_settings_say_what_words_leave_open(graph, lake: str, monkeypatch) -> None:
    first = graph()
    assert graph().tags["dagster/data_version"] == first.tags["dagster/data_version"]
    [before] = insight_tables.read(lake, insight_tables.TIMELINE).to_pylist()
    put_days(lake, [Message("c", "2026-01-07T10:00", "x@y.example", [ME], {"$5": "money"})])
    monkeypatch.setenv("PAX_DEFAULT_REGION", "CA")
    later = graph()
    assert later.tags["dagster/data_version"] != first.tags["dagster/data_version"]
    sums = insight_tables.read(lake, insight_tables.VALUES).to_pylist()
    assert {row["text"]: row["currency"] for row in sums if row["kind"] == "money"} == {
        "€20": "EUR",
        "$5": "CAD",
    }
    assert before in insight_tables.read(lake, insight_tables.TIMELINE).to_pylist()


@pytest.mark.parametrize("table", GRAPH_TABLES)
def test_every_column_is_described(table: str) -> None:
    described = getattr(columns, table.removeprefix("relationship_graph/").upper())
    assert set(described) == set(SCHEMAS[table].names)
    assert all(text == text.strip() and len(text) >= 5 for text in described.values())
