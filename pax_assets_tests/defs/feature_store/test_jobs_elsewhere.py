"""The feature store's tables are made where the settings say, and never in passing here."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pax_assets.compute.spark_jobs import Place
from pax_assets.defs.feature_store import assets
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets.jobs.program import Engine
from pax_assets.lake import content_hash, read
from pax_assets_tests.jobs.test_message_features import ADA, BOB, DAYS, at, message, put

ALL = [assets.messages, assets.message_features, assets.identity_evidence]
ALL += [assets.conversations, assets.participants]


class Elsewhere:
    """Stands for a cluster: an engine of its own, and a report that travels as text."""

    def __init__(self, session: Any) -> None:
        self._engine = Engine(lambda: session, is_cluster=True)
        self.asked: list[tuple[str, Sequence[str]]] = []

    def run(
        self, context: dg.AssetExecutionContext, job: str, arguments: Sequence[str]
    ) -> dict[str, Any]:
        self.asked.append((job.rpartition(".")[2], arguments))
        return json.loads(json.dumps(asdict(import_module(job).run(self._engine, arguments))))


@pytest.fixture
def elsewhere(spark, monkeypatch) -> Elsewhere:
    """Jobs run there, and the session of this process is not to be had."""
    place = Elsewhere(spark)
    places: list[Place] = []

    def jobs_at(asked: Place) -> Elsewhere:
        places.append(asked)
        return place

    monkeypatch.setattr("pax_assets.compute.spark_jobs.jobs_at", jobs_at)
    monkeypatch.setattr(
        "pax_assets.compute.spark.spark_session", lambda _: pytest.fail("a session was opened here")
    )
    yield place
    assert {asked.glue_job for asked in places} == {"pax"}


def _materialize(asset: dg.AssetsDefinition, lake: str, tmp_path: Path, day: str | None = None):
    return dg.materialize(
        ALL,
        selection=[asset],
        partition_key=day,
        resources={
            "lake": LakeResource(root=lake, landing=str(tmp_path), parse_workers=3),
            "spark": SparkResource(target="glue", glue_job="pax", pipes="s3://messages"),
        },
    )


def test_features_are_built_there_and_the_days_that_they_revise_are_told_here(
    elsewhere, lake, tmp_path
):
    put(lake, DAYS[1], [message("b", at(9, day=1), BOB, [ADA])])
    _materialize(assets.message_features, lake, tmp_path, DAYS[1])
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB])])
    result = _materialize(assets.message_features, lake, tmp_path, DAYS[0])
    asked = [f"--lake={lake}", f"--day={DAYS[0]}", "--workers=3"]
    assert elsewhere.asked[1] == ("message_features", asked)
    told = {e.partition: e for e in result.asset_materializations_for_node("message_features")}
    assert told[DAYS[1]].metadata["rows_revised"].value == 1
    assert told[DAYS[0]].metadata["dagster/row_count"].value == 1


@pytest.mark.parametrize("name", ["conversations", "participants"])
def test_tables_over_all_days_are_updated_there(elsewhere, lake, tmp_path, name):
    put(lake, DAYS[0], [message("a", at(9), ADA, [BOB], direction="inbound")])
    result = _materialize(getattr(assets, name), lake, tmp_path)
    assert elsewhere.asked == [(name, [f"--lake={lake}"])]
    (told,) = result.asset_materializations_for_node(name)
    rows = read(lake, name)
    assert told.metadata["rows_recomputed"].value == rows.num_rows > 0
    assert told.metadata["recomputed_completely"].value
    assert told.tags["dagster/data_version"] == content_hash(rows)
