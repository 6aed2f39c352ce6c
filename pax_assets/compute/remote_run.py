"""Following a run on a service that can lose connections, runs, and its memory of them.

Clients that wait with the SDK's waiters give up after a fixed number of looks, take the first
lost connection for the end, or wait for ever for a run that the service has forgotten. Here a
run ends in exactly one of the ways below, each with a sentence about what to do, and whoever
follows may itself be killed at any moment: the run is found again by its id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pax_assets.compute.aws import Refused, Unavailable, UnknownRun

_LOG = logging.getLogger(__name__)
Phase = Literal["waiting", "running", "succeeded", "failed", "stopped"]


class JobFailed(RuntimeError):
    """The job ended without success; the message says how, and where to look."""


class JobLost(JobFailed):
    """The service does not know the run any more."""


class JobTimedOut(JobFailed):
    """The run took longer than it was given, and was stopped."""


class ServiceUnreachable(RuntimeError):
    """The service stayed silent for too long. The run may go on: following it again finds it."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the service says of a run: its phase, and its own words for it."""

    phase: Phase
    detail: str

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in ("succeeded", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A job file to run: its module, its arguments, and what lets it report through Pipes.

    `token` names this request among all: a service that is asked twice must start one run.
    `timeout_minutes` is 0 for a stream, which has no end.
    """

    job: str
    arguments: tuple[str, ...]
    pipes: Mapping[str, str]
    token: str
    timeout_minutes: int


class RunService(Protocol):
    """A service that runs Spark jobs. Calls raise `Unavailable`, `UnknownRun` or `Refused`."""

    @property
    def name(self) -> str:
        """What people call it, with the job or application: for messages."""
        ...

    def start(self, request: RunRequest) -> str:
        """Start the run and return its id."""
        ...

    def find(self, token: str) -> str | None:
        """Return the id of the run that has `token`; None if `start` may be called with it."""
        ...

    def status(self, run_id: str) -> Status:
        """Return how the run is doing."""
        ...

    def stop(self, run_id: str) -> None:
        """Ask the run to end."""
        ...

    def url(self, run_id: str) -> str:
        """Return the page of the run in the service's console."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long to wait for what, in seconds.

    `unreachable`: for a service that does not answer; `unknown`: for one that does not know a
    run yet, which happens in the first moments; `queued`: for a start, beyond the run's time.
    """

    poll: float = 5.0
    unreachable: float = 900.0
    unknown: float = 60.0
    queued: float = 3600.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time


def start(
    service: RunService, request: RunRequest, patience: Patience, *, asked_before: bool = False
) -> str:
    """Start the run once, however often the service has to be asked; return its id.

    `asked_before` says that somebody may have started it and not have lived to hear its id.
    Raises `ServiceUnreachable`, or `Refused` and `UnknownRun` as the service does.
    """
    began = patience.clock()
    while True:
        try:
            found = service.find(request.token) if asked_before else None
            asked_before = True
            return found or service.start(request)
        except Unavailable as error:
            if patience.clock() - began > patience.unreachable:
                raise ServiceUnreachable(
                    f"{service.name} could not be asked to run {request.job} for "
                    f"{patience.unreachable:.0f} s: {error}"
                ) from error
        patience.sleep(patience.poll)


def follow(
    service: RunService,
    run_id: str,
    patience: Patience,
    *,
    started_at: float,
    timeout_minutes: int = 0,
    on_poll: Callable[[], None] = lambda: None,
) -> Status:
    """Wait for the end of a run and return how it ended: succeeded, failed or stopped.

    `on_poll` is called with every look and once after the end; it may raise `Unavailable`.
    `started_at` is in the seconds of the patience's clock, so that a follower that comes later
    keeps the deadline. Raises `JobLost`, `JobTimedOut` (after stopping the run) and
    `ServiceUnreachable`. Whatever interrupts it (a cancelled Dagster run) stops the remote run.
    """
    silent_since: float | None = None
    unknown_since: float | None = None
    try:
        while True:
            error: Exception | None = None
            try:
                status = service.status(run_id)
                on_poll()
            except Unavailable as caught:
                error = caught
                now = patience.clock()
                silent_since = silent_since if silent_since is not None else now
                if now - silent_since > patience.unreachable:
                    raise ServiceUnreachable(
                        f"{service.name} has not answered for {patience.unreachable:.0f} s, so it "
                        f"is not known how run {run_id} is doing ({caught}). It may go on: run "
                        "the asset again, which finds it"
                    ) from caught
            except UnknownRun as caught:
                error = caught
                now = patience.clock()
                unknown_since = unknown_since if unknown_since is not None else now
                if now - unknown_since > patience.unknown:
                    raise JobLost(
                        f"{service.name} does not know run {run_id} any more; run the asset "
                        "again, which starts anew and takes nothing twice"
                    ) from caught
            else:
                silent_since = unknown_since = None
                if status.over:
                    return status
            if error is None:
                _keep_deadline(service, run_id, patience, started_at, timeout_minutes)
            patience.sleep(patience.poll)
    except Exception:
        raise
    except BaseException:
        _stop(service, run_id)
        raise


def _keep_deadline(
    service: RunService, run_id: str, patience: Patience, started_at: float, minutes: int
) -> None:
    """Stop a run that the service should have stopped: it counts only the time it really ran."""
    if minutes and patience.clock() - started_at > 60 * minutes + patience.queued:
        _stop(service, run_id)
        raise JobTimedOut(
            f"run {run_id} of {service.name} was given {minutes} minutes and "
            f"{patience.queued / 60:.0f} more to start, and was stopped; PAX_SPARK_TIMEOUT_MINUTES "
            "gives it longer"
        )


def _stop(service: RunService, run_id: str) -> None:
    """Stop the run if the service lets us; what made us stop is the error to be seen."""
    try:
        service.stop(run_id)
    except (Unavailable, UnknownRun, Refused) as error:
        _LOG.warning("run %s of %s could not be stopped: %s", run_id, service.name, error)
