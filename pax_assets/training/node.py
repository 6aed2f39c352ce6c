"""One machine of a training: the container's entry point.

It fetches what the job names, starts torchrun, keeps checkpoints where they outlive the machine,
and leaves the model where the job came from. Between a laptop and a cluster nothing differs but
where the words "node 1 of 4" come from. The exit code says whether to try again (`NOT_AGAIN`), a
note beside the job says why it failed.

    python -m pax_assets.training.node --job s3://bucket/folder/job.json
    python -m pax_assets.training.node --job DIR/job.json --nodes 2 --node-rank 1 --master HOST
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread
from types import FrameType

from pax_assets.training import job as jobs
from pax_assets.training import topology
from pax_assets.training.checkpoint_mirror import CheckpointMirror
from pax_assets.training.job import NOT_AGAIN, PEER_LOST, Input, Job, JobError
from pax_assets.training.peers import PeerLost, Peers, has_children
from pax_assets.training.storage import DiskFull, Folder, StorageError, StorageRefused
from pax_assets.training.topology import NoMeeting, Topology

AGAIN = 75
TERMINATED = 128 + signal.SIGTERM
# A cluster may need this long to find a machine for the last node.
MEETING_SECONDS = 1800
# Platforms kill two minutes after they asked to end, if not sooner.
_UPLOAD_SECONDS = 60.0
_STOP_SECONDS = 20.0
_LOOK_SECONDS = 1.0
_PEERS_SECONDS = 30.0
_TAIL_LINES = 40
# The model and its checkpoints beside what is fetched: moments and the best epoch, in fp32.
_ROOM_FOR_ENCODERS = 10
# Where platforms look for a container's last words, if they are there.
_LAST_WORDS = (Path("/dev/termination-log"), Path("/opt/ml/output/failure"))


class TrainingFailed(RuntimeError):
    """The training itself ended with an error; its last lines are in the message."""


class Terminated(BaseException):
    """The platform wants this machine back."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do this machine's part; return the exit code."""
    options = _parser().parse_args(arguments)
    folder_of_job, _, name = options.job.rpartition("/")
    signal.signal(signal.SIGTERM, _terminate)
    place, notes, output = Topology(), None, Output()
    try:
        notes = Folder(folder_of_job or ".")
        place = (
            topology.stated(str(options.nodes), str(options.node_rank), options.master)
            if options.nodes
            else topology.found(os.environ)
        )
        job = jobs.read(notes, name)
        with tempfile.TemporaryDirectory(prefix="pax-training-", dir=options.work) as work:
            _Node(job, place, notes, Path(work), output).run()
    except Terminated:
        say("asked to end: another machine goes on from the last checkpoint")
        return TERMINATED
    except (JobError, StorageRefused) as error:
        return _fail(str(error), NOT_AGAIN, place, notes, output)
    except TrainingFailed as error:
        return _fail(str(error), 1, place, notes, output)
    except PeerLost as error:
        say(str(error))
        return PEER_LOST
    except (StorageError, NoMeeting) as error:
        return _fail(str(error), AGAIN, place, notes, output)
    except OSError as error:
        return _fail(f"this machine failed: {error}", AGAIN, place, notes, output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pax_assets.training.node")
    parser.add_argument("--job", required=True, help="a job's file: a path or an s3:// address")
    parser.add_argument("--nodes", type=int, help="how many machines; else the platform says")
    parser.add_argument("--node-rank", type=int, default=0, help="which of them this is, from 0")
    parser.add_argument("--master", default="", help="host[:port] of node 0")
    parser.add_argument("--work", help="a folder for what is fetched and made; a temporary one")
    return parser


def say(text: str) -> None:
    """Print one line."""
    print(f"node: {text}", file=sys.stderr, flush=True)


class Output:
    """The last lines that torchrun and its processes printed."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_TAIL_LINES)

    def follow(self, process: subprocess.Popen[str]) -> None:
        """Pass on what the process prints until it ends."""
        for line in process.stdout or ():
            self.lines.append(line)
            sys.stderr.write(line)
            sys.stderr.flush()


class _Node:
    """One machine at work on a job, in the folder `work`."""

    def __init__(
        self, job: Job, place: Topology, notes: Folder, work: Path, output: Output
    ) -> None:
        self._job = job
        self._place = place
        self._notes = notes
        self._work = work
        self._output = output
        self._mirror = CheckpointMirror(work / "checkpoint", Folder(job.checkpoint), say)
        self._peers = Peers(notes, place)

    def run(self) -> None:
        """Fetch, train, leave the model."""
        self._check()
        # Before anything is computed: a role that may not write would be found out after hours.
        self._peers.arrive()
        for name, wanted in (("dataset", self._job.dataset), ("encoder", self._job.encoder)):
            self._fetch(name, wanted)
        first = self._place.rank == 0
        if first and self._mirror.fetch():
            say(f"going on from the checkpoint at {self._job.checkpoint}")
        topology.wait_for_master(self._place, MEETING_SECONDS, say)
        if first:
            self._mirror.start()
        try:
            self._train()
        finally:
            if first:
                self._mirror.stop(_UPLOAD_SECONDS)
        if first:
            self._leave()

    def _check(self) -> None:
        """Raise `JobError` where the machines are not those that the job was made for."""
        job, place = self._job, self._place
        if job.nodes != place.nodes:
            raise JobError(
                f"the job is for {job.nodes} nodes, and here are {place.nodes}: the count of the "
                "platform and PAX_TRAIN_NODES must agree"
            )
        devices = len(list(Path("/dev").glob("nvidia[0-9]*")))
        if devices and job.processes > devices:
            raise JobError(
                f"the job is for {job.processes} processes on each node, and this one has "
                f"{devices} GPUs: PAX_TRAIN_PROCESSES is at most that"
            )
        needed = job.dataset.bytes + (_ROOM_FOR_ENCODERS + 1) * job.encoder.bytes
        free = shutil.disk_usage(self._work).free
        if free < needed:
            raise DiskFull(
                f"the job needs about {needed / 1e9:.1f} GB on the disk of {self._work}, and "
                f"{free / 1e9:.1f} GB are free: give the node a larger one"
            )

    def _fetch(self, name: str, wanted: Input) -> None:
        began = time.monotonic()
        source = Folder(wanted.address)
        for file, content in wanted.files.items():
            source.get(file, self._work / name / file, content)
        seconds = time.monotonic() - began
        say(f"fetched the {name}: {wanted.bytes / 1e6:.1f} MB in {seconds:.1f} s")

    def _train(self) -> None:
        job, place = self._job, self._place
        command = [sys.executable, "-u", "-m", "torch.distributed.run"]
        command += place.torchrun(job.processes, MEETING_SECONDS)
        command += [
            "-m",
            "pax_assets.training.train",
            f"--dataset={self._work / 'dataset'}",
            f"--encoder={self._work / 'encoder'}",
            f"--encoder-name={job.encoder_name}",
            f"--output={self._work / jobs.MODEL}",
            f"--checkpoint={self._work / 'checkpoint'}",
            *job.arguments,
        ]
        environment = {**os.environ, **place.environment(), **job.environment}
        say(f"node {place.rank} of {place.nodes}: {job.processes} processes")
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        reader = Thread(target=self._output.follow, args=(process,), daemon=True)
        reader.start()
        with _ended_with_us(process):
            try:
                code = self._wait(process)
            except Terminated:
                # While the processes still run: the other nodes fail when these end.
                self._peers.leave()
                raise
        reader.join(timeout=5)
        if code and place.nodes > 1:
            self._peers.check()
            if not self._peers.have_met:
                raise NoMeeting("the nodes did not meet")
        if code:
            raise TrainingFailed(f"training ended with exit code {code} on node {place.rank}")

    def _wait(self, process: subprocess.Popen[str]) -> int:
        """Return torchrun's exit code, or raise `PeerLost` where it would wait for nobody."""
        looked = time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=_LOOK_SECONDS)
            if self._place.nodes == 1:
                continue
            if not self._peers.have_met:
                if has_children(process.pid):
                    self._peers.meet()
            elif time.monotonic() - looked > _PEERS_SECONDS:
                self._peers.check()
                looked = time.monotonic()

    def _leave(self) -> None:
        """Upload the model, then say that it is whole, then let the checkpoints go."""
        folder = self._notes.child(jobs.MODEL)
        made = {
            path.relative_to(self._work / jobs.MODEL).as_posix(): path
            for path in sorted((self._work / jobs.MODEL).rglob("*"))
            if path.is_file()
        }
        jobs.write_result(
            self._notes, {name: folder.put(name, path) for name, path in made.items()}
        )
        say(f"left the model at {folder.address}")
        self._mirror.remove()


@contextlib.contextmanager
def _ended_with_us(process: subprocess.Popen[str]) -> Iterator[None]:
    """End torchrun and all of its processes if we are to end before it."""
    try:
        yield
    finally:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, ending)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_STOP_SECONDS)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    # Once: what ends the processes and uploads the checkpoint shall not be interrupted itself.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _fail(error: str, code: int, place: Topology, notes: Folder | None, output: Output) -> int:
    """Say why, to whoever may listen: the log, the orchestrator, the platform."""
    say(error)
    tail = "".join(output.lines)
    if notes is not None:
        note = {"node": place.rank, "at": time.time(), "error": error, "tail": tail}
        with contextlib.suppress(StorageError):
            notes.write(f"failed/{place.rank}.json", json.dumps(note).encode())
    for path in _LAST_WORDS:
        with contextlib.suppress(OSError):
            if path.exists() or (path.parent != Path("/dev") and path.parent.is_dir()):
                path.write_text(f"{error}\n{tail}"[-4000:])
    return code


if __name__ == "__main__":
    sys.exit(main())
