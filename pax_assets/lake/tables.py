"""Opening and reading Delta tables, wherever the lake lies.

Readers should not have to know whether a table was ever written: a day without mail is normal, and
so is a fresh lake. `read` therefore answers with an empty table of the right columns where a
missing table would otherwise be every caller's special case.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from pyarrow import fs

from pax_assets.lake import snapshots
from pax_assets.lake.schemas import SCHEMAS
from pax_assets.lake.snapshots import SharedSnapshot

if TYPE_CHECKING:
    import pyarrow.dataset as ds

    from pax_assets.lake.snapshots import Snapshot

# What object_store and pyarrow understand, and nothing else of the environment.
_S3_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ALLOW_HTTP",
)


_PATTERNS = frozenset("#%?*[]{}\\")


class UnknownTable(LookupError):
    """A table that is neither in the lake nor in `schemas.SCHEMAS`."""


def location(lake: str, table: str) -> str:
    """Return where `table` lies: a directory or an `s3://` address.

    Raises `ValueError` for a lake whose name engines would read as a pattern or as an escape.
    """
    if odd := _PATTERNS & set(lake):
        raise ValueError(
            f"the lake {lake!r} has {' '.join(sorted(odd))} in its name, which engines take for a "
            "pattern or an escape: set PAX_LAKE to a folder without"
        )
    return f"{lake.rstrip('/')}/{table}"


def storage_options(lake: str) -> dict[str, str] | None:
    """Return what `deltalake` needs to reach `lake`: None for a directory."""
    if "://" not in lake:
        return None
    return {name: os.environ[name] for name in _S3_VARIABLES if os.environ.get(name)}


def filesystem(address: str) -> tuple[fs.FileSystem, str]:
    """Return the pyarrow filesystem of a directory or `s3://` address, and the path in it."""
    if "://" in address:
        return fs.FileSystem.from_uri(address)
    return fs.LocalFileSystem(), str(Path(address).resolve())


def make_folder(system: fs.FileSystem, path: str) -> None:
    """Make a folder with its parents; S3 has none, and would keep an empty object for each."""
    if system.type_name != "s3":
        system.create_dir(path.rstrip("/"), recursive=True)


def remove_folder(system: fs.FileSystem, path: str) -> None:
    """Delete a folder and what is in it, if it is there; on S3 an empty one never is."""
    if system.get_file_info(path).type != fs.FileType.NotFound:
        system.delete_dir(path)


def exists(lake: str, table: str) -> bool:
    """Whether `table` has ever been committed to."""
    return DeltaTable.is_deltatable(location(lake, table), storage_options(lake))


def open_table(lake: str, table: str, version: int | None = None) -> DeltaTable | None:
    """Return a snapshot of `table` (the newest, or `version`), or None if it does not exist.

    The snapshot does not move: open again to see later commits.
    """
    return snapshots.opened(location(lake, table), storage_options(lake), version)


def newest(lake: str, table: str) -> Snapshot | None:
    """Return the newest snapshot of `table` to read, or None if the table does not exist.

    Other readers of this process share it, so nothing can be committed on it. Costs a look at the
    log where the table has not changed since the last call.
    """
    return snapshots.newest(location(lake, table), storage_options(lake))


def at(lake: str, table: str, version: int | None) -> Snapshot | None:
    """Return `version` of `table` to read, the newest for None; None if there is no table."""
    snapshot = newest(lake, table)
    if snapshot is None or version in (None, snapshot.version()):
        return snapshot
    return open_table(lake, table, version)


def version(lake: str, table: str) -> int | None:
    """Return the newest Delta version of `table`, or None if it does not exist."""
    snapshot = newest(lake, table)
    return None if snapshot is None else snapshot.version()


def commits(lake: str, table: str, after: int, upto: int) -> list[dict[str, Any]] | None:
    """Return what the commits of the versions (after, upto] say of themselves, the oldest first.

    Each has `version` and its metadata. None where the log does not reach back so far any more.
    Read from the log's files: `DeltaTable.history` counts down from the newest commit that the log
    has when it is asked, and calls that by the version of the snapshot (deltalake 1.6.6).
    """
    system, root = filesystem(location(lake, table))
    found = []
    for number in range(after + 1, upto + 1):
        try:
            with system.open_input_stream(f"{root}/_delta_log/{number:020}.json") as stream:
                lines = stream.read().splitlines()
        except FileNotFoundError:
            return None
        actions = (json.loads(line) for line in lines if line.strip())
        info = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
        found.append({**info, "version": number})
    return found


def empty(table: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return no rows of `table`; raises `UnknownTable` where its columns are not known."""
    if table not in SCHEMAS:
        raise UnknownTable(
            f"table {table!r} does not exist in the lake and its columns are not known; "
            "materialize the asset of that name first"
        )
    rows = SCHEMAS[table].empty_table()
    return rows if columns is None else rows.select(list(columns))


