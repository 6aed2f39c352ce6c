"""Parsing in Spark's workers: the same rows as in this process, on a real `spark-submit`."""

import json
import subprocess
from datetime import UTC, datetime

import pytest

from pax_assets.compute.spark_submit import submit_command, submit_environment
from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.rows.cluster_parsing import as_json, parsed_from
from pax_assets.jobs.rows.parsing import Parsed
from pax_assets.lake import content_hash, read
from pax_assets.lake.commit import DataFile
from pax_assets.lake.ledger import Entry
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.landing_objects import DAYS, land, line, reaction_payload

DAY = DAYS[0]
# When a run began is no part of what it read.
CHANGING = {"ledger": ["raw_version", "first_seen"]}
TABLES = ("raw_whatsapp", "quarantine", "channel_events", "ledger", "messages")


def submitted(module: str, arguments: list[str], folder) -> dict:
    """The report of a job that `spark-submit` ran with `folder` as working directory."""
    job = PROJECT / f"{module.replace('.', '/')}.py"
    done = subprocess.run(
        [*submit_command("local[2]"), str(job), *arguments],
        cwd=folder,
        env=submit_environment(),
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def content(lake: str) -> dict[str, str]:
    """The content hash of each table, without what differs between equal runs."""
    return {
        name: content_hash(read(lake, name).drop_columns(CHANGING.get(name, []))) for name in TABLES
    }


def test_what_a_worker_found_survives_its_way_to_the_driver() -> None:
    entry = Entry(
        path="sms/a",
        raw_uri="sms/a#1",
        etag="e",
        sha256="d",
        size=1,
        arrival_day=DAY,
        first_seen=datetime(2026, 1, 5, 10, 0, 0, 123456, tzinfo=UTC),
        records=3,
        messages=1,
        channel_events=1,
        quarantined=1,
    )
    parsed = Parsed(
        entries=[entry],
        messages=[DataFile("arrival_day=x/a.parquet", 10, 1, {"arrival_day": "x"})],
        beside={"channel_events": ["s/b"], "quarantine": []},
        unchanged=["sms/b"],
        unreadable={"sms/c": "OSError"},
    )
    assert parsed_from(json.loads(as_json(parsed))) == parsed


@pytest.mark.jvm
@pytest.mark.timeout(600)
def test_spark_submit_with_parsing_in_workers_makes_the_same_tables(spark, tmp_path) -> None:
    landed = tmp_path / "in"
    odd = [line("a", "caf\u00e9 \U0001f600 \u202e\x00 |"), line("same", "first"), "{broken"]
    land(landed, f"whatsapp/{DAY}/a.jsonl", odd)
    for number in range(5):
        land(landed, f"whatsapp/{DAY}/b{number}.jsonl", [line(f"{number}-{n}") for n in range(9)])
    land(landed, f"whatsapp/{DAY}/c.jsonl", [line("same", "second")])
    land(landed, f"whatsapp/{DAY}/d.json", reaction_payload("wamid.1").encode())
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    ingest(here, str(landed), "whatsapp", DAY, datetime.now(UTC))
    build_messages(spark, here, DAY)
    elsewhere = tmp_path / "empty"
    elsewhere.mkdir()
    options = [f"--lake={there}", f"--day={DAY}"]
    report = submitted(
        "pax_assets.jobs.ingest",
        [*options, f"--landing={landed}", "--channel=whatsapp", "--parse=spark"],
        elsewhere,
    )
    assert report["ingested"] == 8
    assert submitted("pax_assets.jobs.features", options, elsewhere)["rows"] == 48
    assert content(there) == content(here)
    assert read(here, "messages").num_rows == 48
