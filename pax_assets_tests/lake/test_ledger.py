"""The ledger and the index: caught up from the channel tables' commits, exactly once."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from pax_assets.lake import commit, index, ledger, read, schemas, tables
from pax_assets.lake.maintenance import maintain

NOW = datetime(2026, 1, 20, tzinfo=UTC)
DAY = "2026-01-05"


def put(lake: str, uri: str, ids: list[str], day: str = DAY, *, replaces: bool = False) -> None:
    """Commit one object's rows as an ingestion does."""
    rows = pa.table(
        {
            "message_id": [short.ljust(64, "0") for short in ids],
            "channel": ["sms"] * len(ids),
            "raw_uri": [uri] * len(ids),
            "raw_ordinal": list(range(len(ids))),
            "arrival_day": [day] * len(ids),
        }
    )
    count = len(ids)
    entry = ledger.Entry(uri, uri, "etag", "sha", 1, day, NOW, count, count, 0, 0, "", replaces)
    snapshot = commit.ensure(lake, "raw_sms")
    files = commit.write(lake, "raw_sms", commit.conform("raw_sms", rows))
    commit.commit(snapshot, files, metadata=ledger.metadata([entry]))


def indexed(lake: str) -> list[tuple[str, str, int]]:
    rows = read(lake, "message_keys").to_pylist()
    return sorted((f"{r['key'] % 2**64:016x}"[:2], r["raw_uri"], r["raw_ordinal"]) for r in rows)


def test_a_lake_without_the_channel_has_nothing_to_catch_up(lake):
    assert ledger.catch_up(lake, "sms") is None
    index.catch_up(lake, "sms")
    assert ledger.totals(lake)["objects"] == 0


def test_each_commit_is_copied_exactly_once_however_often_it_is_asked(lake):
    put(lake, "a", ["0a", "ff"])
    for _ in range(3):
        index.catch_up(lake, "sms")
    put(lake, "b", ["0a"], "2026-01-06")
    put(lake, "c", [])
    for _ in range(2):
        index.catch_up(lake, "sms")
    assert [row["raw_uri"] for row in ledger.entries(lake, "sms", DAY)] == ["a", "c"]
    assert indexed(lake) == [("0a", "a", 0), ("0a", "b", 0), ("ff", "a", 1)]
    assert ledger.totals(lake)["records"] == 3


def test_the_index_is_caught_up_even_if_only_the_ledger_was(lake):
    put(lake, "a", ["0a"])
    ledger.catch_up(lake, "sms")
    put(lake, "b", ["0b"])
    index.catch_up(lake, "sms")
    assert indexed(lake) == [("0a", "a", 0), ("0b", "b", 0)]


def test_other_commits_of_the_channel_table_are_passed_over(lake):
    put(lake, "a", ["0a"])
    index.catch_up(lake, "sms")
    commit.ensure(lake, "raw_sms").optimize.compact()
    commit.ensure(lake, "raw_sms").alter.set_table_properties({"delta.appendOnly": "false"})
    put(lake, "b", ["0b"])
    index.catch_up(lake, "sms")
    assert indexed(lake) == [("0a", "a", 0), ("0b", "b", 0)]


def test_a_log_that_was_cleaned_too_early_is_an_error_and_not_a_gap(lake):
    put(lake, "a", ["0a"])
    put(lake, "b", ["0b"])
    raw = commit.ensure(lake, "raw_sms")
    raw.create_checkpoint()
    from pathlib import Path

    for number in (0, 1):
        Path(lake, "raw_sms", "_delta_log", f"{number:020d}.json").unlink()
    with pytest.raises(RuntimeError, match="cleaned up before the ledger"):
        ledger.catch_up(lake, "sms")


def test_known_objects_are_found_by_day_and_by_path(lake):
    put(lake, "sms/2026-01-05/a", ["0a"])
    put(lake, "sms/loose", ["0b"], "2026-01-06")
    ledger.catch_up(lake, "sms")
    assert set(ledger.known_objects(lake, "sms", day=DAY)) == {"sms/2026-01-05/a"}
    assert set(ledger.known_objects(lake, "sms", paths=["sms/loose", "x"])) == {"sms/loose"}
    assert ledger.known_objects(lake, "sms", paths=[]) == {}
    assert ledger.known_objects(lake, "email", day=DAY) == {}


def test_an_object_that_was_read_again_replaces_what_was_known_of_it(lake):
    put(lake, "a", ["0a", "0b"])
    put(lake, "b", ["0c"])
    index.catch_up(lake, "sms")
    # As a replay does: the object's rows are exchanged in one commit with its new entry.
    rows = read(lake, "raw_sms").filter(pc.field("raw_uri") != "a")
    commit.replace(lake, "raw_sms", rows, {"arrival_day": DAY})
    put(lake, "a", ["0a", "0d"], replaces=True)
    index.catch_up(lake, "sms")
    assert indexed(lake) == [("0a", "a", 0), ("0c", "b", 0), ("0d", "a", 1)]
    assert ledger.totals(lake)["objects"] == 2


def test_a_commit_that_comes_between_look_and_copy_shifts_no_version(lake, monkeypatch):
    """Maintenance commits, too, and at any moment: an entry must keep the version of its rows."""
    put(lake, "a", ["0a"])
    index.catch_up(lake, "sms")
    put(lake, "b", ["0b"])
    [true] = [info["version"] for info in tables.commits(lake, "raw_sms", 1, 2) or []]
    ensure = commit.ensure

    def beside(where: str, table: str, schema: pa.Schema | None = None):
        if table == "ledger":
            monkeypatch.setattr(commit, "ensure", ensure)
            maintain(lake)
        return ensure(where, table, schema)

    monkeypatch.setattr(commit, "ensure", beside)
    ledger.catch_up(lake, "sms")
    [entry] = [row for row in ledger.entries(lake, "sms", DAY) if row["raw_uri"] == "b"]
    assert entry["raw_version"] == true
    assert [e["raw_uri"] for e in ledger.entries_between(lake, "sms", DAY, true - 1, true)] == ["b"]


def test_commits_later_than_asked_for_are_not_taken_for_earlier_ones(lake):
    put(lake, "a", ["0a"])
    upto = tables.version(lake, "raw_sms") or 0
    put(lake, "b", ["0b"])
    assert [e["raw_uri"] for e in ledger.entries_since(lake, "sms", -1, upto)] == ["a"]


def test_a_ledger_of_a_former_version_gets_its_columns_though_nothing_is_new(lake):
    put(lake, "a", ["0a"])
    former = pa.schema([f for f in schemas.LEDGER if f.name not in ("parser", "replaces")])
    commit.ensure(lake, "ledger", former)
    snapshot = DeltaTable(tables.location(lake, "ledger"))
    version = tables.version(lake, "raw_sms") or 0
    commit.commit(snapshot, [], transaction=("raw_sms", version))
    assert "parser" not in [field.name for field in snapshot.schema().fields]
    index.catch_up(lake, "sms")
    assert ledger.parsers(lake, DAY) == {}
