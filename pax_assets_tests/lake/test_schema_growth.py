"""The schema grows: a lake that older code wrote gets the new columns, and no file is rewritten.

The older code is this code in a process of its own whose schemas lack a column.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.scan import scan
from pax_assets.lake import commit, read, tables
from pax_assets.lake.schemas import MESSAGES, SCHEMAS
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.landing_objects import DAYS, NOW, land, line

NEW = "zone_assumed"
CHANGED = ("raw_sms", "messages")
OLDER_CODE = f"""
import sys
import pyarrow as pa
from pax_assets.lake import schemas

def without(schema):
    return pa.schema([field for field in schema if field.name != {NEW!r}])

schemas.RAW, schemas.MESSAGES = without(schemas.RAW), without(schemas.MESSAGES)
for name in ("raw_sms", "raw_whatsapp", "raw_email", "messages"):
    schemas.SCHEMAS[name] = without(schemas.SCHEMAS[name])
from pax_assets.compute.spark import spark_session
from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets_tests.landing_objects import DAYS, NOW
lake, landing = sys.argv[1:]
ingest(lake, landing, "sms", DAYS[0], NOW)
build_messages(spark_session(), lake, DAYS[0])
"""


def data_files(lake: str, table: str) -> dict[str, tuple[int, int]]:
    """The files that the table's newest version names, with inode and time of writing."""
    snapshot = tables.open_table(lake, table)
    assert snapshot is not None
    return {
        path: (Path(path).stat().st_ino, Path(path).stat().st_mtime_ns)
        for path in tables.files(lake, table, snapshot)
    }


@pytest.fixture
def grown(spark, lake, tmp_path) -> dict[str, dict[str, tuple[int, int]]]:
    """A lake of which older code wrote the first day, and this code the second."""
    root = tmp_path / "landing"
    land(root, f"sms/{DAYS[0]}/a.jsonl", [line("a", "first"), line("b", "second")])
    subprocess.run(
        [sys.executable, "-c", OLDER_CODE, lake, str(root)], cwd=PROJECT, check=True, timeout=120
    )
    before = {table: data_files(lake, table) for table in CHANGED}
    assert NEW not in {field.name for field in tables.open_table(lake, "messages").schema().fields}
    # One of them again: it is looked up among rows that lack the column.
    land(root, f"sms/{DAYS[1]}/b.jsonl", [line("b", "second"), line("c", at="2026-01-06 10:00")])
    ingest(lake, str(root), "sms", DAYS[1], NOW)
    build_messages(spark, lake, DAYS[1])
    return before


def test_a_table_gains_the_column_and_no_file_is_rewritten(grown, lake) -> None:
    for table in CHANGED:
        after = data_files(lake, table)
        assert grown[table].items() <= after.items()
        assert len(after) == len(grown[table]) + 1
        assert read(lake, table).schema == SCHEMAS[table]


def test_old_rows_read_as_null_and_new_ones_as_written(grown, lake) -> None:
    rows = read(lake, "messages").sort_by("provider_message_id")
    assert rows["provider_message_id"].to_pylist() == ["a", "b", "c"]
    assert rows[NEW].to_pylist()[:2] == [None, None]
    assert rows[NEW].to_pylist()[2]


def test_spark_reads_old_and_new_files_together(grown, spark, lake) -> None:
    frame = scan(spark, lake, "messages", ["provider_message_id", NEW])
    found = {row["provider_message_id"]: row[NEW] for row in frame.collect()}
    assert found["a"] is None
    assert found["c"]


def test_an_old_day_can_be_built_again_by_the_new_code(grown, spark, lake) -> None:
    before = read(lake, "messages").sort_by("message_id")
    report = build_messages(spark, lake, DAYS[0], anew=True)
    assert report.rows == 2
    assert read(lake, "messages").sort_by("message_id") == before


def test_a_reader_of_an_older_version_sees_the_older_columns(grown, lake) -> None:
    old = tables.open_table(lake, "messages", 1)
    assert NEW not in {field.name for field in old.schema().fields}


def test_writers_that_add_the_same_columns_at_once_all_go_on(lake) -> None:
    older = pa.schema([field for field in MESSAGES if field.name not in (NEW, "language")])
    commit.ensure(lake, "messages", older)

    def write(number: int) -> None:
        rows = pa.table({"message_id": [str(number)], NEW: ["x"], "arrival_day": [DAYS[0]]})
        commit.append(lake, "messages", rows)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    rows = read(lake, "messages")
    assert sorted(map(int, rows["message_id"].to_pylist())) == list(range(24))
    assert pc.all(pc.equal(rows[NEW], "x")).as_py()
