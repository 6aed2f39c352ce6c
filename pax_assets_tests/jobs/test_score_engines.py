"""Batch scoring in processes of its own: on a JVM, and killed in the middle.

The JVM cannot live beside Spark Connect in one process, and who is killed with SIGKILL must be
somebody else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pax_assets.jobs.insights import insight_tables
from pax_assets.jobs.insights.insight_tables import ENTITIES, FINDINGS, SCORED
from pax_assets.jobs.score import Scorer, score_day
from pax_assets.lake import tables
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.jobs.message_rows import DAY_1, DAY_2, add_messages, put_messages
from pax_assets_tests.jobs.stub_runtime import stub_scorer

NAMES = ("anna", "ben", "nobody")
TEXTS = {f"m{n}": f"{NAMES[n % 3]} meets {NAMES[n // 3 % 3]} {n}" for n in range(400)}
ODD = {
    "empty": "",
    "nul": "anna\x00 \u202f ben",
    "emoji": "👩‍👧 anna meets 🎉 ben",
    "long": "anna " * 900,
}


@pytest.fixture(scope="module")
def lookup_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lookup_artifact(tmp_path_factory.mktemp("lookup") / "onnx")


def contents(lake: str) -> dict[str, list[dict]]:
    return {
        t: sorted(insight_tables.read(lake, t).to_pylist(), key=str) for t in (*FINDINGS, SCORED)
    }


def run_jobs(spark, lake: str, onnx_dir: str) -> list[int]:
    """Score two days in several chunks, then what came to the first, then with another model."""
    from pax_assets.jobs.scoring import day

    day.MESSAGES_A_CORE = 75
    model = Scorer(onnx_dir, "fp32", "m1")
    put_messages(lake, DAY_1, TEXTS)
    put_messages(lake, DAY_2, ODD)
    reports = [score_day(spark, lake, d, model) for d in (DAY_1, DAY_2)]
    add_messages(lake, DAY_1, {"late": "ben meets anna at last"})
    reports.append(score_day(spark, lake, DAY_1, model))
    reports.append(score_day(spark, lake, DAY_2, Scorer(onnx_dir, "fp32", "m2")))
    return [report.scored for report in reports]


JVM_RUN = """
import sys
from pax_assets.compute.spark import spark_session
from pax_assets_tests.jobs.test_score_engines import run_jobs
session = spark_session("local[2]")
session.conf.set("spark.sql.adaptive.enabled", "false")
print(run_jobs(session, *sys.argv[1:]))
"""


@pytest.mark.jvm
def test_a_jvm_stores_what_the_embedded_engine_stores(
    spark, tmp_path: Path, lookup_model: Path, monkeypatch
) -> None:
    from pax_assets.jobs.scoring import day

    monkeypatch.setattr(day, "MESSAGES_A_CORE", day.MESSAGES_A_CORE)
    embedded, jvm = str(tmp_path / "embedded"), str(tmp_path / "jvm")
    counts = run_jobs(spark, embedded, str(lookup_model))
    assert counts == [len(TEXTS), len(ODD), 1, len(ODD)]
    done = subprocess.run(
        [sys.executable, "-c", JVM_RUN, jvm, str(lookup_model)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == str(counts)
    assert contents(jvm) == contents(embedded)
    assert all(contents(jvm).values())


VICTIM = """
import sys
from pax_assets.compute.spark import spark_session
from pax_assets.jobs.score import score_day
from pax_assets.jobs.scoring import day
from pax_assets_tests.jobs.message_rows import DAY_1
from pax_assets_tests.jobs.stub_runtime import stub_scorer
day.MESSAGES_A_CORE = 10
score_day(spark_session(), sys.argv[1], DAY_1, stub_scorer())
"""


def test_scoring_that_is_killed_again_and_again_ends_as_if_it_never_was(
    spark, tmp_path: Path
) -> None:
    lake, clean = str(tmp_path / "lake"), str(tmp_path / "clean")
    for root in (lake, clean):
        put_messages(root, DAY_1, {key: text.title() for key, text in TEXTS.items()})
    for chunks in (1, 12):
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, lake],
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        # Version 0 made the table.
        while (tables.version(lake, SCORED) or 0) < chunks:
            assert victim.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
    vouched = insight_tables.read(lake, SCORED).num_rows
    assert 0 < vouched < len(TEXTS)
    report = score_day(spark, lake, DAY_1, stub_scorer())
    # Nothing that was committed is lost.
    assert report.scored == len(TEXTS) - vouched
    assert score_day(spark, clean, DAY_1, stub_scorer()).scored == len(TEXTS)
    assert contents(lake) == contents(clean)
    assert insight_tables.read(lake, ENTITIES).num_rows
