"""The snapshots that readers share: always the newest, and nobody's commit moves them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from pax_assets.lake import commit, tables

SCHEMA = pa.schema([("number", pa.int64())])


def _append(lake: str, *numbers: int) -> None:
    commit.append(lake, "counted", pa.table({"number": list(numbers)}, schema=SCHEMA))


def _numbers(lake: str) -> list[int]:
    return sorted(tables.read(lake, "counted")["number"].to_pylist())


@pytest.fixture(params=["directory", "s3"])
def lake(request, tmp_path) -> str:
    if request.param == "directory":
        return str(tmp_path / "lake")
    return f"s3://{request.getfixturevalue('bucket')}/lake"


def test_readers_share_one_snapshot_until_somebody_commits(lake):
    assert tables.newest(lake, "counted") is None
    _append(lake, 1)
    shared = tables.newest(lake, "counted")
    assert tables.newest(lake, "counted") is shared
    _append(lake, 2)
    moved = tables.newest(lake, "counted")
    assert shared is not None
    assert moved is not None
    assert moved.version() == shared.version() + 1
    assert _numbers(lake) == [1, 2]


def test_a_shared_snapshot_stays_where_it_was(lake):
    _append(lake, 1)
    shared = tables.newest(lake, "counted")
    assert shared is not None
    before = (shared.version(), tables.files(lake, "counted", shared))
    _append(lake, 2)
    commit.overwrite(lake, "counted", pa.table({"number": [3]}, schema=SCHEMA))
    assert (shared.version(), tables.files(lake, "counted", shared)) == before
    rows = tables.dataset(lake, "counted", shared).to_table()
    assert rows["number"].to_pylist() == [1]


def test_one_writer_does_not_see_what_another_one_has_committed_since(lake):
    _append(lake, 1)
    mine = commit.ensure(lake, "counted", SCHEMA)
    _append(lake, 2)
    assert tables.newest(lake, "counted") is not mine
    assert mine.version() < (tables.version(lake, "counted") or 0)


def test_a_table_that_was_removed_and_made_again_is_another_table(tmp_path):
    lake = str(tmp_path / "lake")
    _append(lake, 1)
    assert _numbers(lake) == [1]
    shutil.rmtree(Path(lake) / "counted")
    _append(lake, 2)
    assert _numbers(lake) == [2]
    shutil.rmtree(Path(lake) / "counted")
    assert tables.newest(lake, "counted") is None


def test_the_log_is_asked_once_for_a_transaction_of_a_shared_snapshot(lake, monkeypatch):
    _append(lake, 1)
    snapshot = commit.ensure(lake, "counted", SCHEMA)
    commit.commit(snapshot, [], transaction=("mine", 7))
    shared = tables.newest(lake, "counted")
    assert commit.reached(shared, "mine") == 7
    assert commit.reached(shared, "another") == -1
    monkeypatch.setattr(
        "deltalake.DeltaTable.transaction_version", lambda *_: pytest.fail("asked again")
    )
    assert commit.reached(tables.newest(lake, "counted"), "mine") == 7


def test_what_commits_say_is_of_their_own_version_however_far_the_log_has_moved(lake):
    for number in range(5):
        rows = pa.table({"number": [number]}, schema=SCHEMA)
        commit.append(lake, "counted", rows, metadata={"mine": str(number)})
    found = tables.commits(lake, "counted", 1, 3)
    assert found is not None
    # Version 0 made the table.
    assert [(info["version"], info["mine"]) for info in found] == [(2, "1"), (3, "2")]
    assert tables.commits(lake, "counted", 4, 4) == []
    assert tables.commits(lake, "counted", 4, 99) is None


def test_a_table_that_is_made_again_at_once_is_read_anew(lake):
    for number in range(4):
        _append(lake, number)
        assert _numbers(lake) == [number]
        system, root = tables.filesystem(tables.location(lake, "counted"))
        system.delete_dir_contents(root)


def test_a_data_file_that_is_gone_is_an_error_and_not_an_endless_search(tmp_path):
    lake = str(tmp_path / "lake")
    _append(lake, 1)
    for file in Path(lake, "counted").glob("*.parquet"):
        file.unlink()
    with pytest.raises(FileNotFoundError):
        _numbers(lake)


def test_a_snapshot_does_not_outlive_the_commits_that_a_checkpoint_replaces(tmp_path):
    lake = str(tmp_path / "lake")
    for number in range(3):
        _append(lake, number)
    shared = tables.newest(lake, "counted")
    assert shared is not None
    own = tables.open_table(lake, "counted")
    assert own is not None
    own.create_checkpoint()
    for version in range(own.version()):
        (Path(lake) / "counted" / "_delta_log" / f"{version:020}.json").unlink()
    assert commit.reached(tables.newest(lake, "counted"), "never asked") == -1


def test_other_versions_are_read_as_they_were(lake):
    _append(lake, 1)
    first = tables.version(lake, "counted")
    _append(lake, 2)
    assert _numbers(lake) == [1, 2]
    assert tables.read(lake, "counted", version=first)["number"].to_pylist() == [1]
