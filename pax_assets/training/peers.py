"""What the nodes of one training know of each other, by notes beside their job.

Collective libraries notice a peer that closes its connections, and wait for hours for one that
vanished. And a node that fails because another was taken away must not be counted as a failure,
or a large spot fleet would use up its tries in a day.
"""

from __future__ import annotations

import contextlib
import json
import socket
import uuid
from pathlib import Path

from pax_assets.training.storage import Folder, StorageError, StorageMissing
from pax_assets.training.topology import Topology


class PeerLost(RuntimeError):
    """Another node was taken away: all begin again at the last checkpoint."""


class Peers:
    """This node's notes, and what the others' say."""

    def __init__(self, notes: Folder, place: Topology) -> None:
        self._notes = notes
        self._place = place
        self._met: dict[int, bytes] | None = None

    @property
    def have_met(self) -> bool:
        """Whether `meet` was called."""
        return self._met is not None

    def arrive(self) -> None:
        """Say that this node is there. Raises `StorageError` where it may not write."""
        rank = self._place.rank
        note = {"host": socket.gethostname(), "id": uuid.uuid4().hex}
        self._notes.write(f"started/{rank}.json", json.dumps(note).encode())
        # What a try before this one said is no word of this one's.
        self._notes.remove(f"failed/{rank}.json", f"left/{rank}.json")

    def leave(self) -> None:
        """Say that the platform takes this node away."""
        with contextlib.suppress(StorageError):
            self._notes.write(f"left/{self._place.rank}.json", b"{}")

    def meet(self) -> None:
        """Take note of who is there, when all of them are."""
        with contextlib.suppress(StorageError):
            self._met = self._others("started")

    def check(self) -> None:
        """Raise `PeerLost` where another node left, or began anew, since all met."""
        if self._met is None:
            return
        try:
            left, now = self._others("left"), self._others("started")
        except StorageError:
            return  # The store is away; training does without it.
        for rank, note in self._met.items():
            if rank in left or now.get(rank) != note:
                raise PeerLost(f"node {rank} was taken away: all go on from the last checkpoint")

    def _others(self, kind: str) -> dict[int, bytes]:
        found = {}
        for rank in range(self._place.nodes):
            if rank != self._place.rank:
                with contextlib.suppress(StorageMissing):
                    found[rank] = self._notes.read(f"{kind}/{rank}.json")
        return found


def has_children(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether a process has started others: torchrun does so when all nodes are there."""
    for stat in proc.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            # The name, in brackets, may hold anything; the parent is the second word after it.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                return True
    return False
