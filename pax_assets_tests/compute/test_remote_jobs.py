"""Assets whose job runs on a service: its report comes back, and no job is started twice.

Against a simulated AWS in a process of its own; what the service would do with the script is
done by hand. The states in between are in `test_remote_run`.
"""

import json
import multiprocessing
import os
import signal
import time
import uuid
from typing import Any

import dagster as dg
import pytest
from dagster_pipes import decode_param

from pax_assets.compute.aws import UnknownRun, client
from pax_assets.compute.glue import GlueRuns
from pax_assets.compute.remote_jobs import RemoteJobs
from pax_assets.compute.remote_run import JobFailed, JobLost, Patience, RunService, Status
from pax_assets_tests.compute.moto_aws import (
    WorkedEmr,
    aws,
    emr_application,
    glue_job,
    looks_per_state,
    moto_server,
)
from pax_assets_tests.landing_objects import DAYS, land, line

__all__ = ["aws", "moto_server"]

PIPES = "s3://messages/pipes"
INGEST = "pax_assets.jobs.ingest"
QUICK = Patience(poll=0.05, unknown=0.2, unreachable=2)


def _execute(service: RunService, arguments: list[str], run_id: str | None = None, **more: Any):
    """Run an asset whose job runs on `service`; give what happened and the job's report."""
    reports: list[dict[str, Any]] = []

    @dg.asset
    def table(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        jobs = RemoteJobs(service, PIPES, 60, more.get("patience", QUICK))
        reports.append(jobs.run(context, INGEST, arguments))
        return dg.MaterializeResult()

    job = dg.Definitions(assets=[table]).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        run_id=run_id or str(uuid.uuid4()), raise_on_error=more.get("raise_on_error", True)
    )
    return result, reports


def _arguments(tmp_path, *, lines: int = 3) -> list[str]:
    land(tmp_path / "in", f"sms/{DAYS[0]}/a.jsonl", [line(f"m{n}") for n in range(lines)])
    given = {"lake": tmp_path / "lake", "landing": tmp_path / "in", "channel": "sms"}
    options = [f"--{name}={value}" for name, value in given.items()]
    return [*options, f"--day={DAYS[0]}"]


def _notes() -> list[dict[str, Any]]:
    s3 = client("s3")
    found = s3.list_objects_v2(Bucket="messages")["Contents"]
    keys = [item["Key"] for item in found if item["Key"].endswith("attempt.json")]
    return [json.loads(s3.get_object(Bucket="messages", Key=k)["Body"].read()) for k in keys]


def _report(run: dict[str, Any]) -> None:
    """Leave on S3 what the run's job would: the messages of a program that ended well."""
    where = decode_param(run["Arguments"]["--dagster-pipes-messages"])
    report = {"kind": "report", "report": {"ingested": 1}}
    messages = [
        {"method": "opened", "params": {}},
        {"method": "report_custom_message", "params": {"payload": report}},
        {"method": "closed", "params": {}},
    ]
    lines = [json.dumps({"__dagster_pipes_version": "0.1", **message}) for message in messages]
    client("s3").put_object(
        Bucket=where["bucket"], Key=f"{where['key_prefix']}/1.json", Body="\n".join(lines).encode()
    )


def _runs() -> list[dict[str, Any]]:
    return client("glue").get_job_runs(JobName="pax")["JobRuns"]


class ReportingGlue(GlueRuns):
    """Glue whose runs report as soon as they are started."""

    def start(self, request):
        run_id = super().start(request)
        _report(client("glue").get_job_run(JobName="pax", RunId=run_id)["JobRun"])
        return run_id


def test_a_job_on_emr_serverless_reports_to_its_asset(aws, tmp_path) -> None:
    service = WorkedEmr(emr_application())
    result, reports = _execute(service, _arguments(tmp_path))
    assert reports[0]["ingested"] == 1
    assert reports[0]["objects"][0]["messages"] == 3
    (event,) = result.asset_materializations_for_node("table")
    assert "job-runs" in event.metadata["job_run"].value
    assert [note["over"] for note in _notes()] == [True]


def test_a_job_on_glue_is_waited_for_and_reports_to_its_asset(aws, tmp_path) -> None:
    looks_per_state(3)
    _, reports = _execute(ReportingGlue(glue_job()), _arguments(tmp_path))
    assert reports[0]["ingested"] == 1


def test_what_a_job_prints_is_shown_with_the_run(aws, tmp_path, capfd) -> None:
    service = WorkedEmr(emr_application())
    with pytest.raises(JobFailed, match=r"ended well, but its report is not at s3://messages"):
        _execute(service, [*_arguments(tmp_path), "--nonsense"])
    assert "unrecognized arguments: --nonsense" in capfd.readouterr().err


