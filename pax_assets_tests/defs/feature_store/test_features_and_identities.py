"""Features and identities as assets: what they tell the UI, and whom they wake."""

import json
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from pax_assets.defs.feature_store import assets, checks
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets.lake import commit, read
from pax_assets_tests.jobs.test_message_features import ADA, BOB, DAYS, at, message, put
from pax_assets_tests.landing_objects import land

ALL = [assets.messages, assets.message_features, assets.identity_evidence, assets.participants]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def run(lake, landing, spark):
    resources = {
        "lake": LakeResource(root=lake, landing=str(landing)),
        "spark": SparkResource(),
    }
    with dg.DagsterInstance.ephemeral() as instance:

        def _run(asset: dg.AssetsDefinition, day: str | None = None):
            return dg.materialize(
                ALL,
                selection=[asset],
                partition_key=day,
                resources=resources,
                instance=instance,
            )

        yield _run


def materializations(result) -> dict[str | None, dg.AssetMaterialization]:
    events = [e for e in result.all_events if e.is_step_materialization]
    return {e.partition: e.materialization for e in events}


def test_a_late_message_makes_news_of_the_days_that_it_revises(run, lake):
    put(lake, DAYS[1], [message("b", at(9, day=1), BOB, [ADA])])
    run(assets.message_features, DAYS[1])
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    result = run(assets.message_features, DAYS[0])
    found = materializations(result)
    assert set(found) == {DAYS[0], DAYS[1]}
    assert found[DAYS[1]].metadata["rows_revised"].value == 1
    tags = [found[day].tags["dagster/data_version"] for day in DAYS[:2]]
    assert len(set(tags)) == 2
    (check,) = result.get_asset_check_evaluations()
    assert check.passed


def test_a_day_that_changed_nothing_keeps_its_data_version(run, lake):
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    versions = {
        materializations(run(assets.message_features, DAYS[0]))[DAYS[0]].tags[
            "dagster/data_version"
        ]
        for _ in range(2)
    }
    assert len(versions) == 1


def test_features_that_do_not_match_their_messages_are_seen(lake):
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    rows = read(lake, "message_features")
    result = checks.features_match_messages(lake, DAYS[0], rows)
    assert not result.passed
    assert "1 messages lack features" in result.description


def test_identity_files_are_read_and_bad_lines_are_named(run, lake, landing):
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    lines = [json.dumps({"identities": [ADA, BOB]}), "{"]
    land(landing, "identities/crm.jsonl", lines)
    result = run(assets.identity_evidence)
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert check.description == "identities/crm.jsonl, line 2: not JSON; write one object a line"
    metadata = materializations(result)[None].metadata
    assert (metadata["rule_stated"].value, metadata["clusters"].value) == (1, 1)
    run(assets.participants)
    (person,) = read(lake, "participants").to_pylist()
    assert {identity["value"] for identity in person["identities"]} == {ADA, BOB}


def test_no_preview_shows_an_address_or_an_id_of_one(run, lake, landing):
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    land(landing, "identities/crm.jsonl", [json.dumps({"identities": [ADA, BOB]})])
    ids = set(read(lake, "participants")["participant_id"].to_pylist())
    for asset, day in (
        (assets.message_features, DAYS[0]),
        (assets.identity_evidence, None),
        (assets.participants, None),
    ):
        for event in materializations(run(asset, day)).values():
            shown = event.metadata["preview"].value
            assert not any(word in shown for word in (ADA, BOB, *ids))


@pytest.mark.parametrize("asset", ["message_features", "identity_evidence", "participants"])
def test_columns_have_descriptions_and_sources_in_the_ui(run, lake, asset):
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    definition = getattr(assets, asset)
    day = DAYS[0] if definition.partitions_def else None
    (event,) = materializations(run(definition, day)).values()
    schema = event.metadata["dagster/column_schema"].value
    assert [c.name for c in schema.columns if not c.description] == []
    traced = event.metadata["dagster/column_lineage"].value.deps_by_column
    assert {c.name for c in schema.columns} - set(traced) <= {"language_by"}


def test_evidence_is_looked_for_every_hour(lake):
    """Files of the data team change no asset that would ask for it."""
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    with dg.DagsterInstance.ephemeral() as instance:
        definitions = dg.Definitions(
            assets=ALL,
            resources={"lake": LakeResource(root=lake, landing=lake), "spark": SparkResource()},
        )
        seen = []
        cursor = None
        for minute in (0, 10, 70):
            moment = at(9, 30, day=3) + timedelta(minutes=minute)
            result = dg.evaluate_automation_conditions(
                defs=definitions, instance=instance, cursor=cursor, evaluation_time=moment
            )
            cursor = result.cursor
            seen.append(result.get_num_requested(dg.AssetKey("identity_evidence")))
        assert seen == [0, 0, 1]
    assert commit.ensure(lake, "messages").version() == 1
