"""PAX jobs as runs of one AWS Glue job.

The job's definition (script, Spark version, workers, Python modules) is infrastructure; a run
brings a job file's name and arguments. StartJobRun has no idempotency token, so the request's
token travels among the run's arguments, and a run whose start was never answered is found by it.
"""

from __future__ import annotations

import json
from typing import Any

from pax_assets.compute.aws import Unavailable, answered, client
from pax_assets.compute.remote_run import Phase, RunRequest, Status

# https://docs.aws.amazon.com/glue/latest/dg/job-run-statuses.html
_PHASES: dict[str, Phase] = {
    "STARTING": "waiting",
    "WAITING": "waiting",
    "RUNNING": "running",
    "STOPPING": "running",
    "SUCCEEDED": "succeeded",
    "STOPPED": "stopped",
    "FAILED": "failed",
    "ERROR": "failed",
    "TIMEOUT": "failed",
    "EXPIRED": "failed",
}
_TOKEN = "--pax_token"  # noqa: S105 - names a request, opens nothing
# Newest first: a run whose start was not answered is among these, or there is none.
_RECENT_RUNS = 200


class GlueRuns:
    """Runs of the Glue job `job_name`, whose script is `deploy/glue/job.py`."""

    def __init__(self, job_name: str, glue: Any = None) -> None:
        self._job_name = job_name
        self._glue = glue or client("glue")

    @property
    def name(self) -> str:
        """The service and the job."""
        return f"Glue job {self._job_name}"

    def start(self, request: RunRequest) -> str:
        """Start the run; `deploy/glue/job.py` reads these arguments."""
        arguments = {
            "--pax_job": request.job,
            "--pax_arguments": json.dumps(list(request.arguments)),
            _TOKEN: request.token,
            **request.pipes,
        }
        # A Glue stream has no time limit unless it is given one; a batch job has 8 hours.
        limit = {"Timeout": request.timeout_minutes} if request.timeout_minutes else {}
        with answered(f"{self.name}: start"):
            run = self._glue.start_job_run(
                JobName=self._job_name, Arguments=arguments, JobRunQueuingEnabled=True, **limit
            )
        return run["JobRunId"]

    def find(self, token: str) -> str | None:
        """Look for the token among the job's newest runs."""
        with answered(f"{self.name}: list runs"):
            pages = self._glue.get_paginator("get_job_runs").paginate(
                JobName=self._job_name,
                PaginationConfig={"MaxItems": _RECENT_RUNS, "PageSize": 100},
            )
            for page in pages:
                for run in page["JobRuns"]:
                    if run.get("Arguments", {}).get(_TOKEN) == token:
                        return run["Id"]
        return None

    def status(self, run_id: str) -> Status:
        """Ask for the run's state and, where it failed, for Glue's reason."""
        with answered(f"{self.name}: state of run {run_id}"):
            run = self._glue.get_job_run(JobName=self._job_name, RunId=run_id)["JobRun"]
        state = run["JobRunState"]
        reason = run.get("ErrorMessage") or ""
        return Status(_PHASES.get(state, "running"), f"{state} {reason}".strip())

    def stop(self, run_id: str) -> None:
        """Stop the run. Raises `Unavailable` where Glue did not take the request."""
        with answered(f"{self.name}: stop run {run_id}"):
            answer = self._glue.batch_stop_job_run(JobName=self._job_name, JobRunIds=[run_id])
        for error in answer.get("Errors", ()):
            raise Unavailable(f"{self.name}: run {run_id}: {error.get('ErrorDetail')}")

    def url(self, run_id: str) -> str:
        """Return the run's page in Glue Studio."""
        region = self._glue.meta.region_name
        return (
            f"https://{region}.console.aws.amazon.com/gluestudio/home?region={region}"
            f"#/job/{self._job_name}/run/{run_id}"
        )
