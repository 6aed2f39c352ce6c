"""Under test: the container's entry point, on folders of this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pax_assets.compute.remote_run import RunRequest
from pax_assets.training import job as jobs
from pax_assets.training import node
from pax_assets.training.job import FORMAT, NOT_AGAIN, PEER_LOST, Input, Job
from pax_assets.training.storage import Folder, contents
from pax_assets_tests.compute.local_nodes import LocalNodes
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.model_fixtures import TOY_RECIPE

# What the image installs; what these need themselves comes with them.
NEEDED = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "pyarrow",
    "dagster-pipes",
)
# Seen by every Python of the training, before anything else: other packages are not there.
ONLY = """
import importlib.machinery, os, sys

class Only:
    allowed = {*os.environ["ALLOWED"].split(","), *sys.stdlib_module_names}
    find_distributions = importlib.machinery.PathFinder.find_distributions

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in cls.allowed:
            return importlib.machinery.PathFinder.find_spec(name, path, target)
        return None

found = [one for one in sys.meta_path if one in (
    importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter)]
sys.meta_path[:] = [*found, Only]
"""


@pytest.fixture(autouse=True)
def _signals():
    former = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, former)


def given(folder: Path) -> Input:
    return Input(str(folder), contents(folder))


@pytest.fixture
def job(toy_dataset: Path, toy_encoder: Path, tmp_path: Path) -> Job:
    return Job(
        nodes=1,
        processes=1,
        dataset=given(toy_dataset),
        encoder=given(toy_encoder),
        encoder_name="toy",
        checkpoint=str(tmp_path / "checkpoints"),
        arguments=(*TOY_RECIPE[1:], "--epochs=1"),
    )


def start(job: Job, room: Path, *options: str) -> int:
    return node.main(["--job", jobs.write(Folder(str(room)), job), *options])


def with_what_it_needs(names: tuple[str, ...]) -> set[str]:
    """The names of packages and of all that these need, without extras."""
    found, rest = set(), [*names]
    while rest:
        name = rest.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        requirements = map(Requirement, needed)
        rest += [
            one.name for one in requirements if not one.marker or one.marker.evaluate({"extra": ""})
        ]
    return found


def test_a_training_needs_the_named_packages_and_nothing_else(job: Job, tmp_path: Path):
    known = with_what_it_needs(NEEDED)
    modules = {
        module
        for module, packages in metadata.packages_distributions().items()
        if known & {package.lower().replace("_", "-") for package in packages}
    }
    assert not modules & {"dagster", "boto3", "deltalake", "pydantic", "kubernetes", "orjson"}
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(ONLY)
    room = tmp_path / "room"
    address = jobs.write(Folder(str(room)), job)
    done = subprocess.run(
        [sys.executable, "-m", "pax_assets.training.node", "--job", address],
        env={
            **os.environ,
            "ALLOWED": ",".join({*modules, "pax_assets"}),
            "PYTHONPATH": f"{tmp_path / 'hook'}:{PROJECT}",
        },
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    made = jobs.result(Folder(str(room)))
    assert made is not None
    assert contents(room / "model") == made
    assert json.loads((room / "model" / "lineage.json").read_text())["encoder"] == "toy"
    # Equal trainings make equal models, wherever the node kept its encoder.
    assert "_name_or_path" not in (room / "model" / "config.json").read_text()
    blocked = subprocess.run(
        [sys.executable, "-c", "import pyarrow, pydantic"],
        env={**os.environ, "ALLOWED": "pyarrow,numpy", "PYTHONPATH": str(tmp_path / "hook")},
        capture_output=True,
        text=True,
    )
    assert "No module named 'pydantic'" in blocked.stderr


def failure(room: Path, rank: int = 0) -> str:
    return json.loads((room / "failed" / f"{rank}.json").read_text())["error"]


def test_a_job_for_more_nodes_than_there_are_is_refused(job: Job, tmp_path: Path):
    wanted = Job(**{**{name: getattr(job, name) for name in Job.__slots__}, "nodes": 3})
    assert start(wanted, tmp_path / "room") == NOT_AGAIN
    assert "the job is for 3 nodes, and here are 1" in failure(tmp_path / "room")


def test_a_disk_that_is_too_small_is_known_before_the_training(job, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1000))
    assert start(job, tmp_path / "room") == NOT_AGAIN
    assert "0.0 GB are free: give the node a larger one" in failure(tmp_path / "room")


def test_a_dataset_that_is_gone_is_named(job: Job, toy_dataset: Path, tmp_path: Path):
    nowhere = Input(str(tmp_path / "nowhere"), job.dataset.files)
    moved = Job(**{**{name: getattr(job, name) for name in Job.__slots__}, "dataset": nowhere})
    assert start(moved, tmp_path / "room") == NOT_AGAIN
    assert f"{tmp_path / 'nowhere'}/dataset.json does not exist" in failure(tmp_path / "room")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": FORMAT + 1}, "build the image from the version of PAX that starts it"),
        ({"dataset": {"address": "s3://b/d", "files": {}}}, "the dataset s3://b/d has no files"),
        ({"encoder": None}, "is no job of PAX"),
        ({"day": 3}, "is no job of PAX"),
    ],
)
def test_what_is_no_job_is_said(job: Job, tmp_path: Path, change, words: str, capfd):
    path = tmp_path / "room" / "job.json"
    jobs.write(Folder(str(path.parent)), job)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert node.main(["--job", str(path)]) == NOT_AGAIN
    assert words in failure(path.parent)
    assert words in capfd.readouterr().err


@pytest.mark.parametrize("text", [None, "", "[]", "{}"])
def test_a_file_that_is_no_job_is_said(tmp_path: Path, text: str | None, capfd):
    if text is not None:
        (tmp_path / "job.json").write_text(text)
    assert node.main(["--job", str(tmp_path / "job.json")]) == NOT_AGAIN
    said = capfd.readouterr().err
    assert ("there is no job" if text is None else "is no job of PAX") in said


def test_a_platform_that_makes_no_sense_is_said_to_the_orchestrator(job, tmp_path, monkeypatch):
    monkeypatch.setenv("PAX_TRAIN_NODES", "2")
    assert start(job, tmp_path / "room") == NOT_AGAIN
    assert "2 nodes must know where to meet" in failure(tmp_path / "room")


def test_a_node_that_is_taken_away_is_no_failure_of_the_others(job: Job, tmp_path: Path):
    arguments = (*job.arguments[:-1], "--epochs=40", "--checkpoint-steps=5")
    given = {name: getattr(job, name) for name in Job.__slots__}
    two = Job(**{**given, "nodes": 2, "arguments": arguments})
    address = jobs.write(Folder(str(tmp_path / "room")), two)
    nodes = LocalNodes(tmp_path / "nodes", 2, 1, {})
    nodes.start(RunRequest("pax_assets.training.node", (f"--job={address}",), {}, "token", 0))
    try:
        deadline = time.monotonic() + 100
        while not (tmp_path / "checkpoints" / "current.json").exists():
            assert time.monotonic() < deadline, nodes.log()
            time.sleep(0.1)
        nodes.processes[1].send_signal(signal.SIGTERM)
        codes = [nodes.processes[rank].wait(60) for rank in (1, 0)]
    finally:
        nodes.kill()
    assert codes == [node.TERMINATED, PEER_LOST]
    assert not (tmp_path / "room" / "failed").exists()
