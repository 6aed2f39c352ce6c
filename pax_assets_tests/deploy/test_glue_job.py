"""The script of the Glue job, on a local JVM: an asset's job from its start to its report.

Glue is simulated, and its own classes are in no package; all the rest is what runs there.
"""

import sys
from datetime import UTC, datetime

import dagster as dg
import pytest

from pax_assets.compute.remote_jobs import RemoteJobs
from pax_assets.compute.remote_run import Patience
from pax_assets.jobs.ingest import IngestReport, ingest
from pax_assets.lake import content_hash, read
from pax_assets_tests.compute.moto_aws import (
    WorkedGlue,
    aws,
    glue_job,
    looks_per_state,
    moto_server,
)
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.landing_objects import DAYS, land, line

__all__ = ["aws", "moto_server"]

SCRIPT = PROJECT / "deploy" / "glue" / "job.py"


@pytest.mark.jvm
@pytest.mark.timeout(600)
def test_an_asset_whose_job_runs_on_glue_gets_its_report(aws, lake, tmp_path) -> None:
    land(tmp_path / "in", f"sms/{DAYS[0]}/a.jsonl", [line("a"), line("b"), "{broken"])
    given = {"lake": lake, "landing": tmp_path / "in", "channel": "sms", "day": DAYS[0]}
    looks_per_state(2)
    service = WorkedGlue(glue_job(), [sys.executable, str(SCRIPT)])

    @dg.asset
    def raw_sms(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        jobs = RemoteJobs(service, "s3://messages", 60, Patience(poll=0.05))
        arguments = [f"--{name}={value}" for name, value in given.items()]
        fields = jobs.run(context, "pax_assets.jobs.ingest", [*arguments, "--parse=spark"])
        return dg.MaterializeResult(metadata=IngestReport.of(fields).totals)

    result = dg.materialize([raw_sms])
    (event,) = result.asset_materializations_for_node("raw_sms")
    assert event.metadata["messages"].value == 2
    assert event.metadata["quarantined"].value == 1
    assert "gluestudio" in event.metadata["job_run"].value
    expected = str(tmp_path / "expected")
    ingest(expected, str(tmp_path / "in"), "sms", DAYS[0], datetime.now(UTC))
    assert content_hash(read(lake, "raw_sms")) == content_hash(read(expected, "raw_sms"))
