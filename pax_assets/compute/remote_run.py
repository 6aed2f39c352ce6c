"""Following a run on a service that can lose connections, runs, and its memory of them.

Clients that wait with the SDK's waiters give up after a fixed number of looks, take the first
lost connection for the end, or wait for ever for a run that the service has forgotten. Here a
run ends in exactly one of the ways below, each with a sentence about what to do, and whoever
follows may itself be killed at any moment: the run is found again by its id.
"""

from __future__ import annotations

import logging
import math
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
    """What the service says of a run: its phase, and its own words for it.

    One that waits is `blocked` where it will not start before a person does something, and `held`
    where a queue has not let it begin: that may take its time.
    """

    phase: Phase
    detail: str
    blocked: bool = False
    held: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in ("succeeded", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A module to run: its name, its arguments, and what lets it report through Pipes.

    `token` names this request among all: a service that is asked twice must start one run.
    `timeout_minutes` is 0 for a stream, which has no end.
    """

    job: str
    arguments: tuple[str, ...]
    pipes: Mapping[str, str]
    token: str
    timeout_minutes: int


class RunService(Protocol):
    """A service that runs jobs. Calls raise `Unavailable`, `UnknownRun` or `Refused`."""

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
    run yet, which happens in the first moments; `queued`: for a start, beyond the run's time;
    `waiting`: for a run that waits at a stretch; `blocked`: for one that waits for a person.
    """

    poll: float = 5.0
    unreachable: float = 900.0
    unknown: float = 60.0
    queued: float = 3600.0
    waiting: float = math.inf
    blocked: float = 600.0
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
    timeout_setting: str = "PAX_SPARK_TIMEOUT_MINUTES",
    on_poll: Callable[[], None] = lambda: None,
    on_status: Callable[[Status], None] = lambda _: None,
) -> Status:
    """Wait for the end of a run and return how it ended: succeeded, failed or stopped.

    `on_poll` is called with every look and once after the end; it may raise `Unavailable`.
    `on_status` is called with what the service says. `timeout_setting` gives a run longer.
    `started_at` is in the seconds of the patience's clock, so that a follower that comes later
    keeps the deadline. Raises `JobLost`, `JobTimedOut` (after stopping the run) and
    `ServiceUnreachable`. Whatever interrupts it (a cancelled Dagster run) stops the remote run.
    """
    silent_since: float | None = None
    unknown_since: float | None = None
    queue = _Queue(service, run_id, patience)
    try:
        while True:
            error: Exception | None = None
            try:
                status = service.status(run_id)
                on_status(status)
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
                queue.look(status)
            if error is None and timeout_minutes:
                limit = 60 * timeout_minutes + patience.queued
                _keep_deadline(service, run_id, patience, started_at + limit, timeout_setting)
            patience.sleep(patience.poll)
    except (JobFailed, ServiceUnreachable, Refused):
        raise
    except BaseException:
        _stop(service, run_id)
        raise


def _keep_deadline(
    service: RunService, run_id: str, patience: Patience, deadline: float, setting: str
) -> None:
    """Stop a run that the service should have stopped: it counts only the time it really ran."""
    if patience.clock() > deadline:
        _stop(service, run_id)
        raise JobTimedOut(
            f"run {run_id} of {service.name} took longer than it was given, "
            f"with {patience.queued / 60:.0f} minutes more to start, and was stopped; {setting} "
            "gives it longer"
        )


class _Queue:
    """How long a run has been waiting at a stretch; ends a wait that has no end."""

    def __init__(self, service: RunService, run_id: str, patience: Patience) -> None:
        self._service = service
        self._run_id = run_id
        self._patience = patience
        self._since: dict[bool, float | None] = {False: None, True: None}

    def look(self, status: Status) -> None:
        """Take note of a status. Raises `JobTimedOut`, after stopping the run."""
        now = self._patience.clock()
        seen = {False: status.phase == "waiting" and not status.held, True: status.blocked}
        limits = {False: self._patience.waiting, True: self._patience.blocked}
        for blocked, holds in seen.items():
            since = self._since[blocked]
            since = self._since[blocked] = None if not holds else now if since is None else since
            if since is not None and now - since > limits[blocked]:
                _stop(self._service, self._run_id)
                raise JobTimedOut(
                    f"run {self._run_id} of {self._service.name} waited {(now - since) / 60:.0f} "
                    f"minutes to start and was stopped: {status.detail}"
                )


def _stop(service: RunService, run_id: str) -> None:
    """Stop the run if the service lets us; what made us stop is the error to be seen."""
    try:
        service.stop(run_id)
    except (Unavailable, UnknownRun, Refused) as error:
        _LOG.warning("run %s of %s could not be stopped: %s", run_id, service.name, error)
