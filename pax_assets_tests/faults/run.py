"""`make faults`: writers are killed while they write; every message is there once all the same.

30,000 messages land while a writer runs, is killed with SIGKILL and is started again, twenty
times: the batch job, and the stream on a JVM. Then two writers at once, and a storm of them on
one day. After each, the lake is compared, table by table, with that of a run that nobody
disturbed. (After the test of SPARK-25331: 30,000 messages, the driver killed 20 times.)
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from pax_assets_tests.benchmarks.report import finish
from pax_assets_tests.faults.kills import Kills, Writer, aims
from pax_assets_tests.faults.traffic import Traffic, make_traffic
from pax_assets_tests.faults.verdict import clean_run, judge, new_lake

MESSAGES, OBJECTS, KILLS = 30_000, 400, 20
SEED = int(os.environ.get("FAULTS_SEED", "29"))
# What a kill is aimed at, and how often; the commit window is the short one that matters most.
PHASES = {"commit": 6, "parse": 3, "beside": 3, "catch-up": 3, "build": 3, "build-commit": 2}
_MOST_STARTS = 4
# For writers that end before they are killed.
_SPARE_STARTS = 4
IN_COMMIT = 3


def kill_and_restart(
    kind: str,
    lake: Path,
    landing: Path,
    traffic: Traffic,
    kills: int,
    seed: int,
    in_commit: int = 0,
) -> Kills:
    """Kill a writer `kills` times while the traffic lands; then let one finish.

    More often, if less than `in_commit` kills hit the commit window.
    """
    chance = random.Random(seed)
    record = Kills()
    planned = aims(kills, PHASES, chance)
    landed = 0
    starts = 0
    while record.total < kills or record.hit["commit"] < in_commit:
        # Something new for each start, or it would have nothing to be killed in.
        share = len(traffic.objects) * (starts + 1) // (kills + _SPARE_STARTS)
        traffic.land(landing, landed, share)
        landed = max(landed, share)
        starts += 1
        if starts > kills * _MOST_STARTS:
            raise SystemExit(f"faults: {record.total} kills in {starts} starts; it ends too soon")
        aim = planned[record.total] if record.total < kills else "commit"
        record.aimed[aim] += 1
        hit = Writer(kind, lake, landing).kill_in(aim, chance.randint(1, 3), chance)
        if hit is None:
            record.finished += 1
        else:
            record.hit[hit] += 1
    traffic.land(landing, landed, len(traffic.objects))
    Writer(kind, lake, landing).finish()
    return record


def race(lake: Path, landing: Path, writers: int) -> None:
    """Let several writers take in the same landing folder at once."""
    running = [Writer("batch", lake, landing) for _ in range(writers)]
    for writer in running:
        writer.finish()


def main() -> None:
    """Run all of it; exit 1 if anything is lost, twice or different, or the aim was too bad."""
    from pax_assets.compute.spark import spark_session

    folder = Path(tempfile.mkdtemp(prefix="pax-faults-"))
    began = time.monotonic()
    wrong: list[str] = []
    shown: dict[str, int] = {}
    for kind in ("batch", "stream"):
        traffic = make_traffic(MESSAGES, OBJECTS, SEED)
        landing, lake = folder / f"landing-{kind}", new_lake(folder)
        record = kill_and_restart(kind, lake, landing, traffic, KILLS, SEED, IN_COMMIT)
        clean = new_lake(folder)
        clean_run(spark_session(), landing, clean)
        found = judge(lake, clean, traffic)
        print(f"{kind}: {record.total} kills, {record.finished} writers were faster than theirs")
        print(record.table(), flush=True)
        _report(kind, found)
        wrong += found
        shown[f"{kind}_kills"] = record.total
        shown[f"{kind}_in_commit"] = record.hit["commit"]
        if kind == "batch":
            for name, writers in (("two writers", 2), ("a storm of five", 5)):
                lake = new_lake(folder)
                race(lake, landing, writers)
                found = judge(lake, clean, traffic)
                _report(name, found)
                wrong += found
    shutil.rmtree(folder, ignore_errors=True)
    values: Mapping[str, int] = {
        "messages": MESSAGES,
        **shown,
        "wrong": len(wrong),
        "seconds": round(time.monotonic() - began),
    }
    finish(
        "faults",
        values,
        {
            "batch_kills": (">=", KILLS),
            "stream_kills": (">=", KILLS),
            "batch_in_commit": (">=", IN_COMMIT),
            "stream_in_commit": (">=", IN_COMMIT),
            "wrong": ("<=", 0),
        },
    )


def _report(name: str, found: list[str]) -> None:
    print(f"{name}: " + ("; ".join(found) or "every message once, tables as after a clean run"))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
