"""The one way in which rows get into a table: files first, then one Delta transaction.

Every engine (Sail, JVM Spark, plain Arrow) writes Parquet files that no reader sees; only this
module makes them part of a table. So there is one lock protocol, one idea of a conflict, and what
production runs is what the tests ran. A commit may carry a named, numbered transaction: it is
then refused if another writer advanced that name since the snapshot on which the caller decided.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import fs

from pax_assets.lake import tables
from pax_assets.lake.schemas import SCHEMAS, partition_columns

if TYPE_CHECKING:
    import pyarrow.dataset as ds

    from pax_assets.lake.snapshots import Snapshot

# Smallest and largest values of columns are not written to the Delta log. They would be people's
# words in a log that is not rewritten when a row is erased; and deltalake 1.6.6 takes the bounds of
# a column that has none, beside one that has, for "equal to nothing" and skips the file. Files are
# found by partition, row groups by the bounds in the Parquet footers, which go with their file.
# Opening a table reads the log since its last checkpoint: at most ten commits of it.
_PROPERTIES = {"delta.dataSkippingNumIndexedCols": "0", "delta.checkpointInterval": "10"}
_PARQUET = {"compression": "zstd"}
_ATTEMPTS = 12
T = TypeVar("T")


class Conflict(RuntimeError):
    """Another writer got there first; read the table again, decide again, commit again."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file below a table's root that no commit has named yet."""

    path: str
    size: int
    rows: int
    partition: Mapping[str, str]


def ensure(lake: str, table: str, schema: pa.Schema | None = None) -> DeltaTable:
    """Return a snapshot of `table`, made empty first if it does not exist.

    `schema` defaults to the one in `schemas.SCHEMAS`. Columns that the schema has and the table
    has not are added to the table (null in the rows that are there); none is ever removed.
    """
    wanted: pa.Schema = SCHEMAS[table] if schema is None else schema
    snapshot = tables.open_table(lake, table)
    if snapshot is None:
        try:
            snapshot = DeltaTable.create(
                tables.location(lake, table),
                schema=wanted,
                partition_by=partition_columns(table, wanted),
                mode="ignore",
                configuration=_PROPERTIES,
                storage_options=tables.storage_options(lake),
            )
        except DeltaError:
            # Two writers made the table at once; the other one's is as good.
            snapshot = tables.open_table(lake, table)
            if snapshot is None:
                raise
    return retrying(lambda: _grown(lake, table, wanted)) if _missing(snapshot, wanted) else snapshot


def is_current(snapshot: Snapshot | None, table: str) -> bool:
    """Whether the table is there and has all the columns that are known of it (see `ensure`)."""
    return snapshot is not None and not _missing(snapshot, SCHEMAS[table])


def _missing(snapshot: Snapshot, wanted: pa.Schema) -> list[Field]:
    present = {field.name for field in snapshot.schema().fields}
    return [f for f in Schema.from_arrow(wanted).fields if f.name not in present]


def _grown(lake: str, table: str, wanted: pa.Schema) -> DeltaTable:
    """Return a snapshot with all columns; raises `Conflict` where another writer adds some."""
    snapshot = tables.open_table(lake, table)
    if snapshot is None:
        raise Conflict(f"table {table} was removed while it was being written")
    missing = _missing(snapshot, wanted)
    if not missing:
        return snapshot
    try:
        snapshot.alter.add_columns(missing)
    except CommitFailedError as error:
        raise Conflict(f"{snapshot.table_uri}: {error}") from error
    return _grown(lake, table, wanted)


def write(
    lake: str, table: str, rows: pa.Table, *, parquet: Mapping[str, Any] = _PARQUET
) -> list[DataFile]:
    """Write `rows` below the root of `table`, a file for each partition; commit nothing.

    `parquet` are options of `pyarrow.parquet.write_table`.
    """
    keys = partition_columns(table, SCHEMAS.get(table, rows.schema))
    if rows.num_rows == 0:
        return []
    if not keys:
        return [_write_file(lake, table, rows, {}, parquet)]
    files = []
    for partition in rows.select(keys).group_by(keys).aggregate([]).to_pylist():
        chosen = rows
        for key, value in partition.items():
            chosen = chosen.filter(pc.equal(chosen[key], value))
        files.append(_write_file(lake, table, chosen.drop_columns(keys), partition, parquet))
    return files


def _write_file(
    lake: str,
    table: str,
    rows: pa.Table,
    partition: Mapping[str, str],
    parquet: Mapping[str, Any],
) -> DataFile:
    folder = partition_path(partition)
    path = f"{folder}{uuid.uuid4().hex}.parquet"
    system, root = tables.filesystem(tables.location(lake, table))
    tables.make_folder(system, f"{root}/{folder}")
    pq.write_table(rows, f"{root}/{path}", filesystem=system, **parquet)
    return _describe(system, root, path, partition)


