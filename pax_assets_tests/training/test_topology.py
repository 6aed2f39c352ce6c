"""Under test: which node of how many this is, in the words of each platform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pax_assets.training.job import JobError
from pax_assets.training.topology import NoMeeting, Topology, found, stated, wait_for_master

NOWHERE = Path("/nowhere/resourceconfig.json")
TWO = ("algo-1", "algo-2")


def sagemaker(folder: Path, **given: object) -> Path:
    path = folder / "resourceconfig.json"
    path.write_text(json.dumps(given))
    return path


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, Topology()),
        # A pod of an Indexed Job.
        (
            {"JOB_COMPLETION_INDEX": "2", "PAX_TRAIN_NODES": "4", "PAX_TRAIN_MASTER": "j-0.j"},
            Topology(2, 4, "j-0.j"),
        ),
        ({"JOB_COMPLETION_INDEX": "0", "PAX_TRAIN_NODES": "1"}, Topology()),
        # By hand.
        (
            {
                "PAX_TRAIN_NODE_RANK": "1",
                "PAX_TRAIN_NODES": "2",
                "PAX_TRAIN_MASTER": "10.0.0.4:29600",
            },
            Topology(1, 2, "10.0.0.4", 29600),
        ),
        # SageMaker's toolkit; hosts in any order.
        (
            {
                "SM_HOSTS": '["algo-2", "algo-1"]',
                "SM_CURRENT_HOST": "algo-2",
                "SM_NETWORK_INTERFACE_NAME": "eth0",
            },
            Topology(1, 2, "algo-1", interface="eth0"),
        ),
        ({"SM_HOSTS": '["algo-1"]', "SM_CURRENT_HOST": "algo-1"}, Topology()),
    ],
)
def test_a_platform_says_where_we_are(environ, place):
    assert found(environ, NOWHERE) == place


@pytest.mark.parametrize(("host", "rank"), [("algo-1", 0), ("algo-2", 1)])
def test_sagemakers_file_says_where_we_are(tmp_path: Path, host: str, rank: int):
    config = sagemaker(
        tmp_path, current_host=host, hosts=["algo-2", "algo-1"], network_interface_name="eth1"
    )
    place = found({"PAX_TRAIN_NODES": "9"}, config)
    assert place == Topology(rank, 2, "algo-1", interface="eth1")
    assert place.environment()["NCCL_SOCKET_IFNAME"] == "eth1"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"PAX_TRAIN_NODES": "2"}, "2 nodes must know where to meet"),
        ({"PAX_TRAIN_NODES": "two"}, "two"),
        ({"PAX_TRAIN_NODES": "2", "JOB_COMPLETION_INDEX": "2"}, "this is node 2, but there are 2"),
        ({"PAX_TRAIN_NODES": "0"}, "there are 0"),
        (
            {"PAX_TRAIN_NODES": "2", "PAX_TRAIN_MASTER": "host:port"},
            "node '0' of '2' at 'host:port'",
        ),
        ({"SM_HOSTS": '["algo-1"]', "SM_CURRENT_HOST": "algo-7"}, "does not list SM_CURRENT_HOST"),
        ({"SM_HOSTS": '["algo-1"]'}, "does not list SM_CURRENT_HOST"),
        ({"SM_HOSTS": "algo-1"}, "does not list SM_CURRENT_HOST"),
    ],
)
def test_what_makes_no_sense_is_said(environ, words):
    with pytest.raises(JobError, match=words):
        found(environ, NOWHERE)


@pytest.mark.parametrize("given", [{}, {"hosts": TWO}, {"hosts": TWO, "current_host": "algo-9"}])
def test_a_file_of_sagemaker_that_does_not_name_us_is_refused(tmp_path: Path, given):
    with pytest.raises(JobError, match="does not name this host among hosts"):
        found({}, sagemaker(tmp_path, **given))


def test_torchrun_is_told_the_same_in_its_words():
    assert Topology().torchrun(2, 60) == ["--standalone", "--nproc_per_node=2"]
    options = stated("2", "1", "host").torchrun(8, 60)
    assert "--node_rank=1" in options
    assert "--master_addr=host" in options


def test_the_first_node_is_waited_for_and_its_absence_said():
    now, said = [0.0], []

    def resolve(_host: str, _port: int) -> None:
        if now[0] < 100:
            raise OSError("no such name")

    def wait(seconds: float) -> None:
        wait_for_master(
            Topology(1, 2, "first"),
            seconds,
            said.append,
            resolve,
            sleep=lambda pause: now.__setitem__(0, now[0] + pause),
            clock=lambda: now[0],
        )

    wait(200)
    assert 100 <= now[0] < 105
    assert said == ["waiting for node 0 (first)"]
    now[0] = 0
    with pytest.raises(NoMeeting, match=r"node 0 \(first\) did not appear in 50 s: no such name"):
        wait(50)
