"""A cluster of processes: each node of a training is the container's entry point, run here.

What a platform does around the container (start it on each machine, start it again when the machine
is lost, ask it to end) is done by this class. The container's own work is real.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from pax_assets.compute.aws import UnknownRun
from pax_assets.compute.remote_run import RunRequest, Status
from pax_assets.training.job import NOT_AGAIN
from pax_assets_tests.conftest import PROJECT


class LocalNodes:
    """Runs of `nodes` processes each, started up to `tries` times; `work` is their disk."""

    def __init__(self, work: Path, nodes: int, tries: int, environment: dict[str, str]) -> None:
        self._work = work
        self._nodes = nodes
        self._tries = tries
        self._environment = environment
        self._requests: dict[str, RunRequest] = {}
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.started = 0
        self.stopped: list[str] = []

    name = "test cluster"

    def start(self, request: RunRequest) -> str:
        """Start every node."""
        self._requests[request.token] = request
        self._launch(request)
        return request.token

    def find(self, token: str) -> str | None:
        """Whether it was started."""
        return token if token in self._requests else None

    def status(self, run_id: str) -> Status:
        """Look at the processes; start all again when all ended after one of them was lost."""
        if run_id not in self._requests:
            raise UnknownRun(run_id)
        codes = [process.poll() for process in self.processes.values()]
        if all(code == 0 for code in codes):
            return Status("succeeded", "all nodes ended well")
        failed = [code for code in codes if code]
        if None in codes:
            return Status("running", f"{len(codes)} nodes")
        if NOT_AGAIN in failed or self.started == self._tries:
            return Status("failed", f"exit codes {failed}")
        self._launch(self._requests[run_id])
        return Status("running", "started again")

    def stop(self, run_id: str) -> None:
        """Ask the nodes to end, as platforms do."""
        self.stopped.append(run_id)
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def url(self, run_id: str) -> str:
        """Return a page that there is not."""
        return f"https://cluster.example/{run_id}"

    def kill(self) -> None:
        """End all nodes."""
        for rank in self.processes:
            self.kill_node(rank)

    def kill_node(self, rank: int) -> None:
        """End a node as a power cut would: with everything that runs on it."""
        process = self.processes[rank]
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid)
            for one in [*family.children(recursive=True), family]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        process.wait()

    def _launch(self, request: RunRequest) -> None:
        self.started += 1
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        for rank in range(self._nodes):
            work = self._work / f"try-{self.started}-node-{rank}"
            work.mkdir(parents=True)
            options = [f"--nodes={self._nodes}", f"--node-rank={rank}", f"--work={work}"]
            options += [f"--master=127.0.0.1:{port}"]
            self.processes[rank] = subprocess.Popen(
                [sys.executable, "-m", request.job, *request.arguments, *options],
                env={
                    **os.environ,
                    "PYTHONPATH": str(PROJECT),
                    "GLOO_SOCKET_IFNAME": "lo",
                    "OMP_NUM_THREADS": "1",
                    **self._environment,
                },
                stdout=(work / "log").open("wb"),
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        """What all nodes printed in all tries."""
        return "\n".join(path.read_text() for path in sorted(self._work.glob("*/log")))
