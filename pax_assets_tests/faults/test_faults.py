"""Writers that are killed or raced: the small edition of `make faults`.

The traffic is smaller and there are fewer kills, so where exactly they hit is left to chance; that
nothing is lost, twice or different is not.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.faults.kills import Writer, aims
from pax_assets_tests.faults.run import PHASES, kill_and_restart, race
from pax_assets_tests.faults.traffic import Traffic, make_traffic
from pax_assets_tests.faults.verdict import clean_run, judge

SEED = int(os.environ.get("FAULTS_SEED", "5"))


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return make_traffic(3_000, 40, SEED)


def test_a_batch_writer_that_is_killed_again_and_again(spark, tmp_path, traffic) -> None:
    lake, landing, clean = tmp_path / "lake", tmp_path / "landing", tmp_path / "clean"
    record = kill_and_restart("batch", lake, landing, traffic, 4, SEED)
    clean_run(spark, landing, clean)
    assert judge(lake, clean, traffic) == [], record.table()
    assert record.total == 4


@pytest.mark.jvm
def test_a_stream_that_is_killed_and_started_again(spark, tmp_path, traffic) -> None:
    lake, landing, clean = tmp_path / "lake", tmp_path / "landing", tmp_path / "clean"
    record = kill_and_restart("stream", lake, landing, traffic, 2, SEED)
    clean_run(spark, landing, clean)
    assert judge(lake, clean, traffic) == [], record.table()
    assert record.total == 2


def test_two_writers_at_once(spark, tmp_path, traffic) -> None:
    lake, landing, clean = tmp_path / "lake", tmp_path / "landing", tmp_path / "clean"
    traffic.land(landing, 0, len(traffic.objects))
    race(lake, landing, 2)
    clean_run(spark, landing, clean)
    assert judge(lake, clean, traffic) == []


def test_the_judge_sees_what_is_wrong(spark, tmp_path, traffic) -> None:
    """One object less, and one message twice: neither passes for a good lake."""
    landing, clean = tmp_path / "landing", tmp_path / "clean"
    traffic.land(landing, 0, 10)
    clean_run(spark, landing, clean)
    found = " ".join(judge(clean, clean, traffic))
    assert "messages lost" in found
    assert "landed" in found
    other = tmp_path / "other"
    (landing / next(iter(traffic.objects))).unlink()
    clean_run(spark, landing, other)
    assert any("differs from a clean run" in wrong for wrong in judge(other, clean, traffic))


def test_a_kill_is_counted_where_it_hit(tmp_path, traffic) -> None:
    landing = tmp_path / "landing"
    traffic.land(landing, 0, 12)
    writer = Writer("batch", tmp_path / "lake", landing)
    assert writer.kill_in("parse", 1, random.Random(0)) in (*PHASES, "-")
    assert Counter(aims(20, PHASES, random.Random(0))) == PHASES
    assert set(aims(6, PHASES, random.Random(0))) == set(PHASES)


PARENT = """
import os, sys, time
from pax_assets.jobs.rows import parsing
if __name__ == "__main__":
    pool = parsing._pool(2)
    for _ in range(4):
        pool.submit(time.sleep, 0.2)
    pool.submit(os.getpid).result()
    print(*pool._processes, flush=True)
    time.sleep(600)
"""


def test_parse_workers_end_with_a_parent_that_is_killed(tmp_path) -> None:
    """They hold their own end of the queue that they wait for, and would wait for ever."""
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(program)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout
    workers = [int(number) for number in parent.stdout.readline().split()]
    assert len(workers) == 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.1)
