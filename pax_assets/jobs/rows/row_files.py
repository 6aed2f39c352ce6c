"""Parsed rows on their way into Parquet files: bounded memory, and an object's rows all or none.

A worker reads many objects into few files. An object that cannot be read to its end must leave
none of its rows behind, so they are set aside until it ends; one that is too large to be set
aside in memory gets files of its own, which are deleted if it fails.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets.jobs.rows.record_rows import INSIDE, Placed, rows_of
from pax_assets.lake import commit, tables
from pax_assets.messages.message import Message, Record

# Rows are written when this many bytes or rows have come together: a row group.
_GROUP_BYTES = 32_000_000
_GROUP_ROWS = 100_000
_ROWS_A_FILE = 500_000
# Records that are turned into rows together: one mail alone would cost as much as parsing it, and
# many at once would have left the processor's cache.
_BATCH = 500
# Columns whose values repeat; for the others (hashes, texts) a dictionary is built in vain.
_REPEATING = [
    "channel",
    "provider",
    "source_kind",
    "account",
    "conversation_id",
    "sender",
    "direction",
    "sent_at_precision",
    "zone_assumed",
    "received_at",
    "content_type",
    "language",
    "raw_uri",
    "kind",
    "code",
    "reason",
    "actor",
    "object_sha256",
]
# Bounds that readers skip row groups by.
_BOUNDED = ["raw_uri", "sent_at"]


def write_options(schema: pa.Schema) -> dict[str, object]:
    """Return how record tables are written to Parquet, for `pyarrow.parquet`."""
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [name for name in _REPEATING if name in schema.names],
        "write_statistics": [name for name in _BOUNDED if name in schema.names],
    }


class RowFiles:
    """Parquet files of rows of one kind below `table`'s root, all in one partition."""

    def __init__(self, lake: str, table: str, kind: str, partition: Mapping[str, str]) -> None:
        self._folder = commit.partition_path(partition)
        self._partition = dict(partition)
        self._kind = kind
        self._schema = INSIDE[kind]
        self._system, self._root = tables.filesystem(tables.location(lake, table))
        self._shared = _Open()
        self._files: list[commit.DataFile] = []

    def add(self, rows: ObjectRows) -> None:
        """Take over the rows of an object that was read to its end."""
        self._files += rows.spilled
        self._shared.hold(rows.held)
        self._shared.records += rows.records
        self._shared.weight += rows.weight
        self._settle(self._shared)
        if self._shared.written >= _ROWS_A_FILE:
            self.close()

    def object_rows(self) -> ObjectRows:
        """Return a place for the rows of one object."""
        return ObjectRows(self)

    def close(self) -> list[commit.DataFile]:
        """Write what is held and return all files; none is part of a table yet."""
        self._finish(self._shared, self._files)
        self._shared = _Open()
        return self._files

    def _settle(self, target: _Open) -> None:
        """Turn records into rows, and write rows, where enough have come together."""
        if len(target.records) >= _BATCH or target.weight >= _GROUP_BYTES:
            target.hold([rows_of(self._kind, target.records)])
            target.records, target.weight = [], 0
        if target.is_full:
            self._write(target)

    def _write(self, target: _Open) -> None:
        if target.writer is None:
            tables.make_folder(self._system, f"{self._root}/{self._folder}")
            target.path = f"{self._folder}{uuid.uuid4().hex}.parquet"
            target.writer = pq.ParquetWriter(
                f"{self._root}/{target.path}",
                self._schema,
                filesystem=self._system,
                **write_options(self._schema),
            )
        rows = pa.concat_tables(target.held)
        target.writer.write_table(rows)
        target.written += rows.num_rows
        target.clear()

    def _finish(self, target: _Open, files: list[commit.DataFile]) -> None:
        if target.records:
            target.hold([rows_of(self._kind, target.records)])
            target.records = []
        if target.held:
            self._write(target)
        if target.writer is None:
            return
        target.writer.close()
        size = self._system.get_file_info(f"{self._root}/{target.path}").size
        files.append(commit.DataFile(target.path, size, target.written, self._partition))

    def _delete(self, files: list[commit.DataFile]) -> None:
        for file in files:
            self._system.delete_file(f"{self._root}/{file.path}")


@dataclass
class _Open:
    """A file that is being written, and the rows that wait for it."""

    held: list[pa.Table] = field(default_factory=list)
    records: list[Placed] = field(default_factory=list)
    weight: int = 0
    rows: int = 0
    size: int = 0
    written: int = 0
    path: str = ""
    writer: pq.ParquetWriter | None = None

    def hold(self, parts: list[pa.Table]) -> None:
        self.held += parts
        self.rows += sum(part.num_rows for part in parts)
        self.size += sum(part.nbytes for part in parts)

    def clear(self) -> None:
        self.held, self.rows, self.size = [], 0, 0

    @property
    def is_full(self) -> bool:
        return self.size >= _GROUP_BYTES or self.rows >= _GROUP_ROWS


class ObjectRows:
    """The rows of one object, set aside until it has been read to its end."""

    def __init__(self, files: RowFiles) -> None:
        self._files = files
        self._own = _Open()
        self.count = 0
        self.spilled: list[commit.DataFile] = []

    @property
    def held(self) -> list[pa.Table]:
        """The rows that are in memory."""
        return self._own.held

    @property
    def records(self) -> list[Placed]:
        """The records that are not rows yet."""
        return self._own.records

    @property
    def weight(self) -> int:
        """About how many bytes the records take."""
        return self._own.weight

    def add(self, rows: pa.Table) -> None:
        """Set rows aside."""
        if rows.num_rows:
            self.count += rows.num_rows
            self._own.hold([rows])
            self._files._settle(self._own)

    def add_records(self, records: list[Placed]) -> None:
        """Set records aside, which become rows."""
        self.count += len(records)
        self._own.records += records
        self._own.weight += sum(_weight(record) for _, record, _ in records)
        self._files._settle(self._own)

    def keep(self) -> None:
        """Hand the rows over: the object has been read to its end."""
        if self._own.writer is not None:
            self._files._finish(self._own, self.spilled)
            self._own = _Open()
        self._files.add(self)

    def drop(self) -> None:
        """Forget the rows: the object could not be read to its end."""
        if self._own.writer is not None:
            self._files._finish(self._own, self.spilled)
        self._files._delete(self.spilled)


def _weight(record: Record) -> int:
    if isinstance(record, Message):
        return len(record.text)
    return len(record.payload)
