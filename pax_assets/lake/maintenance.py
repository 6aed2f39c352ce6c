"""Keeps the lake's tables in few files, and free of what no snapshot needs any more.

Every ingest and every late message adds small files, and every killed run leaves files that no
commit names: opening them, and paying for them, is what a lake slows down by. Compaction rewrites
files without changing a row: its commits say so, and data versions and updates by increment take
no notice. Everything here may run beside writers: a writer whose files were compacted away meets
a conflict and decides again, and a file that a writer is about to commit is far younger than what
is deleted.

Not `DeltaTable.optimize`: its removals are marked as no change of data, and deltalake 1.6.6 lets a
writer that removes the same files pass beside those. Its new rows then stand beside the compacted
old ones, every one of them twice.

A deleted row is gone from storage only when the files of former snapshots are (VACUUM): until
then the table can still be read as it was.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow import fs

from pax_assets.lake import commit, tables
from pax_assets.lake.schemas import SCHEMAS

STATISTICS = "table_statistics"
# Its files are sorted and merged by its own writer; concatenated by another they lose their order.
_SELF_MERGING = frozenset({"message_keys"})
_DEEPEST = 2
_COMMITS_A_CHECKPOINT = 10
# Files above the first are left alone; new ones stay below the second, before compression differs.
_SMALL_BYTES = 32_000_000
_GROUP_BYTES = 128_000_000
_ROWS_AT_ONCE = 20_000
# What `jobs.increments` reads as "no day of `messages` has changed".
NO_DAYS = {"pax.days": []}
# Folders of work in progress, which no vacuum looks into: the lake's, and batch scoring's.
_WORK = (".staging", "_scoring")


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """A table after maintenance. `problem` says what could not be done, None if all was.

    `files_vacuumed` counts deleted files: those of former snapshots, and orphans.
    """

    table: str
    partitions: int
    rows: int
    bytes: int
    files_before: int
    files_after: int
    files_vacuumed: int
    delta_version: int
    checkpoint_version: int | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """All tables after maintenance, and the work folders that killed runs had left."""

    tables: list[TableStatistics]
    stale_folders: list[str]


def maintain(
    lake: str, *, retention_hours: int = 168, now: datetime | None = None
) -> MaintenanceReport:
    """Compact, vacuum and checkpoint every table of the lake; note their statistics.

    Files that the newest snapshot does not name are deleted once they are older than
    `retention_hours`, which must be longer than any run takes. A table that fails is reported
    and does not keep the others from their turn. Writes today's rows of `table_statistics`.
    """
    moment = now or datetime.now(UTC)
    names = table_names(lake)
    found = [_maintained(lake, name, names, retention_hours) for name in names]
    stale = list(_remove_stale_folders(lake, names, moment - timedelta(hours=retention_hours)))
    day = moment.date().isoformat()
    rows = [{**asdict(table), "measured_at": moment, "day": day} for table in found]
    commit.replace(
        lake, STATISTICS, pa.Table.from_pylist(rows, schema=SCHEMAS[STATISTICS]), {"day": day}
    )
    return MaintenanceReport(found, stale)


def table_names(lake: str) -> list[str]:
    """Return the lake's tables, by name; a table of a multi-asset has two parts: `a/b`."""
    system, root = tables.filesystem(lake)
    return sorted(_names(system, root, "", 1))


def _names(system: fs.FileSystem, root: str, prefix: str, depth: int) -> Iterator[str]:
    folder = f"{root}/{prefix}".rstrip("/")
    for info in system.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
        hidden = info.base_name.startswith((".", "_")) or "=" in info.base_name
        if info.type != fs.FileType.Directory or hidden or f"{prefix}{info.base_name}" == "landing":
            continue
        name = f"{prefix}{info.base_name}"
        log = system.get_file_info(f"{root}/{name}/_delta_log")
        if log.type == fs.FileType.Directory:
            yield name
        if depth < _DEEPEST:
            yield from _names(system, root, f"{name}/", depth + 1)


def _maintained(lake: str, table: str, names: list[str], retention_hours: int) -> TableStatistics:
    snapshot = tables.open_table(lake, table)
    if snapshot is None:
        return TableStatistics(table, 0, 0, 0, 0, 0, 0, 0, None, "its log holds no commit")
    before = len(_files(snapshot))
    vacuumed, problem = 0, None
    try:
        if table not in _SELF_MERGING:
            _compact(lake, table)
        vacuumed = _vacuum(lake, table, names, retention_hours)
        _checkpoint(lake, table)
    except (DeltaError, commit.Conflict, OSError, ValueError, pa.ArrowException) as error:
        # Messages name files and versions, never rows.
        problem = f"{type(error).__name__}: {error}"[:500]
    after = tables.open_table(lake, table) or snapshot
    files = _files(after)
    return TableStatistics(
        table=table,
        partitions=len({tuple(sorted(file["partition"].items())) for file in files}),
        rows=sum(file["num_records"] or 0 for file in files),
        bytes=sum(file["size_bytes"] for file in files),
        files_before=before,
        files_after=len(files),
        files_vacuumed=vacuumed,
        delta_version=after.version(),
        checkpoint_version=_last_checkpoint(lake, table),
        problem=problem,
    )


