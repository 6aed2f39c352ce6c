"""A run on a service (Glue, EMR Serverless, SageMaker, Kubernetes), followed until it ends.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import dagster as dg

from pax_assets.compute.aws import UnknownRun, answered, client
from pax_assets.compute.remote_run import (
    JobFailed,
    JobLost,
    Patience,
    RunRequest,
    RunService,
    ServiceUnreachable,
    Status,
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
    succeeded: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is made of: its token, its folder on S3, and the way back to Dagster."""

    token: str
    folder: str
    session: dg.PipesSession


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended well: its id, its folder on S3 and its custom messages."""

    run_id: str
    folder: str
    messages: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Following:
    """How a kind of job is followed.

    `printed`: whether what it prints comes as messages. `restarts`: whether the service may start
    it again, so that it opens and closes its messages more than once. `kept`: whether what an
    attempt made is taken by the next one if that is of the same step. `made`: whether what the job
    makes is in its folder, though the service has forgotten it. `said` returns what the job itself
    left there about its failure.
    """

    timeout_setting: str = "PAX_SPARK_TIMEOUT_MINUTES"
    printed: bool = True
    restarts: bool = False
    kept: bool = False
    made: Callable[[str], bool] = lambda _: False
    said: Callable[[str], str] = lambda _: ""


class RemoteRuns:
    """Starts and follows runs on `service`; `pipes` is an S3 address for messages and notes."""

    def __init__(
        self,
        service: RunService,
        pipes: str,
        timeout_minutes: int,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        s3: Any = None,
        following: Following = Following(),
    ) -> None:
        bucket, _, prefix = pipes.removeprefix("s3://").rstrip("/").partition("/")
        self._service = service
        self._bucket, self._prefix = bucket, prefix
        self._timeout_minutes = timeout_minutes
        self._patience = patience
        self._s3 = s3 or client("s3", retries=5)
        self._following = following

    def run(
        self,
        context: dg.AssetExecutionContext,
        what: Sequence[str],
        request: Callable[[Asked], RunRequest],
        *,
        extras: Mapping[str, Any] | None = None,
        on_message: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Ended:
        """Start what `request` returns, or follow the run that an earlier attempt started.

        `what` tells this request from others of the same step. Raises `JobFailed` (and `JobLost`,
        `JobTimedOut`), after which the next attempt starts anew; `ServiceUnreachable`, after which
        it finds this run; `Refused`.
        """
        notes = f"{self._folder(context, what)}/attempt.json"
        former = self._former(notes)
        attempt = former or self._note(notes, Attempt(uuid.uuid4().hex, self._patience.clock()))
        folder = self._of(notes, attempt)
        options = self._following
        messages = S3Messages(
            self._s3,
            self._bucket,
            folder.removeprefix(f"s3://{self._bucket}/"),
            printed=options.printed,
            restarts=options.restarts,
        )
        with dg.open_pipes_session(
            context=context,
            context_injector=dg.PipesEnvContextInjector(),
            message_reader=messages,
            extras=dict(extras or {}),
        ) as session:
            if attempt.succeeded:
                context.log.info("taking what run %s made", attempt.run_id)
            elif attempt.run_id:
                context.log.info("following run %s of %s", attempt.run_id, self._service.name)
            else:
                asked = request(Asked(attempt.token, folder, session))
                run_id = start(
                    self._service, asked, self._patience, asked_before=former is not None
                )
                attempt = self._note(notes, replace(attempt, run_id=run_id))
                context.log.info("started run %s of %s", run_id, self._service.name)
            url = self._service.url(attempt.run_id)
            context.log.info("%s", url)
            is_page = url.startswith("https://")
            shown = dg.MetadataValue.url(url) if is_page else dg.MetadataValue.text(url)
            context.add_asset_metadata({"job_run": shown})
            heard = _Heard(session, on_message)

            def on_poll() -> None:
                messages.poll()
                heard.hand_on()

            if attempt.succeeded:
                on_poll()
            else:
                self._follow(notes, attempt, folder, on_poll, _said(context))
        heard.hand_on()
        return Ended(attempt.run_id, folder, session.get_custom_messages())

    def _follow(
        self,
        notes: str,
        attempt: Attempt,
        folder: str,
        on_poll: Callable[[], None],
        on_status: Callable[[Status], None],
    ) -> None:
        try:
            status = follow(
                self._service,
                attempt.run_id,
                self._patience,
                started_at=attempt.began,
                timeout_minutes=self._timeout_minutes,
                timeout_setting=self._following.timeout_setting,
                on_poll=on_poll,
                on_status=on_status,
            )
        except ServiceUnreachable:
            raise
        except JobLost as error:
            if not self._following.made(folder):
                self._note(notes, replace(attempt, over=True))
                raise
            status = Status("succeeded", str(error))
            on_poll()
        except BaseException:
            self._note(notes, replace(attempt, over=True))
            raise
        succeeded = status.phase == "succeeded"
        self._note(notes, replace(attempt, over=True, succeeded=succeeded))
        if not succeeded:
            raise JobFailed(
                f"run {attempt.run_id} of {self._service.name} {status.phase}: {status.detail}; "
                f"its log is at {self._service.url(attempt.run_id)}{self._following.said(folder)}"
            )

    def _folder(self, context: dg.AssetExecutionContext, what: Sequence[str]) -> str:
        """Where the notes of this step lie: the same for a resumed run and for a retried one."""
        run = context.run
        key = context.get_step_execution_context().step.key
        step = re.sub(r"[^A-Za-z0-9_.-]", "-", key)
        name = hashlib.sha256(json.dumps(list(what)).encode()).hexdigest()[:12]
        parts = [self._prefix, run.root_run_id or run.run_id, step, name]
        return "/".join(part for part in parts if part)

    def _former(self, key: str) -> Attempt | None:
        """The attempt that is still to be followed, or whose work is kept, if there is one."""
        try:
            with answered(f"notes at s3://{self._bucket}/{key}"):
                body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except UnknownRun:
            return None
        attempt = Attempt(**json.loads(body))
        if not attempt.over:
            return attempt
        options = self._following
        kept = options.kept and attempt.succeeded
        return attempt if kept and options.made(self._of(key, attempt)) else None

    def _of(self, notes: str, attempt: Attempt) -> str:
        """Return the address of an attempt's folder, beside its notes."""
        return f"s3://{self._bucket}/{notes.rpartition('/')[0]}/{attempt.token}"

    def _note(self, key: str, attempt: Attempt) -> Attempt:
        with answered(f"notes at s3://{self._bucket}/{key}"):
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=json.dumps(asdict(attempt)).encode()
            )
        return attempt


