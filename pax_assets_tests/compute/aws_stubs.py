"""Two services that run Spark jobs, each answering from a script instead of from AWS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from pax_assets.compute.emr_serverless import EmrServerlessRuns
from pax_assets.compute.glue import GlueRuns
from pax_assets.compute.remote_run import Patience, RunService

RUN = "run-1"
RUN_ARN = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/00f/jobruns/run-1"
ROLE = "arn:aws:iam::123456789012:role/pax-jobs"
PACKAGE = "s3://artifacts/pax/0.1.0"
KEYS = {
    "region_name": "eu-central-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}


class Clock:
    """A clock that only sleeping moves, so that hours of waiting take no time."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def patience(self, **more: float) -> Patience:
        """Patience that waits on this clock."""
        return Patience(sleep=self.sleep, clock=lambda: self.now, **more)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass
class Scripted:
    """A service whose client gives the scripted answers, in order, and no others."""

    service: RunService
    stub: Stubber
    words: dict[str, str]
    _add: Callable[[Stubber, str, Any], None]
    unknown: str
    calls: dict[str, str] = field(default_factory=dict)

    def state(self, word: str) -> Scripted:
        """Answer the next look with the service's word for this state."""
        self._add(self.stub, "state", self.words[word])
        return self

    def error(self, code: str, status: int = 400, call: str = "state") -> Scripted:
        """Answer the next call with an error of this code."""
        self.stub.add_client_error(self.calls[call], code, "because", http_status_code=status)
        return self

    def forget(self) -> Scripted:
        """Answer the next look with: there is no such run."""
        return self.error(self.unknown)

    def stopped(self) -> Scripted:
        """Take the request to stop the run."""
        self._add(self.stub, "stop", None)
        return self

    def started(self, run_id: str = RUN) -> Scripted:
        """Take the request to start a run."""
        self._add(self.stub, "start", run_id)
        return self

    def lists(self, *tokens: str) -> Scripted:
        """Answer with runs that have these tokens."""
        self._add(self.stub, "list", tokens)
        return self


def scripted_glue() -> Scripted:
    """The Glue job `pax`."""
    import boto3

    client = boto3.client("glue", **KEYS)

    def add(stub: Stubber, call: str, what: Any) -> None:
        if call == "state":
            run = {"Id": RUN, "JobRunState": what, "ErrorMessage": "out of memory"}
            stub.add_response("get_job_run", {"JobRun": run}, {"JobName": "pax", "RunId": RUN})
        elif call == "stop":
            stub.add_response("batch_stop_job_run", {}, {"JobName": "pax", "JobRunIds": [RUN]})
        elif call == "start":
            stub.add_response("start_job_run", {"JobRunId": what})
        else:
            runs = [{"Id": f"run-of-{t}", "Arguments": {"--pax_token": t}} for t in what]
            stub.add_response(
                "get_job_runs", {"JobRuns": runs}, {"JobName": "pax", "MaxResults": ANY}
            )

    words = {
        "pending": "WAITING",
        "starting": "STARTING",
        "running": "RUNNING",
        "succeeded": "SUCCEEDED",
        "failed": "FAILED",
        "expired": "TIMEOUT",
        "stopping": "STOPPING",
        "stopped": "STOPPED",
    }
    calls = {"state": "get_job_run", "start": "start_job_run", "stop": "batch_stop_job_run"}
    stub = Stubber(client)
    stub.activate()
    return Scripted(GlueRuns("pax", client), stub, words, add, "EntityNotFoundException", calls)


def scripted_emr() -> Scripted:
    """An EMR Serverless application."""
    import boto3

    client = boto3.client("emr-serverless", **KEYS)
    ids = {"applicationId": "00f", "jobRunId": RUN}

    def add(stub: Stubber, call: str, what: Any) -> None:
        if call == "state":
            run = {
                "applicationId": "00f",
                "jobRunId": RUN,
                "arn": RUN_ARN,
                "createdBy": ROLE,
                "createdAt": 0,
                "updatedAt": 0,
                "executionRole": ROLE,
                "state": what,
                "stateDetails": "out of memory",
                "releaseLabel": "emr-7.5.0",
                "jobDriver": {"sparkSubmit": {"entryPoint": "e"}},
            }
            stub.add_response("get_job_run", {"jobRun": run}, ids)
        elif call == "stop":
            stub.add_response("cancel_job_run", ids, ids)
        elif call == "start":
            answer = {"applicationId": "00f", "jobRunId": what, "arn": RUN_ARN}
            stub.add_response("start_job_run", answer)
        else:
            runs = [
                {
                    "applicationId": "00f",
                    "id": f"run-of-{t}",
                    "name": f"pax_assets.jobs.ingest {t}",
                    "arn": RUN_ARN,
                    "createdBy": ROLE,
                    "createdAt": 0,
                    "updatedAt": 0,
                    "executionRole": ROLE,
                    "state": "RUNNING",
                    "stateDetails": "-",
                    "releaseLabel": "emr-7.5.0",
                }
                for t in what
            ]
            expected = {"applicationId": "00f", "maxResults": ANY}
            stub.add_response("list_job_runs", {"jobRuns": runs}, expected)

    words = {
        "pending": "PENDING",
        "starting": "SCHEDULED",
        "running": "RUNNING",
        "succeeded": "SUCCESS",
        "failed": "FAILED",
        "expired": "FAILED",
        "stopping": "CANCELLING",
        "stopped": "CANCELLED",
    }
    calls = {"state": "get_job_run", "start": "start_job_run", "stop": "cancel_job_run"}
    stub = Stubber(client)
    stub.activate()
    return Scripted(
        EmrServerlessRuns("00f", ROLE, PACKAGE, client),
        stub,
        words,
        add,
        "ResourceNotFoundException",
        calls,
    )


def disconnect(service: RunService, times: int, monkeypatch: Any) -> None:
    """Have the next `times` looks at a run end in a lost connection."""
    really, left = service.status, [times]

    def status(run_id: str) -> Any:
        if left[0] == 0:
            return really(run_id)
        left[0] -= 1
        from pax_assets.compute.aws import answered

        with answered("state"):
            raise EndpointConnectionError(endpoint_url="https://glue")

    monkeypatch.setattr(service, "status", status)
