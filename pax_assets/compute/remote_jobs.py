"""A job file on a service (AWS Glue, EMR Serverless), followed until it ends, by whoever lives.

The process that waits for a remote job may be killed and started again; the job goes on. What was
started is therefore written down, beside the job's messages on S3, under a name that the next
attempt at the same step computes again: it finds the run and follows it, instead of starting a
second one on the same table.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import dagster as dg

from pax_assets.compute.aws import UnknownRun, answered, client
from pax_assets.compute.remote_run import (
    JobFailed,
    Patience,
    RunRequest,
    RunService,
    ServiceUnreachable,
    follow,
    start,
)
from pax_assets.compute.s3_messages import S3Messages
from pax_assets.jobs.program import report_in


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a step's job: what was asked for, and how far that got.

    `run_id` is empty until the service answered. An `over` attempt is not followed again.
    """

    token: str
    began: float
    run_id: str = ""
    over: bool = False


class RemoteJobs:
    """Runs jobs on `service`; `pipes` is an S3 address for messages and notes."""

    def __init__(
        self,
        service: RunService,
        pipes: str,
        timeout_minutes: int,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        s3: Any = None,
    ) -> None:
        bucket, _, prefix = pipes.removeprefix("s3://").rstrip("/").partition("/")
        self._service = service
        self._bucket, self._prefix = bucket, prefix
        self._timeout_minutes = timeout_minutes
        self._patience = patience
        self._s3 = s3 or client("s3", retries=5)

    def run(
        self, context: dg.AssetExecutionContext, job: str, arguments: Sequence[str]
    ) -> dict[str, Any]:
        """Run the job, or follow the run that an earlier attempt at this step started.

        Raises `JobFailed` (and `JobLost`, `JobTimedOut`), after which the next attempt starts
        anew; `ServiceUnreachable`, after which it finds this run; `Refused`.
        """
        notes = f"{self._folder(context, job, arguments)}/attempt.json"
        former = self._former(notes)
        attempt = former or self._note(notes, Attempt(uuid.uuid4().hex, self._patience.clock()))
        messages = S3Messages(self._s3, self._bucket, f"{notes.rpartition('/')[0]}/{attempt.token}")
        with dg.open_pipes_session(
            context=context,
            context_injector=dg.PipesEnvContextInjector(),
            message_reader=messages,
        ) as session:
            if attempt.run_id:
                context.log.info("following run %s of %s", attempt.run_id, self._service.name)
            else:
                request = RunRequest(
                    job=job,
                    arguments=tuple(arguments),
                    pipes=session.get_bootstrap_cli_arguments(),
                    token=attempt.token,
                    timeout_minutes=self._timeout_minutes,
                )
                run_id = start(
                    self._service, request, self._patience, asked_before=former is not None
                )
                attempt = self._note(notes, replace(attempt, run_id=run_id))
                context.log.info("started run %s of %s", run_id, self._service.name)
            url = self._service.url(attempt.run_id)
            context.log.info("%s", url)
            context.add_asset_metadata({"job_run": dg.MetadataValue.url(url)})
            self._follow(notes, attempt, messages)
        report = report_in(session.get_custom_messages())
        if report is None:
            raise JobFailed(
                f"run {attempt.run_id} of {self._service.name} ended well, but its report is not "
                f"at s3://{self._bucket}/{self._prefix}: may its role write there?"
            )
        return report

    def _follow(self, notes: str, attempt: Attempt, messages: S3Messages) -> None:
        try:
            status = follow(
                self._service,
                attempt.run_id,
                self._patience,
                started_at=attempt.began,
                timeout_minutes=self._timeout_minutes,
                on_poll=messages.poll,
            )
        except ServiceUnreachable:
            raise
        except BaseException:
            self._note(notes, replace(attempt, over=True))
            raise
        self._note(notes, replace(attempt, over=True))
        if status.phase != "succeeded":
            raise JobFailed(
                f"run {attempt.run_id} of {self._service.name} {status.phase}: {status.detail}; "
                f"its log is at {self._service.url(attempt.run_id)}"
            )

    def _folder(self, context: dg.AssetExecutionContext, job: str, arguments: Sequence[str]) -> str:
        """Where the notes of this step lie: the same for a resumed run and for a retried one."""
        run = context.run
        key = context.get_step_execution_context().step.key
        step = re.sub(r"[^A-Za-z0-9_.-]", "-", key)
        what = hashlib.sha256(json.dumps([job, *arguments]).encode()).hexdigest()[:12]
        parts = [self._prefix, run.root_run_id or run.run_id, step, what]
        return "/".join(part for part in parts if part)

    def _former(self, key: str) -> Attempt | None:
        """The attempt that is still to be followed, if there is one."""
        try:
            with answered(f"notes at s3://{self._bucket}/{key}"):
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except UnknownRun:
            return None
        attempt = Attempt(**json.loads(body))
        return None if attempt.over else attempt

    def _note(self, key: str, attempt: Attempt) -> Attempt:
        with answered(f"notes at s3://{self._bucket}/{key}"):
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=json.dumps(asdict(attempt)).encode()
            )
        return attempt
