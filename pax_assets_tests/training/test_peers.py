"""Under test: a node knows when another was taken away, and does not call it a failure."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pax_assets.training.peers import PeerLost, Peers, has_children
from pax_assets.training.storage import Folder, StorageError
from pax_assets.training.topology import Topology


@pytest.fixture
def three(tmp_path: Path) -> list[Peers]:
    peers = [Peers(Folder(str(tmp_path)), Topology(rank, 3, "host")) for rank in range(3)]
    for peer in peers:
        peer.arrive()
    for peer in peers:
        peer.meet()
        peer.check()
    return peers


def test_a_node_that_was_taken_away_is_missed_by_the_others(three: list[Peers]):
    three[1].leave()
    for other in (three[0], three[2]):
        with pytest.raises(PeerLost, match="node 1 was taken away"):
            other.check()
    three[1].check()


def test_a_node_that_vanished_is_missed_when_its_successor_comes(three: list[Peers], tmp_path):
    Peers(Folder(str(tmp_path)), Topology(2, 3, "host")).arrive()
    with pytest.raises(PeerLost, match="node 2 was taken away"):
        three[0].check()


def test_those_who_begin_anew_together_miss_nobody(three: list[Peers]):
    three[1].leave()
    for peer in three:
        peer.arrive()
    for peer in three:
        peer.meet()
        peer.check()


def test_before_they_met_nobody_is_missed(three: list[Peers], tmp_path: Path):
    early = Peers(Folder(str(tmp_path)), Topology(0, 3, "host"))
    three[1].leave()
    early.check()
    assert not early.have_met


def test_a_store_that_is_away_ends_no_training(three: list[Peers], monkeypatch):
    def away(self: Folder, name: str) -> bytes:
        raise StorageError("away")

    monkeypatch.setattr(Folder, "read", away)
    three[0].check()


def test_a_process_that_started_another_is_known():
    source = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE) as parent:
        deadline = time.monotonic() + 20
        while not has_children(parent.pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.communicate(b"\n")
    assert not has_children(parent.pid)
    assert has_children(os.getppid())
