"""The insights as Dagster runs them: a released model, days of messages, real runs.

The model is an ONNX artifact that looks words up in a table, so that answers are known and the
runtime is the one that serves.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import dagster as dg
import pyarrow.compute as pc
import pytest

from pax_assets.defs.insights.assets import insights
from pax_assets.defs.insights.graph import relationship_graph
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets.jobs.insights import insight_tables
from pax_assets.jobs.insights.insight_tables import FINDINGS, SCORED
from pax_assets.lake import commit
from pax_assets.lake.artifacts import ArtifactStore, MissingArtifact
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact
from pax_assets_tests.jobs.message_rows import DAY_1, DAY_2, put_messages

TEXTS = {"a": "Anna meets Ben on the bridge", "b": "Ben slept", "c": "nothing at all"}
KEYS = [dg.AssetKey(table.split("/")) for table in FINDINGS]


@pytest.fixture(scope="module")
def lookup_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lookup_artifact(tmp_path_factory.mktemp("lookup") / "onnx")


def release(lake: str, onnx: Path, model_version: str = "m1") -> None:
    folder = Path(lake) / "to_release"
    folder.mkdir(exist_ok=True)
    record = {"model_version": model_version, "variant": "fp32", "onnx_path": str(onnx)}
    (folder / "release.json").write_text(json.dumps(record))
    ArtifactStore(lake).publish("released_model", folder)


@pytest.fixture
def line(lake: str, lookup_model: Path):
    """Run assets on the lake: `line(insights, day)`; checks that do not pass fail the run."""
    release(lake, lookup_model)
    resources = {
        "lake": LakeResource(root=lake, landing=f"{lake}/landing"),
        "spark": SparkResource(),
    }
    instance = dg.DagsterInstance.ephemeral()

    def run(asset: dg.AssetsDefinition, day: str | None = None, **options):
        return dg.materialize(
            [insights, relationship_graph],
            selection=[asset],
            instance=instance,
            resources=resources,
            partition_key=day,
            **options,
        )

    return run


def materialized(result: dg.ExecuteInProcessResult) -> dict[dg.AssetKey, dg.AssetMaterialization]:
    return {
        event.asset_key: event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
    }


def data_versions(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    return {
        key.to_user_string(): m.tags["dagster/data_version"]
        for key, m in materialized(result).items()
    }


def remove_rows(lake: str, table: str, message_id: str) -> None:
    rows = insight_tables.read(lake, table)
    commit.overwrite(lake, table, rows.filter(pc.not_equal(rows["message_id"], message_id)))


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        e.asset_key.to_user_string() for e in result.get_asset_check_evaluations() if not e.passed
    }


def test_a_day_is_scored_into_three_tables_with_metadata_and_checks(line, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    result = line(insights, DAY_1)
    assert result.success
    found = materialized(result)
    assert set(found) == set(KEYS)
    entities = found[KEYS[0]].metadata
    assert entities["dagster/row_count"].value == 3
    assert entities["messages"].value == 3
    assert entities["model_version"].value == "m1"
    assert "| person | 3 |" in entities["types"].value
    described = entities["dagster/column_schema"].schema.columns
    assert [c.name for c in described if not c.description] == []
    checks = result.get_asset_check_evaluations()
    assert [c.check_name for c in checks] == ["scored_once"] * 3
    assert all(c.passed and c.blocking for c in checks)


def test_previews_show_no_name_and_no_text(line, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    results = [line(insights, DAY_1), line(relationship_graph)]
    shown = " ".join(
        str(value.value)
        for r in results
        for m in materialized(r).values()
        for value in m.metadata.values()
    )
    for word in ("Anna", "anna", "Ben ", "ben", "meets", "slept"):
        assert word not in shown.replace("number", "")


def test_a_second_run_has_the_same_data_versions(line, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    first, second = line(insights, DAY_1), line(insights, DAY_1)
    assert data_versions(first) == data_versions(second)
    assert materialized(second)[KEYS[0]].metadata["scored_by_this_run"].value == 0
    put_messages(lake, DAY_1, {**TEXTS, "d": "anna"})
    third = data_versions(line(insights, DAY_1))
    assert third["insights/entities"] != data_versions(first)["insights/entities"]
    assert third["insights/events"] == data_versions(first)["insights/events"]


def test_a_day_without_messages_is_materialized_empty(line) -> None:
    result = line(insights, DAY_2)
    assert result.success
    assert materialized(result)[KEYS[0]].metadata["dagster/row_count"].value == 0


@pytest.mark.parametrize("table", [*FINDINGS, SCORED])
def test_scored_once_fails_when_a_row_is_removed(line, lake: str, monkeypatch, table: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    assert line(insights, DAY_1).success
    # The run itself would score again whatever it finds missing.
    from pax_assets.jobs import score

    real = score.score_day

    def score_and_lose(*args):
        report = real(*args)
        remove_rows(lake, table, "a")
        return report

    monkeypatch.setattr(score, "score_day", score_and_lose)
    result = line(insights, DAY_1, raise_on_error=False)
    assert not result.success
    everywhere = {key.to_user_string() for key in KEYS}
    assert failed_checks(result) == (everywhere if table == SCORED else {table})
    monkeypatch.undo()
    # As the check's description promises: what does not fit is scored anew.
    assert line(insights, DAY_1).success


def test_scored_once_fails_when_a_message_is_scored_twice(line, lake: str, monkeypatch) -> None:
    put_messages(lake, DAY_1, TEXTS)
    from pax_assets.jobs import score

    real = score.score_day

    def score_and_double(*args):
        report = real(*args)
        commit.append(lake, SCORED, insight_tables.read(lake, SCORED).slice(0, 1))
        return report

    monkeypatch.setattr(score, "score_day", score_and_double)
    assert not line(insights, DAY_1, raise_on_error=False).success


def test_without_a_released_model_the_error_names_what_to_materialize(lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    with pytest.raises(MissingArtifact, match="released_model"):
        dg.materialize(
            [insights],
            partition_key=DAY_1,
            resources={"lake": LakeResource(root=lake, landing=lake), "spark": SparkResource()},
        )


def test_the_graph_follows_from_the_scored_days(line, lake: str) -> None:
    put_messages(lake, DAY_1, TEXTS)
    put_messages(lake, DAY_2, {"d": "anna meets ben"})
    line(insights, DAY_1)
    line(insights, DAY_2)
    result = line(relationship_graph)
    metadata = materialized(result)[relationship_graph.key].metadata
    assert (metadata["nodes"].value, metadata["edges"].value) == (2, 2)  # both ways
    assert metadata["days_taken_in"].value == 2
    edges = insight_tables.read(lake, insight_tables.EDGES).to_pylist()
    assert {(e["head_text"].lower(), e["type"], e["tail_text"].lower()) for e in edges} == {
        ("anna", "knows", "ben"),
        ("ben", "knows", "anna"),
    }
    assert [e["message_ids"] for e in edges] == [["d", "a"]] * 2
    encoded = metadata["picture"].value.split("base64,")[1].rstrip(")")
    assert base64.b64decode(encoded).startswith(b"\x89PNG")
    assert "| 1 |" in metadata["most_central"].value
    again = line(relationship_graph)
    assert data_versions(again) == data_versions(result)
    assert materialized(again)[relationship_graph.key].metadata["days_taken_in"].value == 0


def test_a_new_champion_empties_the_graph_until_it_has_scored(
    line, lake: str, lookup_model: Path
) -> None:
    put_messages(lake, DAY_1, TEXTS)
    line(insights, DAY_1)
    line(relationship_graph)
    before = insight_tables.read(lake, insight_tables.NODES).to_pylist()
    release(lake, lookup_model, "m2")
    line(relationship_graph)
    assert insight_tables.read(lake, insight_tables.NODES).num_rows == 0
    line(insights, DAY_1)
    line(relationship_graph)
    assert insight_tables.read(lake, insight_tables.NODES).to_pylist() == before
