"""A lake on S3: what is true of a directory is true there too. Asked of a real object store."""

from __future__ import annotations

import multiprocessing
from datetime import date

import pyarrow as pa
import pytest

from pax_assets.lake import commit, landing, read, tables
from pax_assets_tests.jobs.test_engines import run_jobs
from pax_assets_tests.landing_objects import DAYS, hashes, land, line, reaction_payload
from pax_assets_tests.s3_server import keys, s3_client

SCHEMA = pa.schema([("writer", pa.string()), ("number", pa.int64())])
COMMITS = 12


def _put(bucket: str, path: str, body: bytes = b"{}") -> None:
    s3_client().put_object(Bucket=bucket, Key=path, Body=body)


def _append(lake: str, writer: str, barrier) -> None:
    """Runs in a process of its own: one commit after the other, as fast as it can."""
    barrier.wait(60)
    for number in range(COMMITS):
        rows = pa.table({"writer": [writer], "number": [number]}, schema=SCHEMA)
        commit.append(lake, "counted", rows)


def test_a_lake_on_s3_holds_what_a_lake_in_a_directory_holds(spark, bucket, tmp_path) -> None:
    landed = tmp_path / "landing"
    land(landed, f"sms/{DAYS[0]}/a.jsonl", [line("a"), line("twice", "first"), "{broken"])
    land(landed, f"sms/{DAYS[1]}/a.jsonl", [line("b"), line("twice", "second")])
    land(landed, f"whatsapp/{DAYS[0]}/a.json", [reaction_payload("wamid.1")])
    for file in (f for f in landed.rglob("*") if f.is_file()):
        _put(bucket, f"in/{file.relative_to(landed)}", file.read_bytes())
    lakes = (str(tmp_path / "lake"), f"s3://{bucket}/lake")
    for lake, root in zip(lakes, (str(landed), f"s3://{bucket}/in"), strict=True):
        run_jobs(spark, lake, root)
    ids = [sorted(read(lake, "messages")["message_id"].to_pylist()) for lake in lakes]
    assert len(ids[0]) == 4
    assert ids[1] == ids[0]
    # The others hold when an object landed, and its ETag, which a copy does not keep.
    same = ("conversations", "participants")
    assert hashes(lakes[1], same) == hashes(lakes[0], same)
    counted = [
        {
            name: read(lake, name).num_rows
            for name in ("raw_sms", "raw_whatsapp", "quarantine", "channel_events", "ledger")
        }
        for lake in lakes
    ]
    assert counted[1] == counted[0]


def test_a_second_run_on_s3_changes_nothing(spark, bucket) -> None:
    _put(bucket, f"landing/sms/{DAYS[0]}/a.jsonl", line("a").encode())
    lake = f"s3://{bucket}"
    run_jobs(spark, lake, f"{lake}/landing")
    before = {table: tables.version(lake, table) for table in ("raw_sms", "messages")}
    run_jobs(spark, lake, f"{lake}/landing")
    assert {table: tables.version(lake, table) for table in ("raw_sms", "messages")} == before
    # An empty object that stands for the folder may stay.
    assert not [key for key in keys(bucket, ".staging/") if not key.endswith("/")]


def test_two_writers_lose_no_commit(bucket) -> None:
    lake = f"s3://{bucket}/lake"
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    writers = [spawn.Process(target=_append, args=(lake, name, barrier)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    rows = read(lake, "counted").sort_by([("writer", "ascending"), ("number", "ascending")])
    expected = [{"writer": w, "number": n} for w in ("a", "b") for n in range(COMMITS)]
    assert rows.to_pylist() == expected
    # Version 0 made the table: each commit has a version of its own.
    assert tables.version(lake, "counted") == 2 * COMMITS


def test_of_two_commits_that_decided_on_one_snapshot_the_second_is_refused(bucket) -> None:
    lake = f"s3://{bucket}/lake"
    snapshots = [commit.ensure(lake, "counted", SCHEMA) for _ in range(2)]
    rows = pa.table({"writer": ["a"], "number": [1]}, schema=SCHEMA)
    for snapshot, refused in zip(snapshots, (False, True), strict=True):
        files = commit.write(lake, "counted", rows)
        if refused:
            with pytest.raises(commit.Conflict):
                commit.commit(snapshot, files, transaction=("ingest", 1))
        else:
            commit.commit(snapshot, files, transaction=("ingest", 1))
    assert read(lake, "counted").num_rows == 1


def test_what_landed_on_s3_is_listed_by_channel_and_day(bucket) -> None:
    for path in (
        f"in/sms/{DAYS[0]}/b.json",
        f"in/sms/{DAYS[0]}/hour=10/a.json",
        f"in/sms/{DAYS[0]}/.hidden",
        f"in/sms/{DAYS[0]}/late.tmp",
        "in/sms/undated.json",
        "in/sms/drop/more.json",
        "in/sms/2026-13-45/not-a-day.json",
        f"in/email/{DAYS[1]}/m.eml",
    ):
        _put(bucket, path)
    root = f"s3://{bucket}/in"
    dated = landing.dated_objects(root, "sms", DAYS[0])
    assert [(o.path, o.size, o.day) for o in dated] == [
        (f"sms/{DAYS[0]}/b.json", 2, DAYS[0]),
        (f"sms/{DAYS[0]}/hour=10/a.json", 2, DAYS[0]),
    ]
    assert [o.path for o in landing.undated_objects(root, "sms")] == [
        "sms/2026-13-45/not-a-day.json",
        "sms/drop/more.json",
        "sms/undated.json",
    ]
    days = landing.landing_days(f"s3://{bucket}/lake", root)
    assert days[:2] == [DAYS[0], DAYS[1]]
    assert date.fromisoformat(days[2]) > date.fromisoformat(DAYS[1])
    assert landing.dated_objects(root, "whatsapp", DAYS[0]) == []


def test_an_object_that_was_replaced_has_another_etag(bucket) -> None:
    root, path = f"s3://{bucket}/in", f"in/sms/{DAYS[0]}/a.json"
    _put(bucket, path, b"one")
    (before,) = landing.dated_objects(root, "sms", DAYS[0])
    _put(bucket, path, b"other")
    (after,) = landing.dated_objects(root, "sms", DAYS[0])
    assert before.etag != after.etag