def files(lake: str, table: str, snapshot: Snapshot) -> dict[str, dict[str, str | None]]:
    """Return a snapshot's data files (full paths) with the values of their partition columns."""
    # `DeltaTable.file_uris` percent-encodes local paths, and engines then find no file, or fail.
    root = location(lake, table)
    keys = snapshot.metadata().partition_columns
    return {
        f"{root}/{unquote(file['path'])}": {key: file[f"partition.{key}"] for key in keys}
        for file in pa.table(snapshot.get_add_actions(flatten=True)).to_pylist()
    }


def dataset(
    lake: str,
    table: str,
    snapshot: Snapshot,
    filter: ds.Expression | None = None,  # noqa: A002
) -> ds.Dataset:
    """Return a snapshot's files, those of partitions that `filter` may keep, as a pyarrow dataset.

    Arrow's own filesystem does the reading. `DeltaTable.to_pyarrow_dataset` reads through Python
    callbacks on Arrow's threads, and about one process in thirty then aborted while it ended.
    """
    # Imports pandas, which nothing else here needs.
    import pyarrow.dataset as ds

    shared = snapshot.derived if isinstance(snapshot, SharedSnapshot) else {}
    every = shared.get("dataset")
    if every is None:
        address = location(lake, table)
        system, root = filesystem(address)
        form = ds.ParquetFileFormat()
        fragments = [
            form.make_fragment(root + path[len(address) :], system, _holds(tuple(values.items())))
            for path, values in files(lake, table, snapshot).items()
        ]
        schema = pa.schema(snapshot.schema().to_arrow())
        every = ds.FileSystemDataset(fragments, schema, form, system)
        shared["dataset"] = every
    # New fragments of those: the ones that were read keep the footer of their file.
    chosen = [
        every.format.make_fragment(found.path, every.filesystem, found.partition_expression)
        for found in every.get_fragments(filter)
    ]
    return ds.FileSystemDataset(chosen, every.schema, every.format, every.filesystem)


@lru_cache(maxsize=4096)
def _holds(values: tuple[tuple[str, str | None], ...]) -> ds.Expression:
    # Remembered, for a day has many files and is read many times.
    expression = pc.scalar(True)
    for key, value in values:
        field = pc.field(key)
        expression &= field.is_null() if value is None else field == value
    return expression


def read(
    lake: str,
    table: str,
    columns: list[str] | None = None,
    filter: ds.Expression | None = None,  # noqa: A002
    *,
    version: int | None = None,
) -> pa.Table:
    """Read `table` as Arrow: the given columns of the rows that `filter` keeps.

    A filter on the partition column (`arrival_day`) opens only those partitions' files. `version`
    reads the table as it was. Rows come in no particular order. Timestamps are microseconds UTC.
    A known table that was never written gives no rows; an unknown one raises `UnknownTable`.
    """
    try:
        rows = _rows(lake, table, at(lake, table, version), columns, filter)
    except FileNotFoundError:
        if version is not None:
            raise
        # A table that was removed and made again while it was opened can pass for the former one.
        rows = _rows(lake, table, open_table(lake, table), columns, filter)
    if rows is None:
        return empty(table, columns)
    if table not in SCHEMAS:
        return rows
    known = SCHEMAS[table]
    wanted = columns or [name for name in known.names if name in rows.column_names]
    return rows.select(wanted).cast(pa.schema([known.field(name) for name in wanted]))


def _rows(
    lake: str,
    table: str,
    snapshot: Snapshot | None,
    columns: list[str] | None,
    filter: ds.Expression | None,  # noqa: A002
) -> pa.Table | None:
    if snapshot is None:
        return None
    return dataset(lake, table, snapshot, filter).to_table(columns=columns, filter=filter)


def head(lake: str, table: str, rows: int, filter: ds.Expression) -> pa.Table:  # noqa: A002
    """Read some `rows` of a known table that `filter` keeps, and no more of it than that takes."""
    snapshot = newest(lake, table)
    if snapshot is None:
        return empty(table)
    found = dataset(lake, table, snapshot, filter).head(rows, filter=filter, batch_size=1024)
    return found.select(SCHEMAS[table].names).cast(SCHEMAS[table])


def rows_on(lake: str, table: str, day: str) -> int:
    """Return how many rows a daily table's log says that a day has."""
    snapshot = newest(lake, table)
    if snapshot is None:
        return 0
    files = pa.table(snapshot.get_add_actions(flatten=True)).to_pylist()
    return sum(f["num_records"] for f in files if f["partition.arrival_day"] == day)