def _files(snapshot: DeltaTable) -> list[dict]:
    keys = snapshot.metadata().partition_columns
    rows = pa.table(snapshot.get_add_actions(flatten=True)).to_pylist()
    return [{**row, "partition": {key: row[f"partition.{key}"] for key in keys}} for row in rows]


def _compact(lake: str, table: str) -> None:
    """Make one file of the small ones of each partition, a commit for each."""
    snapshot = tables.open_table(lake, table)
    partitions = [] if snapshot is None else [file["partition"] for file in _files(snapshot)]
    for _, partition in sorted({str(sorted(p.items())): p for p in partitions}.items()):
        commit.retrying(partial(_compact_partition, lake, table, partition))


def _compact_partition(lake: str, table: str, partition: dict[str, str]) -> None:
    snapshot = tables.open_table(lake, table)
    while snapshot is not None and (group := _next_group(snapshot, partition)):
        file = _rewritten(lake, table, snapshot, group, partition)
        try:
            commit.commit(
                snapshot,
                [file],
                remove=[old["path"] for old in group],
                metadata=NO_DAYS,
                same_rows=True,
            )
        except commit.Conflict:
            commit.discard(lake, table, [file])
            raise
        snapshot = tables.open_table(lake, table)


def _next_group(snapshot: DeltaTable, partition: dict[str, str]) -> list[dict]:
    """Return small files of a partition that are to become one; none if there are not two."""
    group: list[dict] = []
    size = 0
    for file in sorted(_files(snapshot), key=lambda file: file["modification_time"]):
        if file["partition"] != partition or file["size_bytes"] > _SMALL_BYTES:
            continue
        size += file["size_bytes"]
        if size > _GROUP_BYTES:
            break
        group.append(file)
    return group if len(group) > 1 else []


def _rewritten(
    lake: str, table: str, snapshot: DeltaTable, group: list[dict], partition: dict[str, str]
) -> commit.DataFile:
    """Write the rows of files into a new one, batch by batch; null where a file lacks a column."""
    stored = pa.schema(snapshot.schema().to_arrow())
    inside = pa.schema([field for field in stored if field.name not in partition])
    system, root = tables.filesystem(tables.location(lake, table))
    path = f"{commit.partition_path(partition)}{uuid.uuid4().hex}.parquet"
    rows = 0
    with pq.ParquetWriter(f"{root}/{path}", inside, filesystem=system, compression="zstd") as new:
        for file in group:
            with system.open_input_file(f"{root}/{unquote(file['path'])}") as stream:
                for batch in pq.ParquetFile(stream).iter_batches(_ROWS_AT_ONCE):
                    new.write_table(_conformed(pa.table(batch), inside))
                    rows += batch.num_rows
    if rows != sum(file["num_records"] for file in group):
        raise ValueError(f"{table}: files hold {rows} rows, their log another number")
    size = system.get_file_info(f"{root}/{path}").size
    return commit.DataFile(path, size, rows, partition)


def _conformed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _vacuum(lake: str, table: str, names: list[str], retention_hours: int) -> int:
    """Delete what is older and not in the newest snapshot; return how many files that was."""
    snapshot = tables.open_table(lake, table)
    # To a table that lies around another one, the other's files are orphans.
    if snapshot is None or any(name.startswith(f"{table}/") for name in names):
        return 0
    return len(
        snapshot.vacuum(retention_hours, dry_run=False, enforce_retention_duration=False, full=True)
    )


def _checkpoint(lake: str, table: str) -> None:
    snapshot = tables.open_table(lake, table)
    last = _last_checkpoint(lake, table)
    since = -1 if last is None else last
    if snapshot is not None and snapshot.version() - since >= _COMMITS_A_CHECKPOINT:
        snapshot.create_checkpoint()


def _last_checkpoint(lake: str, table: str) -> int | None:
    system, root = tables.filesystem(tables.location(lake, table))
    path = f"{root}/_delta_log/_last_checkpoint"
    if system.get_file_info(path).type != fs.FileType.File:
        return None
    with system.open_input_stream(path) as stream:
        return int(json.loads(stream.read())["version"])


def _remove_stale_folders(lake: str, names: list[str], before: datetime) -> Iterator[str]:
    """Delete work folders in which nothing was written since; yield their names."""
    system, root = tables.filesystem(lake)
    for work in (_WORK[0], *(f"{name}/{_WORK[1]}" for name in names)):
        selector = fs.FileSelector(f"{root}/{work}", allow_not_found=True)
        for folder in system.get_file_info(selector):
            if folder.type != fs.FileType.Directory:
                continue
            inside = system.get_file_info(fs.FileSelector(folder.path, recursive=True))
            written = [info.mtime for info in (folder, *inside) if info.mtime is not None]
            if written and max(written).astimezone(UTC) < before:
                system.delete_dir(folder.path)
                yield f"{work}/{folder.base_name}"
