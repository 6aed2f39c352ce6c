"""PAX jobs as job runs of one EMR Serverless application.

An application knows nothing of PAX, so each run brings everything: the entry point, the package
and the Python environment that `deploy/spark/package.py` builds, all below one S3 address.
"""

from __future__ import annotations

from typing import Any

from pax_assets.compute.aws import answered, client
from pax_assets.compute.remote_run import Phase, RunRequest, Status

# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/job-states.html
_PHASES: dict[str, Phase] = {
    "SUBMITTED": "waiting",
    "PENDING": "waiting",
    "SCHEDULED": "waiting",
    "QUEUED": "waiting",
    "RUNNING": "running",
    "CANCELLING": "running",
    "SUCCESS": "succeeded",
    "CANCELLED": "stopped",
    "FAILED": "failed",
}
# Newest first: a run whose start was not answered is among these, or there is none.
_RECENT_RUNS = 200
_PYTHON = "./environment/bin/python"


class EmrServerlessRuns:
    """Job runs of `application`, as `role`, with the package at the S3 address `package`."""

    def __init__(self, application: str, role: str, package: str, emr: Any = None) -> None:
        self._application = application
        self._role = role
        self._package = package.rstrip("/")
        self._emr = emr or client("emr-serverless")

    @property
    def name(self) -> str:
        """The service and the application."""
        return f"EMR Serverless application {self._application}"

    def start(self, request: RunRequest) -> str:
        """Start the run; `deploy/emr/job.py` reads these arguments."""
        arguments = [request.job, *request.arguments]
        for option, value in request.pipes.items():
            arguments += [option, value]
        with answered(f"{self.name}: start"):
            run = self._emr.start_job_run(
                applicationId=self._application,
                clientToken=request.token,
                executionRoleArn=self._role,
                name=f"{request.job} {request.token}",
                jobDriver={
                    "sparkSubmit": {
                        "entryPoint": f"{self._package}/job.py",
                        "entryPointArguments": arguments,
                        "sparkSubmitParameters": " ".join(self._parameters()),
                    }
                },
                # Left out it would be 12 hours, which ends a stream every day; 0 is for ever.
                executionTimeoutMinutes=request.timeout_minutes,
            )
        return run["jobRunId"]

    def _parameters(self) -> list[str]:
        settings = {
            "spark.submit.pyFiles": f"{self._package}/pax_assets.zip",
            "spark.archives": f"{self._package}/environment.tar.gz#environment",
            "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": _PYTHON,
            "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": _PYTHON,
            "spark.executorEnv.PYSPARK_PYTHON": _PYTHON,
        }
        return [f"--conf {name}={value}" for name, value in settings.items()]

    def find(self, token: str) -> str | None:
        """Look for the token in the names of the application's newest runs.

        `start` with the same token would do, if it were asked in the very same words.
        """
        with answered(f"{self.name}: list runs"):
            pages = self._emr.get_paginator("list_job_runs").paginate(
                applicationId=self._application,
                PaginationConfig={"MaxItems": _RECENT_RUNS, "PageSize": 50},
            )
            for page in pages:
                for run in page["jobRuns"]:
                    if run.get("name", "").endswith(token):
                        return run["id"]
        return None

    def status(self, run_id: str) -> Status:
        """Ask for the run's state and the service's explanation of it."""
        with answered(f"{self.name}: state of run {run_id}"):
            run = self._emr.get_job_run(applicationId=self._application, jobRunId=run_id)["jobRun"]
        state = run["state"]
        reason = run.get("stateDetails") or ""
        return Status(_PHASES.get(state, "running"), f"{state} {reason}".strip())

    def stop(self, run_id: str) -> None:
        """Cancel the run."""
        with answered(f"{self.name}: cancel run {run_id}"):
            self._emr.cancel_job_run(applicationId=self._application, jobRunId=run_id)

    def url(self, run_id: str) -> str:
        """Return the application's page in the console; runs have pages in EMR Studio only."""
        region = self._emr.meta.region_name
        return (
            f"https://{region}.console.aws.amazon.com/emr/home?region={region}"
            f"#/serverless/applications/{self._application}/job-runs/{run_id}"
        )