def test_a_job_that_left_no_report_has_failed(aws, tmp_path) -> None:
    looks_per_state(1)
    with pytest.raises(JobFailed, match="its report is not at s3://messages"):
        _execute(GlueRuns(glue_job()), _arguments(tmp_path))


def test_a_failed_job_is_started_anew_by_the_next_attempt(aws, tmp_path) -> None:
    looks_per_state(1)
    run_id = str(uuid.uuid4())
    arguments = _arguments(tmp_path)

    class Failing(GlueRuns):
        def status(self, run_id: str) -> Status:
            return Status("failed", "FAILED because of its script")

    with pytest.raises(JobFailed, match=r"failed: FAILED because of its script; its log is at"):
        _execute(Failing(glue_job()), arguments, run_id)
    _, reports = _execute(ReportingGlue("pax"), arguments, run_id)
    assert reports[0]["ingested"] == 1
    assert len(_runs()) == 2


def test_a_lost_job_is_started_anew_by_the_next_attempt(aws, tmp_path) -> None:
    looks_per_state(1)
    run_id = str(uuid.uuid4())
    arguments = _arguments(tmp_path)

    class Forgetting(GlueRuns):
        def status(self, run_id: str) -> Status:
            raise UnknownRun(run_id)

    with pytest.raises(JobLost):
        _execute(Forgetting(glue_job()), arguments, run_id)
    _, reports = _execute(ReportingGlue("pax"), arguments, run_id)
    assert reports[0]["ingested"] == 1


def _followed_until_killed(arguments: list[str], run_id: str) -> None:
    """Runs in a process of its own, which dies as one does that is out of memory."""

    def die(seconds: float) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    _execute(GlueRuns("pax"), arguments, run_id, patience=Patience(sleep=die))


def test_whoever_comes_after_a_killed_follower_follows_the_same_run(aws, tmp_path) -> None:
    looks_per_state(1000)
    glue_job()
    run_id, arguments = str(uuid.uuid4()), _arguments(tmp_path)
    first = multiprocessing.get_context("spawn").Process(
        target=_followed_until_killed, args=(arguments, run_id)
    )
    first.start()
    first.join(120)
    assert first.exitcode == -signal.SIGKILL
    (run,) = _runs()
    assert [note["run_id"] for note in _notes()] == [run["Id"]]
    _report(run)
    looks_per_state(1)
    _, reports = _execute(GlueRuns("pax"), arguments, run_id)
    assert reports[0]["ingested"] == 1
    assert len(_runs()) == 1


def test_a_run_that_was_started_for_a_follower_who_died_before_the_answer_is_found(
    aws, tmp_path
) -> None:
    looks_per_state(1)
    run_id, arguments = str(uuid.uuid4()), _arguments(tmp_path)

    class Unheard(ReportingGlue):
        def start(self, request):
            super().start(request)
            raise KeyboardInterrupt

    service = Unheard(glue_job())
    with pytest.raises(KeyboardInterrupt):
        _execute(service, arguments, run_id)
    assert [note["run_id"] for note in _notes()] == [""]
    _, reports = _execute(GlueRuns("pax"), arguments, run_id)
    assert reports[0]["ingested"] == 1
    assert len(_runs()) == 1


def test_another_run_of_the_asset_starts_a_job_of_its_own(aws, tmp_path) -> None:
    looks_per_state(1)
    service, arguments = ReportingGlue(glue_job()), _arguments(tmp_path)
    _execute(service, arguments)
    _execute(service, arguments)
    assert len(_runs()) == 2


def test_a_cancelled_run_stops_its_job(aws, tmp_path) -> None:
    stopped: list[str] = []

    class Watched(GlueRuns):
        def status(self, run_id: str) -> Status:
            raise KeyboardInterrupt

        def stop(self, run_id: str) -> None:
            stopped.append(run_id)

    service = Watched(glue_job())
    with pytest.raises(KeyboardInterrupt):
        _execute(service, _arguments(tmp_path))
    (note,) = _notes()
    assert stopped == [note["run_id"]]
    assert note["over"]


def test_a_job_that_does_not_exist_is_refused_by_name(aws, tmp_path) -> None:
    began = time.monotonic()
    with pytest.raises(UnknownRun, match="Glue job nowhere"):
        _execute(GlueRuns("nowhere"), _arguments(tmp_path))
    assert time.monotonic() - began < 20