class RemoteJobs:
    """Runs Spark job files on `service`; `pipes` is an S3 address for messages and notes."""

    def __init__(
        self,
        service: RunService,
        pipes: str,
        timeout_minutes: int,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        s3: Any = None,
    ) -> None:
        self._runs = RemoteRuns(service, pipes, timeout_minutes, patience, s3)
        self._service = service
        self._pipes = pipes.rstrip("/")
        self._timeout_minutes = timeout_minutes

    def run(
        self, context: dg.AssetExecutionContext, job: str, arguments: Sequence[str]
    ) -> dict[str, Any]:
        """Run the job file, or follow its run; return its report. Raises as `RemoteRuns.run`."""

        def request(asked: Asked) -> RunRequest:
            return RunRequest(
                job=job,
                arguments=tuple(arguments),
                pipes=asked.session.get_bootstrap_cli_arguments(),
                token=asked.token,
                timeout_minutes=self._timeout_minutes,
            )

        ended = self._runs.run(context, [job, *arguments], request)
        report = report_in(ended.messages)
        if report is None:
            raise JobFailed(
                f"run {ended.run_id} of {self._service.name} ended well, but its report is not "
                f"at {self._pipes}: may its role write there?"
            )
        return report


class _Heard:
    """Hands each custom message on once, in order."""

    def __init__(
        self, session: dg.PipesSession, on_message: Callable[[Mapping[str, Any]], None] | None
    ) -> None:
        self._session = session
        self._on_message = on_message
        self._seen = 0

    def hand_on(self) -> None:
        """Hand on what came since the last call."""
        messages = self._session.get_custom_messages()
        for message in messages[self._seen :]:
            self._seen += 1
            if self._on_message:
                self._on_message(message)


def _said(context: dg.AssetExecutionContext) -> Callable[[Status], None]:
    """Return what logs a run's status when it changes."""
    last = [("", "")]

    def say(status: Status) -> None:
        if (status.phase, status.detail) != last[0]:
            last[0] = (status.phase, status.detail)
            context.log.info("%s: %s", status.phase, status.detail)

    return say
