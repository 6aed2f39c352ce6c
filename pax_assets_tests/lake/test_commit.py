"""Commits: appended, replaced and conflicting ones, and what readers see of them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from pax_assets.lake import commit, content_hash, read, tables
from pax_assets.lake.schemas import MESSAGES, SCHEMAS


def rows(day: str, *ids: str) -> pa.Table:
    return commit.conform(
        "messages", pa.table({"message_id": list(ids), "arrival_day": [day] * len(ids)})
    )


def ids(lake: str, **kwargs) -> list[str]:
    return sorted(read(lake, "messages", ["message_id"], **kwargs)["message_id"].to_pylist())


def test_a_known_table_that_was_never_written_reads_as_empty_with_its_columns(lake):
    assert read(lake, "messages").schema == MESSAGES
    assert read(lake, "messages", ["text", "message_id"]).column_names == ["text", "message_id"]


def test_an_unknown_table_that_was_never_written_is_named(lake):
    with pytest.raises(tables.UnknownTable, match=r"'nothing'.*materialize"):
        read(lake, "nothing")


@pytest.mark.parametrize("name", ["la#ke", "100%", "what?", "all*", "[a]"])
def test_a_lake_whose_name_engines_would_misread_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="set PAX_LAKE to a folder without"):
        read(str(tmp_path / name), "messages")


def test_replacing_a_day_leaves_other_days_alone_and_is_idempotent(lake):
    commit.replace(lake, "messages", rows("2026-01-05", "a", "b"), {"arrival_day": "2026-01-05"})
    commit.replace(lake, "messages", rows("2026-01-06", "c"), {"arrival_day": "2026-01-06"})
    for _ in range(2):
        commit.replace(lake, "messages", rows("2026-01-05", "d"), {"arrival_day": "2026-01-05"})
        assert ids(lake) == ["c", "d"]
    commit.replace(lake, "messages", rows("2026-01-05"), {"arrival_day": "2026-01-05"})
    assert ids(lake) == ["c"]


def test_rows_of_another_day_are_refused(lake):
    with pytest.raises(ValueError, match="replace arrival_day=2026-01-05"):
        commit.replace(lake, "messages", rows("2026-01-06", "a"), {"arrival_day": "2026-01-05"})


def test_an_unknown_column_is_refused(lake):
    with pytest.raises(ValueError, match="no column colour"):
        commit.append(lake, "messages", pa.table({"colour": ["red"]}))


def test_former_versions_stay_readable(lake):
    version = commit.append(lake, "messages", rows("2026-01-05", "a"))
    commit.append(lake, "messages", rows("2026-01-06", "b"))
    assert ids(lake) == ["a", "b"]
    assert ids(lake, version=version) == ["a"]


@pytest.mark.parametrize("column", ["text", "message_id", "subject", "sent_at"])
def test_a_filter_on_any_column_finds_its_rows(lake, column):
    # deltalake's own dataset loses rows here once one column of a file has bounds in the log.
    value = {"text": "hello", "message_id": "a", "subject": None, "sent_at": None}[column]
    table = pa.Table.from_pylist(
        [{"message_id": "a", "text": "hello", "arrival_day": "2026-01-05"}], schema=MESSAGES
    )
    commit.append(lake, "messages", table)
    field = pc.field(column)
    chosen = field.is_null() if value is None else field == value
    assert ids(lake, filter=chosen) == ["a"]
    through_deltalake = tables.open_table(lake, "messages").to_pyarrow_dataset()
    assert through_deltalake.to_table(filter=chosen).num_rows == 1


def test_no_value_of_a_row_gets_into_the_log(lake):
    table = rows("2026-01-05", "a").set_column(
        MESSAGES.get_field_index("text"), "text", pa.array(["a secret"])
    )
    commit.append(lake, "messages", table)
    log = "".join(p.read_text() for p in Path(lake, "messages", "_delta_log").glob("*.json"))
    assert "numRecords" in log
    assert "secret" not in log


def test_a_transaction_name_refuses_the_second_of_two_writers(lake):
    first = commit.ensure(lake, "messages")
    second = commit.ensure(lake, "messages")
    files = commit.write(lake, "messages", rows("2026-01-05", "a"))
    commit.commit(first, files, transaction=("ingest", 1))
    files = commit.write(lake, "messages", rows("2026-01-06", "b"))
    with pytest.raises(commit.Conflict):
        commit.commit(second, files, transaction=("ingest", 1))
    assert ids(lake) == ["a"]
    assert commit.ensure(lake, "messages").transaction_version("ingest") == 1


def test_a_file_can_be_removed_by_one_writer_only(lake):
    commit.append(lake, "messages", rows("2026-01-05", "a"))
    first, second = commit.ensure(lake, "messages"), commit.ensure(lake, "messages")
    old = commit.partition_files(first, {})
    commit.commit(first, commit.write(lake, "messages", rows("2026-01-05", "b")), remove=old)
    with pytest.raises(commit.Conflict):
        commit.commit(second, commit.write(lake, "messages", rows("2026-01-05", "c")), remove=old)
    assert ids(lake) == ["b"]


def test_concurrent_writers_of_different_days_all_get_through(lake):
    days = [f"2026-01-{day:02d}" for day in range(5, 13)]

    def put(day: str) -> None:
        commit.replace(lake, "messages", rows(day, f"id-{day}"), {"arrival_day": day})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, days))
    assert ids(lake) == [f"id-{day}" for day in days]


def test_a_table_gains_a_column_without_being_rewritten(lake, monkeypatch):
    monkeypatch.setitem(
        SCHEMAS, "messages", pa.schema([f for f in MESSAGES if f.name != "language"])
    )
    commit.append(lake, "messages", rows("2026-01-05", "a"))
    before = content_hash(read(lake, "messages"))
    files = set(Path(lake, "messages").rglob("*.parquet"))
    monkeypatch.undo()
    commit.append(lake, "messages", rows("2026-01-06", "b"))
    table = read(lake, "messages")
    assert table.schema == MESSAGES
    assert files < set(Path(lake, "messages").rglob("*.parquet"))
    assert content_hash(table.filter(pc.field("message_id") == "a")) == before


def test_metadata_of_a_commit_can_be_read_back(lake):
    commit.append(lake, "messages", rows("2026-01-05", "a"), metadata={"pax.days": ["2026-01-05"]})
    assert tables.open_table(lake, "messages").history(1)[0]["pax.days"] == ["2026-01-05"]


def test_any_delta_reader_understands_the_table(lake):
    commit.append(lake, "messages", rows("2026-01-05", "a"))
    commit.append(lake, "messages", rows("2026-01-06", "b"))
    table = DeltaTable(tables.location(lake, "messages"))
    assert table.metadata().partition_columns == ["arrival_day"]
    assert json.loads(json.dumps(table.file_uris([("arrival_day", "=", "2026-01-06")])))
    assert sorted(table.to_pyarrow_table()["message_id"].to_pylist()) == ["a", "b"]