def partition_path(partition: Mapping[str, str]) -> str:
    """Return the folder of a partition below its table's root, with a closing slash; "" if none."""
    return "".join(f"{key}={value}/" for key, value in partition.items())


def describe(lake: str, table: str, folder: str, partition: Mapping[str, str]) -> list[DataFile]:
    """Return the Parquet files that an engine wrote into `folder` below the root of `table`.

    All their rows belong to `partition`, whose columns the files do not hold. Empty files, which
    engines write for empty results, are left out.
    """
    system, root = tables.filesystem(tables.location(lake, table))
    selector = fs.FileSelector(f"{root}/{folder}", recursive=True, allow_not_found=True)
    found = sorted(
        info.path for info in system.get_file_info(selector) if info.path.endswith(".parquet")
    )
    files = [_describe(system, root, path[len(root) + 1 :], partition) for path in found]
    return [file for file in files if file.rows]


def _describe(
    system: fs.FileSystem, root: str, path: str, partition: Mapping[str, str]
) -> DataFile:
    size = system.get_file_info(f"{root}/{path}").size
    with system.open_input_file(f"{root}/{path}") as stream:
        rows = pq.ParquetFile(stream).metadata.num_rows
    return DataFile(path, size, rows, dict(partition))


def rows_of(lake: str, table: str, files: Sequence[DataFile]) -> pa.Table:
    """Read files that need not be committed, with the columns of their partitions."""
    schema = SCHEMAS[table]
    system, root = tables.filesystem(tables.location(lake, table))
    parts = [schema.empty_table()]
    for file in files:
        with system.open_input_file(f"{root}/{file.path}") as stream:
            rows = pq.ParquetFile(stream).read()
        for key, value in file.partition.items():
            rows = rows.append_column(key, pa.repeat(pa.scalar(value), rows.num_rows))
        parts.append(conform(table, rows))
    return pa.concat_tables(parts)


def discard(lake: str, table: str, files: Sequence[DataFile]) -> None:
    """Delete files that were written and are not going to be committed."""
    system, root = tables.filesystem(tables.location(lake, table))
    for file in files:
        system.delete_file(f"{root}/{file.path}")


def commit(
    snapshot: DeltaTable,
    add: Sequence[DataFile],
    *,
    remove: Sequence[str] = (),
    transaction: tuple[str, int] | None = None,
    reached: Mapping[str, int] | None = None,
    metadata: Mapping[str, object] | None = None,
    same_rows: bool = False,
) -> None:
    """Add and remove files in one Delta transaction on the table of `snapshot`.

    `remove` names files of the snapshot. `transaction` is a name and a number, readable later
    with `DeltaTable.transaction_version(name)`; `reached` are more of them. Raises `Conflict`,
    with nothing changed, if since the snapshot a file to be removed went away or a commit of the
    same transaction name landed.
    `same_rows` says that the files added hold the rows of the files removed.
    """
    now = int(time.time() * 1000)
    known = {row["path"]: row for row in _files(snapshot)} if remove else {}
    actions: list[AddAction | RemoveAction] = [
        RemoveAction(path, True, now, known[path]["size_bytes"], known[path]["partition"])
        for path in remove
    ]
    actions += [
        AddAction(
            f.path,
            f.size,
            dict(f.partition),
            now,
            not same_rows,
            json.dumps({"numRecords": f.rows}),
        )
        for f in add
    ]
    named = dict(reached or {}) | dict([transaction] if transaction else [])
    try:
        snapshot.create_write_transaction(
            actions,
            mode="append",
            schema=snapshot.schema(),
            partition_by=snapshot.metadata().partition_columns,
            commit_properties=CommitProperties(
                custom_metadata=dict(metadata or {}) or None,
                app_transactions=[Transaction(*item) for item in named.items()] or None,
            ),
        )
    except CommitFailedError as error:
        raise Conflict(f"{snapshot.table_uri}: {error}") from error


def reached(snapshot: Snapshot | None, name: str) -> int:
    """Return the number of a named transaction; -1 where none landed, or there is no table."""
    number = None if snapshot is None else snapshot.transaction_version(name)
    return -1 if number is None else number


def _files(snapshot: Snapshot) -> list[dict]:
    keys = snapshot.metadata().partition_columns
    rows = pa.table(snapshot.get_add_actions(flatten=True)).to_pylist()
    return [{**row, "partition": {key: row[f"partition.{key}"] for key in keys}} for row in rows]


