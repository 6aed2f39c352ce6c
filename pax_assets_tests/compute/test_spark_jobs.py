"""The same asset code, wherever its job runs: here, by spark-submit, or on a service."""

import os
import sys

import dagster as dg
import pytest

from pax_assets.compute.payload import PayloadFailed
from pax_assets.compute.remote_jobs import RemoteJobs
from pax_assets.compute.spark_jobs import InProcess, Place, jobs_at
from pax_assets.compute.spark_submit import SparkSubmit, submit_command, submit_environment
from pax_assets.defs.resources import SparkResource
from pax_assets.jobs.ingest import IngestReport
from pax_assets_tests.landing_objects import DAYS, land, line

INGEST = "pax_assets.jobs.ingest"


def _arguments(lake: str, tmp_path) -> list[str]:
    land(tmp_path / "in", f"sms/{DAYS[0]}/a.jsonl", [line("a"), "{broken"])
    given = {"lake": lake, "landing": tmp_path / "in", "channel": "sms", "day": DAYS[0]}
    return [f"--{name}={value}" for name, value in given.items()]


def _run(spark: SparkResource, job: str, arguments: list[str]) -> list[dict]:
    reports = []

    @dg.asset
    def table(context: dg.AssetExecutionContext, spark: SparkResource) -> dg.MaterializeResult:
        reports.append(spark.run(context, job, arguments))
        return dg.MaterializeResult()

    dg.materialize([table], resources={"spark": spark})
    return reports


def test_in_process_a_job_is_called_and_starts_no_engine_that_it_does_not_use(
    lake, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(
        "pax_assets.compute.spark.spark_session", lambda _: pytest.fail("an engine was started")
    )
    (fields,) = _run(SparkResource(), INGEST, _arguments(lake, tmp_path))
    assert IngestReport.of(fields).totals["quarantined"] == 1


@pytest.mark.jvm
@pytest.mark.timeout(600)
def test_by_spark_submit_a_job_reports_the_same(lake, tmp_path) -> None:
    arguments = _arguments(lake, tmp_path)
    (there,) = _run(SparkResource(target="spark-submit", spark="local[2]"), INGEST, arguments)
    assert (there["ingested"], there["objects"][0]["messages"]) == (1, 1)
    (here,) = _run(SparkResource(), INGEST, arguments)
    assert here["objects"] == there["objects"]


@pytest.mark.jvm
def test_a_job_that_spark_submit_could_not_run_shows_what_it_printed(lake, tmp_path) -> None:
    spark = SparkResource(target="spark-submit", spark="local[2]")
    with pytest.raises(PayloadFailed, match=r"pax_assets\.jobs\.ingest ended[\s\S]*--nonsense"):
        _run(spark, INGEST, [*_arguments(lake, tmp_path), "--nonsense"])


def test_each_target_has_its_place() -> None:
    assert isinstance(jobs_at(Place()), InProcess)
    assert isinstance(jobs_at(Place("spark-submit")), SparkSubmit)


@pytest.mark.parametrize(
    "place",
    [
        Place("glue", pipes="s3://b/p", glue_job="pax"),
        Place("emr-serverless", pipes="s3://b/p", emr_application="0", emr_role="r", package="s3"),
    ],
    ids=lambda place: place.target,
)
def test_a_service_is_not_asked_anything_before_a_job_runs(place, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert isinstance(jobs_at(place), RemoteJobs)


def test_spark_submit_gets_this_python_and_no_spark_connect(monkeypatch) -> None:
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    environment = submit_environment()
    assert environment["PYSPARK_PYTHON"] == sys.executable
    assert "SPARK_CONNECT_MODE_ENABLED" not in environment
    assert "SPARK_CONNECT_MODE_ENABLED" in os.environ
    assert submit_command("yarn")[0] == f"{environment['SPARK_HOME']}/bin/spark-submit"


def test_a_cluster_is_not_told_to_call_back_to_the_loopback_interface() -> None:
    assert submit_command("yarn")[1:] == ["--master", "yarn"]
    assert "spark.driver.host=127.0.0.1" in submit_command("local[2]")
