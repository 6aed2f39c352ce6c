"""Which of how many nodes this machine is, and where they meet.

Every platform tells its containers in words of its own; torchrun wants a number, a count and an
address. The rest of the code never asks where it runs.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pax_assets.training.job import JobError

# Written by SageMaker into each container of a training job.
SAGEMAKER = Path("/opt/ml/input/config/resourceconfig.json")
PORT = 29500
_SAY_SECONDS = 60.0


class NoMeeting(RuntimeError):
    """The first node did not come; the others may be started again."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Node `rank` of `nodes`; they meet at `master:port`, over the network `interface` if named."""

    rank: int = 0
    nodes: int = 1
    master: str = ""
    port: int = PORT
    interface: str = ""

    def torchrun(self, processes: int, patience: int) -> list[str]:
        """Return torchrun's options; it waits `patience` seconds for the other nodes."""
        each = f"--nproc_per_node={processes}"
        if self.nodes == 1:
            return ["--standalone", each]
        # Static: rank 0, which keeps the checkpoints, is on node 0 whoever comes first.
        return [
            f"--nnodes={self.nodes}",
            f"--node_rank={self.rank}",
            f"--master_addr={self.master}",
            f"--master_port={self.port}",
            f"--rdzv_conf=timeout={patience}",
            each,
        ]

    def environment(self) -> dict[str, str]:
        """Return the variables by which the collective libraries find the network."""
        if not self.interface:
            return {}
        return {"GLOO_SOCKET_IFNAME": self.interface, "NCCL_SOCKET_IFNAME": self.interface}


def found(environ: Mapping[str, str], sagemaker: Path = SAGEMAKER) -> Topology:
    """Return this machine's place as its platform states it; one node alone where none does.

    Reads SageMaker's file (or `SM_HOSTS` and `SM_CURRENT_HOST`), then `PAX_TRAIN_NODES`,
    `PAX_TRAIN_MASTER` and the index of a Kubernetes Job's pod or `PAX_TRAIN_NODE_RANK`.
    Raises `JobError` for what makes no sense.
    """
    if sagemaker.is_file():
        try:
            given = json.loads(sagemaker.read_text())
            hosts, mine = sorted(given["hosts"]), given["current_host"]
            return _among(hosts, mine, given.get("network_interface_name") or "")
        except (ValueError, KeyError, TypeError) as error:
            raise JobError(f"{sagemaker} does not name this host among hosts: {error!r}") from error
    if environ.get("SM_HOSTS"):
        try:
            hosts = sorted(json.loads(environ["SM_HOSTS"]))
            return _among(
                hosts, environ["SM_CURRENT_HOST"], environ.get("SM_NETWORK_INTERFACE_NAME", "")
            )
        except (ValueError, KeyError, TypeError) as error:
            raise JobError(f"SM_HOSTS does not list SM_CURRENT_HOST: {error!r}") from error
    rank = environ.get("PAX_TRAIN_NODE_RANK") or environ.get("JOB_COMPLETION_INDEX") or "0"
    return stated(environ.get("PAX_TRAIN_NODES") or "1", rank, environ.get("PAX_TRAIN_MASTER", ""))


def _among(hosts: list[str], mine: str, interface: str) -> Topology:
    master = hosts[0] if len(hosts) > 1 else ""
    return Topology(hosts.index(mine), len(hosts), master, PORT, interface)


def stated(nodes: str, rank: str, master: str) -> Topology:
    """Return a place from what a person or a manifest states; `master` is `host` or `host:port`."""
    host, _, port = master.partition(":")
    try:
        place = Topology(int(rank), int(nodes), host, int(port or PORT))
    except ValueError as error:
        raise JobError(f"node {rank!r} of {nodes!r} at {master!r}: {error}") from error
    if not 0 <= place.rank < place.nodes:
        raise JobError(f"this is node {place.rank}, but there are {place.nodes}: count from 0")
    if place.nodes > 1 and not host:
        raise JobError(
            f"{place.nodes} nodes must know where to meet: --master (PAX_TRAIN_MASTER) is the host "
            "of node 0"
        )
    return place


def wait_for_master(
    place: Topology,
    seconds: float,
    say: Callable[[str], None],
    resolve: Callable[[str, int], object] = socket.getaddrinfo,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when the first node's name is known: it may wait for a machine still.

    Raises `NoMeeting` after `seconds`.
    """
    began = said = clock()
    while place.rank:
        try:
            resolve(place.master, place.port)
        except OSError as error:
            now = clock()
            if now - began > seconds:
                raise NoMeeting(
                    f"node 0 ({place.master}) did not appear in {seconds:.0f} s: {error}"
                ) from error
            if now - said > _SAY_SECONDS:
                say(f"waiting for node 0 ({place.master})")
                said = now
            sleep(2)
        else:
            return
