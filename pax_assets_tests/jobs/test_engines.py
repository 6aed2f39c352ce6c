"""The same job files on the embedded engine and on a JVM: equal tables, row by row.

The JVM runs in a process of its own: pyspark refuses a JVM beside Spark Connect in one process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pax_assets.jobs import conversations, features, message_features, participants
from pax_assets.jobs.identities.evidence import update_identities
from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.program import Engine
from pax_assets.lake import read
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.landing_objects import (
    DAYS,
    NOW,
    TABLES,
    hashes,
    land,
    line,
    reaction_payload,
)


def run_jobs(spark, lake: str, landing: str) -> None:
    """Take two days, the later one first, through all jobs; the second is added to the first."""
    engine = Engine(lambda: spark, is_cluster=False)
    for day in (DAYS[1], DAYS[0]):
        for channel in ("sms", "whatsapp"):
            ingest(lake, landing, channel, day, NOW)
        features.run(engine, [f"--lake={lake}", f"--day={day}"])
        message_features.run(engine, [f"--lake={lake}", f"--day={day}", "--describe=spark"])
        update_identities(lake, landing)
        threads = conversations.run(engine, [f"--lake={lake}"])
        people = participants.run(engine, [f"--lake={lake}"])
    assert not threads.complete
    assert not people.complete


JVM_RUN = """
import sys
from pax_assets.compute.spark import spark_session
from pax_assets_tests.jobs.test_engines import run_jobs
session = spark_session("local[2]")
# For a few rows, planning and compiling is all that takes time.
session.conf.set("spark.sql.adaptive.enabled", "false")
session.conf.set("spark.sql.shuffle.partitions", "1")
session.conf.set("spark.sql.codegen.wholeStage", "false")
run_jobs(session, *sys.argv[1:])
"""


@pytest.mark.jvm
def test_a_jvm_makes_the_same_tables_as_the_embedded_engine(spark, tmp_path):
    landing = tmp_path / "landing"
    odd = [
        line("a", "caf\u00e9 \U0001f600 \u202e\x00 |"),
        line("old", "x", "1970-01-01T00:00:00Z"),
        line("older", "x", "1066-10-14T00:00:00Z"),
        line("late", "x", "9999-12-31T23:59:59Z"),
        line("exact", "x", "2026-01-05T10:00:00.123456Z"),
        line("s", "with subject", subject="s", sender_name='Ann, "B"'),
        "{broken",
    ]
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [*odd, line("twice", "first")])
    land(landing, f"sms/{DAYS[1]}/a.jsonl", [line("twice", "second"), line("b")])
    land(landing, f"whatsapp/{DAYS[0]}/a.json", [reaction_payload("wamid.1")])
    one = {"identities": ["+15550100001", "+15550100003"]}
    land(landing, "identities/crm.jsonl", [json.dumps(one)])
    lakes = {engine: str(tmp_path / engine) for engine in ("embedded", "jvm")}
    run_jobs(spark, lakes["embedded"], str(landing))
    done = subprocess.run(
        [sys.executable, "-c", JVM_RUN, lakes["jvm"], str(landing)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert hashes(lakes["jvm"]) == hashes(lakes["embedded"])
    assert all(read(lakes["jvm"], name).num_rows for name in TABLES if name != "raw_email")
    assert not list(Path(lakes["jvm"]).rglob("_SUCCESS"))
