"""Maintenance as an asset: scheduled, reported, and heard of by nobody downstream."""

import dagster as dg
import pyarrow as pa
import pytest

from pax_assets.defs.maintenance.assets import lake_maintenance, nightly, table_statistics
from pax_assets.defs.resources import LakeResource
from pax_assets.lake import commit, read
from pax_assets.lake.schemas import MESSAGES


@pytest.fixture
def filled(lake) -> str:
    for key in "abc":
        row = {"message_id": key, "text": "secret", "arrival_day": "2026-01-05"}
        commit.append(lake, "messages", pa.Table.from_pylist([row], schema=MESSAGES))
    return lake


def materialize(lake: str) -> dg.ExecuteInProcessResult:
    resources = {"lake": LakeResource(root=lake, landing=f"{lake}/landing")}
    return dg.materialize([table_statistics], resources=resources)


def test_a_run_compacts_and_shows_what_it_did(filled):
    result = materialize(filled)
    (event,) = result.asset_materializations_for_node("table_statistics")
    assert event.metadata["files_before"].value == 3
    assert event.metadata["files_after"].value == 1
    assert "| messages | 3 |" in event.metadata["tables"].value
    schema = event.metadata["dagster/column_schema"].value
    assert [c.name for c in schema.columns if not c.description] == []
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    (row,) = read(filled, "table_statistics").to_pylist()
    assert (row["table"], row["rows"], row["files_after"]) == ("messages", 3, 1)


def test_a_table_that_cannot_be_maintained_warns(filled, tmp_path):
    (tmp_path / "lake" / "broken" / "_delta_log").mkdir(parents=True)
    result = materialize(filled)
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "broken: its log holds no commit" in check.description


def test_the_schedule_runs_the_job_every_night_without_being_asked():
    assert nightly.job.name == lake_maintenance.name
    assert nightly.default_status == dg.DefaultScheduleStatus.RUNNING
    assert nightly.cron_schedule == "30 2 * * *"