def partition_values(snapshot: Snapshot, key: str) -> list[str]:
    """Return the values of a partition column that have files, in order."""
    return sorted({row["partition"][key] for row in _files(snapshot)})


def partition_rows(snapshot: Snapshot, partition: Mapping[str, str]) -> int:
    """Return how many rows the snapshot's log says that a partition has."""
    return sum(
        row["num_records"]
        for row in _files(snapshot)
        if all(row["partition"][key] == value for key, value in partition.items())
    )


def row_counts(snapshot: Snapshot) -> dict[str, int]:
    """Return the snapshot's files with the number of rows that the log says they have."""
    return {row["path"]: row["num_records"] for row in _files(snapshot)}


def partition_files(snapshot: Snapshot, partition: Mapping[str, str]) -> list[str]:
    """Return the snapshot's files of one partition (of the whole table for an empty mapping)."""
    return [
        row["path"]
        for row in _files(snapshot)
        if all(row["partition"][key] == value for key, value in partition.items())
    ]


def is_empty(snapshot: Snapshot, column: str, value: str) -> bool:
    """Whether a partition has no files; this costs less than listing them."""
    return not snapshot.file_uris(file_pruning_predicate=[(column, "=", value)])


@dataclass(frozen=True, slots=True)
class Change:
    """Files to add and to remove in one commit."""

    add: list[DataFile]
    remove: list[str]


def filter_partition(
    snapshot: DeltaTable,
    lake: str,
    table: str,
    partition: Mapping[str, str],
    keep: ds.Expression,
) -> Change:
    """Write anew what `keep` keeps of a partition; return the change that a commit makes of it."""
    inside = keep
    for key, value in partition.items():
        inside &= pc.field(key) == value
    rows = tables.read(lake, table, filter=inside, version=snapshot.version())
    return Change(write(lake, table, rows), partition_files(snapshot, partition))


def retrying(attempt: Callable[[], T]) -> T:
    """Run `attempt`, again after a `Conflict`, with growing random pauses; at most 12 times.

    Each attempt must take a new snapshot. The last `Conflict` is raised on.
    """
    for number in range(1, _ATTEMPTS + 1):
        try:
            return attempt()
        except Conflict:
            if number == _ATTEMPTS:
                raise
            time.sleep(random.uniform(0, 0.02 * 2 ** min(number, 6)))  # noqa: S311
    raise AssertionError("unreachable")


def append(
    lake: str, table: str, rows: pa.Table, *, metadata: Mapping[str, object] | None = None
) -> int:
    """Append `rows`; return a version that holds them."""
    return _replace(lake, table, rows, None, metadata)


def replace(
    lake: str,
    table: str,
    rows: pa.Table,
    partition: Mapping[str, str],
    *,
    metadata: Mapping[str, object] | None = None,
) -> int:
    """Make `rows` all that a partition holds, e.g. `{"arrival_day": "2026-01-05"}`.

    Idempotent. Readers see the old rows or the new ones. Raises `ValueError` where a row belongs
    to another partition. Returns a version that holds the rows.
    """
    for key, value in partition.items():
        if pc.any(pc.fill_null(pc.not_equal(rows[key], value), True)).as_py():
            raise ValueError(f"rows for {table} are to replace {key}={value}, but others are there")
    return _replace(lake, table, rows, partition, metadata)


def overwrite(
    lake: str, table: str, rows: pa.Table, *, metadata: Mapping[str, object] | None = None
) -> int:
    """Make `rows` all that the table holds. Returns a version that holds them."""
    return _replace(lake, table, rows, {}, metadata)


def _replace(
    lake: str,
    table: str,
    rows: pa.Table,
    partition: Mapping[str, str] | None,
    metadata: Mapping[str, object] | None,
) -> int:
    rows = conform(table, rows)
    files = write(lake, table, rows)

    def attempt() -> None:
        snapshot = ensure(lake, table, rows.schema)
        remove = [] if partition is None else partition_files(snapshot, partition)
        commit(snapshot, files, remove=remove, metadata=metadata)

    retrying(attempt)
    return tables.version(lake, table) or 0


def conform(table: str, rows: pa.Table) -> pa.Table:
    """Cast `rows` to the known schema of `table`, columns in its order; as they are if unknown.

    A known column that is absent becomes null; an unknown one raises `ValueError`.
    """
    schema = SCHEMAS.get(table)
    if schema is None:
        return rows
    unknown = sorted(set(rows.column_names) - set(schema.names))
    if unknown:
        raise ValueError(f"table {table} has no column {', '.join(unknown)}")
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
