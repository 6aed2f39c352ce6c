"""Compaction and vacuum: fewer files, the same rows, and nothing deleted that anybody needs."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pax_assets.jobs.features import DAYS_KEY
from pax_assets.jobs.increments import changed_days
from pax_assets.lake import commit, content_hash, maintenance, read, tables
from pax_assets.lake.maintenance import maintain, table_names
from pax_assets.lake.reading import NoSuchVersion
from pax_assets.lake.schemas import MESSAGES

DAYS = ("2026-01-05", "2026-01-06")


def rows(*keys: str, day: str = DAYS[0]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"message_id": key, "recipients": ["a"], "arrival_day": day} for key in keys],
        schema=MESSAGES,
    )


def append(lake: str, *keys: str, day: str = DAYS[0]) -> None:
    commit.append(lake, "messages", rows(*keys, day=day), metadata={DAYS_KEY: [day]})


@pytest.fixture
def filled(lake) -> str:
    for number in range(6):
        append(lake, f"m{number}", day=DAYS[number % 2])
    return lake


def old(lake: str, path: str, *, days: float) -> Path:
    """Put a file that no commit names into the lake, written `days` ago."""
    file = Path(lake, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")
    moment = time.time() - days * 86400
    for touched in (file, file.parent):
        os.utime(touched, (moment, moment))
    return file


def messages_of(lake: str) -> maintenance.TableStatistics:
    return next(t for t in maintain(lake).tables if t.table == "messages")


def test_compaction_keeps_the_rows_and_reports_the_files(filled):
    before = content_hash(read(filled, "messages"))
    found = messages_of(filled)
    assert (found.files_before, found.files_after, found.partitions, found.rows) == (6, 2, 2, 6)
    assert content_hash(read(filled, "messages")) == before
    assert found.problem is None
    (row,) = (r for r in read(filled, "table_statistics").to_pylist() if r["table"] == "messages")
    assert (row["files_after"], row["bytes"]) == (2, found.bytes)


def test_a_second_run_finds_nothing_to_do(filled):
    first, again = messages_of(filled), messages_of(filled)
    assert (again.files_before, again.files_after) == (2, 2)
    assert (first.rows, first.bytes) == (again.rows, again.bytes)


def test_who_follows_by_increment_takes_no_notice(filled):
    reached = tables.version(filled, "messages")
    maintain(filled)
    snapshot = tables.open_table(filled, "messages")
    assert snapshot.version() > reached
    assert changed_days(filled, reached, snapshot.version()) == set()
    assert maintenance.NO_DAYS == {DAYS_KEY: []}


def test_the_log_gets_no_column_statistics(filled):
    maintain(filled)
    added = [
        json.loads(json.loads(line)["add"]["stats"])
        for file in sorted(Path(filled, "messages", "_delta_log").glob("*.json"))
        for line in file.read_text().splitlines()
        if '"add"' in line
    ]
    assert added
    assert {key for statistics in added for key in statistics} == {"numRecords"}


def test_a_writer_that_appends_beside_a_compaction_commits_the_same_files_again(filled):
    snapshot = commit.ensure(filled, "messages")
    files = commit.write(filled, "messages", rows("late"))
    maintain(filled)
    with pytest.raises(commit.Conflict):
        commit.commit(snapshot, files)
    commit.commit(commit.ensure(filled, "messages"), files)
    assert len(read(filled, "messages")) == 7


def test_a_writer_that_replaces_what_was_compacted_decides_again(filled):
    snapshot = commit.ensure(filled, "messages")
    remove = commit.partition_files(snapshot, {"arrival_day": DAYS[0]})
    files = commit.write(filled, "messages", rows("only"))
    maintain(filled)
    with pytest.raises(commit.Conflict):
        commit.commit(snapshot, files, remove=remove)
    commit.replace(filled, "messages", rows("only"), {"arrival_day": DAYS[0]})
    kept = read(filled, "messages", filter=pc.field("arrival_day") == DAYS[0])
    assert kept["message_id"].to_pylist() == ["only"]


def test_a_compaction_that_meets_a_writer_tries_again(filled, monkeypatch):
    chosen = maintenance._next_group
    seen = []

    def and_then_a_writer_comes(snapshot, partition):
        group = chosen(snapshot, partition)
        seen.append(len(group))
        if len(seen) == 1:
            commit.replace(filled, "messages", rows("x", "y"), {"arrival_day": DAYS[0]})
        return group

    monkeypatch.setattr(maintenance, "_next_group", and_then_a_writer_comes)
    found = messages_of(filled)
    assert found.problem is None
    # Three files that went away, then the one that took their place.
    assert seen[:2] == [3, 0]
    ids = read(filled, "messages")["message_id"].to_pylist()
    assert sorted(ids) == ["m1", "m3", "m5", "x", "y"]
    orphans = {file.name for file in Path(filled, "messages").rglob("*.parquet")}
    assert len(orphans) == 6 + 1 + 1


def test_orphans_go_when_they_are_old_and_nothing_else_does(filled):
    orphan = old(filled, f"messages/arrival_day={DAYS[0]}/killed/part-0.parquet", days=8)
    young = old(filled, f"messages/arrival_day={DAYS[0]}/running/part-0.parquet", days=0.1)
    found = messages_of(filled)
    assert found.files_vacuumed == 1
    assert (orphan.exists(), young.exists()) == (False, True)
    assert len(read(filled, "messages")) == 6


def test_former_snapshots_can_be_read_until_the_retention_is_over(filled):
    version = tables.version(filled, "messages")
    maintain(filled)
    assert len(read(filled, "messages", version=version)) == 6
    maintain(filled, retention_hours=0)
    with pytest.raises(NoSuchVersion, match="deleted"):
        read(filled, "messages", version=version)
    assert len(read(filled, "messages")) == 6


def test_stale_work_folders_go_and_running_ones_stay(filled):
    gone = [
        old(filled, ".staging/raw_sms-1/messages-1.parquet", days=8),
        old(filled, "messages/_scoring/1/part-0.parquet", days=8),
    ]
    stays = old(filled, ".staging/raw_sms-2/messages-1.parquet", days=1)
    report = maintain(filled)
    assert report.stale_folders == [".staging/raw_sms-1", "messages/_scoring/1"]
    assert not any(file.exists() for file in gone)
    assert stays.exists()


def test_a_file_from_before_a_column_existed_is_compacted_too(lake):
    commit.append(lake, "grown", pa.table({"x": [1, 2]}))
    commit.append(lake, "grown", pa.table({"x": [3], "y": ["new"]}))
    before = content_hash(read(lake, "grown"))
    (found,) = (t for t in maintain(lake).tables if t.table == "grown")
    assert (found.files_before, found.files_after, found.problem) == (2, 1, None)
    assert content_hash(read(lake, "grown")) == before


def test_large_files_are_left_alone_and_groups_stay_bounded(filled, monkeypatch):
    size = max(file.stat().st_size for file in Path(filled).rglob("*.parquet"))
    with monkeypatch.context() as small:
        small.setattr(maintenance, "_SMALL_BYTES", size)
        small.setattr(maintenance, "_GROUP_BYTES", 2 * size)
        # Of three files in each partition two make one, which is not small any more.
        assert messages_of(filled).files_after == 4
    assert messages_of(filled).files_after == 2


def test_tables_are_found_wherever_assets_put_them(filled):
    commit.append(filled, "insights/entities", pa.table({"x": [1]}))
    old(filled, "landing/sms/a.json", days=9)
    old(filled, "mlflow/mlflow.db", days=9)
    assert table_names(filled) == ["insights/entities", "messages"]
    maintain(filled)
    assert Path(filled, "landing/sms/a.json").exists()
    assert Path(filled, "mlflow/mlflow.db").exists()


def test_a_table_around_another_one_is_not_vacuumed(filled):
    commit.append(filled, "messages/inner", pa.table({"x": [1]}))
    maintain(filled, retention_hours=0)
    assert len(read(filled, "messages/inner")) == 1


def test_long_logs_get_a_checkpoint(lake):
    for number in range(12):
        append(lake, f"m{number}")
    assert messages_of(lake).checkpoint_version is not None
    assert Path(lake, "messages/_delta_log/_last_checkpoint").exists()


def test_a_table_that_fails_is_reported_and_the_others_get_their_turn(filled):
    commit.append(filled, "zz", pa.table({"x": [1]}))
    Path(filled, "aa", "_delta_log").mkdir(parents=True)
    next(Path(filled, "messages").rglob("*.parquet")).unlink()
    report = {t.table: t for t in maintain(filled).tables}
    assert report["aa"].problem == "its log holds no commit"
    assert report["messages"].problem
    assert report["zz"].problem is None


def test_statistics_of_former_days_stay(filled):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    maintain(filled, now=yesterday)
    maintain(filled)
    days = read(filled, "table_statistics")["day"].to_pylist()
    assert set(days) == {yesterday.date().isoformat(), datetime.now(UTC).date().isoformat()}
