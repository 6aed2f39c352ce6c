"""One deployment of a Bento on this machine: its processes, its log, and whether it answers.

A process id in a file proves nothing, since ids are given out again; and BentoML's workers lead
sessions of their own, so neither parent nor process group finds them once their supervisor is
gone. A token in the environment, which every process of a deployment inherits, finds exactly
those that are meant.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from pax_assets.client import Client, ClientError
from pax_assets.compute.bento import BuiltBento

TOKEN_VARIABLE = "PAX_SERVICE_TOKEN"  # noqa: S105 - it identifies, it does not authorize
# How long a service may take to finish what it has accepted.
STOP_SECONDS = 10.0
_LOG_LINES = 25
# A service that runs answers in milliseconds; on a machine that trains a model, in seconds.
_ANSWER_SECONDS = 10.0


class ServiceError(RuntimeError):
    """The service could not be started, found or stopped; the message says what to do."""


class NotReady(ServiceError):
    """The service ended, or did not answer as it should, before the time was up."""


@dataclass(frozen=True, slots=True)
class ServedBento:
    """One deployment: what was started, where, and by which token its processes are known.

    `pid` is the supervisor's; `started_at` is UTC, ISO 8601.
    """

    bento: BuiltBento
    host: str
    port: int
    pid: int
    token: str
    log: str
    started_at: str
    seconds_until_ready: float | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.host}:{self.port}"

    def to_json(self) -> str:
        """The record of this deployment."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ServedBento:
        """Read a record; `TypeError` or `KeyError` where it is none."""
        return cls(**{**data, "bento": BuiltBento(**data["bento"])})

    def processes(self) -> list[psutil.Process]:
        """Its living processes, the supervisor first; empty once all have ended."""
        found = []
        for process in psutil.process_iter():
            # Another user's process, or one that ended meanwhile, is none of ours.
            with suppress(psutil.Error):
                ours = process.environ().get(TOKEN_VARIABLE) == self.token
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return sorted(found, key=lambda process: process.pid != self.pid)

    def answers(self) -> bool:
        """Whether it runs and answers with its version."""
        try:
            wait_ready(self, timeout=_ANSWER_SECONDS)
        except NotReady:
            return False
        return True

    def log_tail(self) -> str:
        """The last lines of its log. They hold no message text: the service logs none."""
        try:
            lines = Path(self.log).read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return "(there is no log)"
        return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])


# Children of this process: it has to wait for them, or they stay as zombies once they ended.
_started_here: dict[int, subprocess.Popen[bytes]] = {}


def launch(
    bento: BuiltBento,
    command: list[str],
    environment: Mapping[str, str],
    *,
    host: str,
    port: int,
    token: str,
    log: Path,
) -> ServedBento:
    """Start `command` in a session of its own, so that it outlives this process."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=bento.path,
            env={**environment, TOKEN_VARIABLE: token},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started_here[process.pid] = process
    return ServedBento(
        bento=bento,
        host=host,
        port=port,
        pid=process.pid,
        token=token,
        log=str(log),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def wait_ready(
    served: ServedBento, timeout: float = 60.0, former: ServedBento | None = None
) -> None:
    """Return once `served` answers with the version that was shipped.

    While it starts, `former` may still answer on the same port. Raises `NotReady` with the end
    of its log where it (or a worker, which would only be started again to end again) ends
    first, where it takes longer than `timeout` seconds, and where what answers is another one.
    """
    shipped = {"bento": served.bento.tag, "model_version": served.bento.model_version}
    deadline = time.monotonic() + timeout
    seen: set[int] = set()
    while True:
        left = deadline - time.monotonic()
        try:
            lineage = Client(served.url, timeout=max(0.1, min(5.0, left))).lineage()
            answers = {name: lineage.get(name) for name in shipped}
            if answers == shipped:
                return
            if former is None or answers["bento"] != former.bento.tag:
                raise NotReady(
                    f"{served.url} answers as {answers}, and what was shipped is {shipped}"
                )
            state = "its predecessor still answers"
        except ClientError as error:
            state = str(error)
        living = {process.pid for process in served.processes()}
        if not living or seen - living:
            raise NotReady(
                f"the service of {served.bento.tag} ended before it was ready; the end of "
                f"{served.log}:\n{served.log_tail()}"
            )
        seen |= living
        if left <= 0:
            raise NotReady(
                f"the service of {served.bento.tag} was not ready within {timeout:.0f} s "
                f"({state}); the end of {served.log}:\n{served.log_tail()}"
            )
        time.sleep(0.05)


def stop(served: ServedBento) -> None:
    """End all processes of `served`: asked first, so that it finishes what it has accepted."""
    processes = served.processes()
    supervised = bool(processes) and processes[0].pid == served.pid
    # Without their supervisor nobody else tells the workers.
    _signal(processes[:1] if supervised else processes, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _any_living(processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    deadline = time.monotonic() + STOP_SECONDS
    while left := served.processes():
        if time.monotonic() > deadline:
            raise ServiceError(
                f"the service {served.bento.tag} (pid {', '.join(str(p.pid) for p in left)}) "
                "does not end: end it by hand"
            )
        _signal(left, signal.SIGKILL)
        time.sleep(0.02)
    if child := _started_here.pop(served.pid, None):
        child.wait(STOP_SECONDS)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _any_living(processes: list[psutil.Process]) -> bool:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
