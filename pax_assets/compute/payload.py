"""Runs a payload module in its own process and follows it through Dagster Pipes.

Training inside the orchestrator's process would import torch there, keep its memory, and take
the run down with it. A process of its own reports through Pipes, is stopped when the run is
cancelled, and can be exchanged for a job on another machine without the asset noticing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from shutil import which
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

# Idle OpenMP threads spin by default and starve the other process of a two-core machine.
QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
# A caller that is killed outright cannot stop its payload, whose successor would then run beside
# it. (The kernel's signal is of the thread that starts it, which here waits for its end.)
_ENDS_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "TERM", "--") if which("setpriv") else ()
_POLL_SECONDS = 0.2
_TAIL_LINES = 40


class PayloadFailed(RuntimeError):
    """The payload ended with an error; the message carries the end of what it printed."""


def run_payload(
    context: dg.AssetExecutionContext,
    module: str,
    arguments: Sequence[str],
    *,
    processes: int = 0,
    extras: Mapping[str, Any] | None = None,
    on_message: Callable[[Mapping[str, Any]], None] | None = None,
) -> None:
    """Run `python -m module arguments…` and return when it ended well.

    `processes` above 0 starts it through `torch.distributed.run` with that many processes on
    this machine. Custom messages that the payload reports are handed to `on_message` while it
    runs. Raises `PayloadFailed` when it ends with an error; stops it when interrupted.
    """
    command = [sys.executable, "-u"]
    if processes:
        command += [
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc_per_node={processes}",
        ]
    command += ["-m", module, *arguments]
    run_command(
        context,
        command,
        name=module,
        environment={**QUIET_THREADS, **os.environ},
        extras=extras,
        on_message=on_message,
    )


def run_command(
    context: dg.AssetExecutionContext,
    command: Sequence[str],
    *,
    name: str,
    environment: Mapping[str, str],
    extras: Mapping[str, Any] | None = None,
    on_message: Callable[[Mapping[str, Any]], None] | None = None,
) -> None:
    """Run `command`, which may report through Pipes, and return when it ended well.

    `name` is what errors call it; `environment` is all of its environment but for the variables
    of Pipes. Custom messages, errors and interruption as for `run_payload`.
    """
    import dagster as dg

    with dg.open_pipes_session(
        context=context,
        context_injector=dg.PipesTempFileContextInjector(),
        message_reader=dg.PipesTempFileMessageReader(),
        extras=dict(extras or {}),
    ) as session:
        process = subprocess.Popen(
            [*_ENDS_WITH_ITS_PARENT, *command],
            env={**environment, **session.get_bootstrap_env_vars()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        reader = Thread(target=_follow, args=(process, tail), daemon=True)
        reader.start()
        seen = 0
        try:
            while True:
                ended = process.poll() is not None
                messages = session.get_custom_messages()
                for message in messages[seen:]:
                    if on_message:
                        on_message(message)
                seen = len(messages)
                if ended:
                    break
                time.sleep(_POLL_SECONDS)
        except BaseException:
            _stop(process)
            raise
        reader.join(timeout=5)
    for message in session.get_custom_messages()[seen:]:
        if on_message:
            on_message(message)
    if process.returncode != 0:
        raise PayloadFailed(
            f"{name} ended with exit code {process.returncode}; its last lines were:\n"
            + "".join(tail)
        )


def _follow(process: subprocess.Popen[str], tail: deque[str]) -> None:
    # Passed on as it comes: the run's own output shows the payload's progress.
    for line in process.stdout or ():
        tail.append(line)
        sys.stderr.write(line)


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask the payload's whole process group to end, and make sure that it does."""
    for ending, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, ending)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
        return
