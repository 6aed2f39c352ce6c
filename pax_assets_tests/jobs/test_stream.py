"""The stream, run for real on a JVM: what it takes in, and that nothing of it comes twice.

One JVM in a process of its own goes through all steps (starting one takes longer than they do),
and each test looks at what a step left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pax_assets.jobs import stream
from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.program import Engine
from pax_assets.jobs.rows import parsing
from pax_assets.lake import read
from pax_assets.messages.message import CHANNELS
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.lake_state import state
from pax_assets_tests.landing_objects import DAYS, NOW, land, line, reaction_payload

ODD_NAMES = ("a b.jsonl", "c#d%20e.jsonl", "\u00fc\u20ac.jsonl", "10:30.jsonl", "{1}[2]*.jsonl")
NO_OBJECTS = (".hidden.jsonl", "upload.jsonl.part", "_logs/x.jsonl")


def _land_first(root: Path) -> None:
    for number, name in enumerate(ODD_NAMES):
        land(root, f"sms/{DAYS[0]}/{name}", [line(f"odd-{number}")])
    for number, name in enumerate(NO_OBJECTS):
        land(root, f"sms/{DAYS[0]}/{name}", [line(f"no-{number}")])
    land(root, f"sms/{DAYS[1]}/nested/deep.jsonl", [line("deep"), line("odd-0"), "{broken"])
    land(root, f"whatsapp/{DAYS[0]}/a.json", [reaction_payload("wamid.1")])
    land(root, f"voice/{DAYS[0]}/a.jsonl", [line("no channel")])
    # Older than a week before the newest: Spark's default would pass over it.
    os.utime(land(root, f"email/{DAYS[0]}/old.jsonl", [line("old")]), (1_000_000_000,) * 2)


def _steps(root: str, lake: str) -> dict[str, Any]:
    """Runs in the process with the JVM; returns what each step reported, and the lake after it."""
    from pax_assets.compute.spark import spark_session

    session = spark_session("local[2]")
    session.conf.set("spark.sql.adaptive.enabled", "false")
    session.conf.set("spark.sql.shuffle.partitions", "1")
    session.conf.set("spark.sql.codegen.wholeStage", "false")
    landing, seen = Path(root), {}

    def once(name: str, **given: Any) -> None:
        watching = stream.LandingStream(session, lake, root, **given)
        watching.start().awaitTermination()
        seen[name] = {**vars(watching.report), "state": state(lake)}

    _land_first(landing)
    once("first", batch_files=3)
    once("nothing new")
    shutil.rmtree(Path(lake) / ".checkpoints")
    once("lost checkpoint")

    opened = parsing.open_object

    def refuse(place: str, path: str) -> Any:
        if path.endswith("locked.jsonl"):
            raise PermissionError(path)
        return opened(place, path)

    land(landing, f"sms/{DAYS[2]}/locked.jsonl", [line("locked")])
    land(landing, f"sms/{DAYS[2]}/open.jsonl", [line("open")])
    parsing.open_object = refuse
    once("locked")
    parsing.open_object = opened
    once("unlocked")

    watching = stream.LandingStream(session, lake, root)
    land(landing, f"email/{DAYS[2]}/twice.jsonl", [line("twice")])
    paths = session.createDataFrame([(f"file:{root}/email/{DAYS[2]}/twice.jsonl",)], "path string")
    watching._batch(paths, 0)
    before = state(lake)
    watching._batch(paths, 0)
    seen["batch again"] = {"before": before, "state": state(lake)}

    Thread(target=_drop_and_stop, args=(landing, lake), daemon=True).start()
    engine = Engine(lambda: session, is_cluster=False)
    report = stream.run(engine, [f"--lake={lake}", f"--landing={root}", "--every=1 second"])
    seen["continuous"] = {**vars(report), "ids": read(lake, "messages").num_rows}
    return seen


def _drop_and_stop(landing: Path, lake: str) -> None:
    """Drop an object when the stream is up, wait for its message, and end the stream."""
    deadline = time.monotonic() + 120
    for number in range(2):
        before = read(lake, "messages").num_rows
        land(landing, f"sms/{DAYS[2]}/live-{number}.jsonl", [line(f"live-{number}")])
        while read(lake, "messages").num_rows == before and time.monotonic() < deadline:
            time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)


PROGRAM = """
import json, sys
from pax_assets_tests.jobs.test_stream import _steps
print("\\n" + json.dumps(_steps(*sys.argv[1:])))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("stream with blank")
    root, lake = folder / "landing here", folder / "lake"
    environment = {k: v for k, v in os.environ.items() if k != "SPARK_CONNECT_MODE_ENABLED"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root), str(lake)],
        cwd=PROJECT,
        env={**environment, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    steps = json.loads(done.stdout.splitlines()[-1])
    return {**steps, "root": str(root), "lake": str(lake)}


@pytest.mark.jvm
def test_the_stream_makes_the_tables_that_the_batch_job_makes(seen, spark, lake, tmp_path) -> None:
    # The same files, so that they have landed at the same time.
    root = tmp_path / "landing"
    _land_first(root)
    for file in (f for f in root.rglob("*") if f.is_file()):
        at = (Path(seen["root"]) / file.relative_to(root)).stat()
        os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))
    for day in DAYS[:2]:
        for channel in CHANNELS:
            ingest(lake, str(root), channel, day, NOW.replace(year=2100))
        build_messages(spark, lake, day)
    assert seen["first"]["state"] == state(lake)
    assert seen["first"]["batches"] == 4
    assert seen["first"]["objects"] == len(ODD_NAMES) + 3
    assert seen["first"]["days"] == list(DAYS[:2])


@pytest.mark.jvm
@pytest.mark.parametrize("step", ["nothing new", "lost checkpoint"])
def test_starting_again_changes_nothing(seen, step) -> None:
    assert seen[step]["objects"] == 0
    assert seen[step]["state"] == seen["first"]["state"]


@pytest.mark.jvm
def test_a_lost_checkpoint_shows_everything_again(seen) -> None:
    assert seen["nothing new"]["batches"] == 0
    assert seen["lost checkpoint"]["batches"] == 1


@pytest.mark.jvm
def test_an_object_that_cannot_be_opened_is_tried_again_after_a_restart(seen) -> None:
    path = f"sms/{DAYS[2]}/locked.jsonl"
    assert seen["locked"]["unreadable"] == [path]
    assert seen["locked"]["objects"] == 1
    assert seen["unlocked"]["unreadable"] == []
    assert seen["unlocked"]["objects"] == 1


@pytest.mark.jvm
def test_a_batch_that_comes_again_changes_nothing(seen) -> None:
    assert seen["batch again"]["state"] == seen["batch again"]["before"]
    assert seen["batch again"]["before"] != seen["unlocked"]["state"]


@pytest.mark.jvm
def test_a_continuous_stream_goes_on_until_it_is_told_to_stop(seen) -> None:
    assert seen["continuous"]["objects"] == 2
    assert seen["continuous"]["unreadable"] == []


def test_the_embedded_engine_says_what_to_use_instead(spark, tmp_path) -> None:
    with pytest.raises(stream.NoStreams, match="landing sensor"):
        stream.LandingStream(spark, str(tmp_path / "lake"), str(tmp_path / "landing"))


def test_a_landing_folder_that_is_a_pattern_is_refused(spark, tmp_path) -> None:
    with pytest.raises(stream.NoStreams, match="rename it"):
        stream.LandingStream(spark, str(tmp_path / "lake"), str(tmp_path / "land[1]"))
