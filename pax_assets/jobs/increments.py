"""What changed in `messages` since a table that follows from it was last brought up to date.

Conversations and participants span days, so a new day touches some of their rows and leaves most
alone. Each such table notes, as a named transaction in its own commits, the version of `messages`
that it shows; what happened since is in the commits of `messages`. Where that cannot be told any
more (the log was cleaned, rows were rewritten by other means) everything counts as changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from pax_assets.jobs.features import DAYS_KEY
from pax_assets.jobs.scan import scan
from pax_assets.lake import commit, content_hash, tables

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

# Commits that change files or properties, and no row.
_HARMLESS = frozenset(
    {"CREATE TABLE", "OPTIMIZE", "VACUUM START", "VACUUM END", "ADD COLUMN", "SET TBLPROPERTIES"}
)


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """A table after an update: `keys` rows were recomputed (all of them if `complete`)."""

    table: str
    rows: int
    keys: int
    complete: bool
    content_hash: str
    version: int | None


@dataclass(frozen=True)
class Aggregate:
    """A table with one row a key, made from the given `columns` of `messages`.

    `keyed` (Spark) gives each message, or each part of it, a column `key`; `rows` (Spark) makes
    the table's rows of keyed messages. `keys_of_messages` and `keys_of_rows` (Arrow) give the
    same keys of messages (`key_columns`) and of the table's own rows. `stale`, if given, is asked
    of the stored rows: it gives keys that must be recomputed for another reason than messages.
    """

    table: str
    columns: tuple[str, ...]
    key_columns: tuple[str, ...]
    keyed: Callable[[DataFrame], DataFrame]
    rows: Callable[[DataFrame], DataFrame]
    keys_of_messages: Callable[[pa.Table], set[str]]
    keys_of_rows: Callable[[pa.Table], pa.ChunkedArray]
    stale: Callable[[pa.Table], set[str]] | None = None


def update(spark: SparkSession, lake: str, aggregate: Aggregate) -> UpdateReport:
    """Bring the aggregate's table up to the newest version of `messages`, in one transaction.

    Only rows whose key occurs among changed messages are recomputed. Raises `commit.Conflict`
    if other updates kept getting in the way.
    """
    keys = commit.retrying(lambda: _update(spark, lake, aggregate))
    stored = tables.read(lake, aggregate.table)
    return UpdateReport(
        table=aggregate.table,
        rows=stored.num_rows,
        keys=stored.num_rows if keys is None else len(keys),
        complete=keys is None,
        content_hash=content_hash(stored),
        version=tables.version(lake, aggregate.table),
    )


def _update(spark: SparkSession, lake: str, aggregate: Aggregate) -> set[str] | None:
    """Commit what changed; return the keys that were recomputed, None for all."""
    messages = commit.ensure(lake, "messages")
    snapshot = commit.ensure(lake, aggregate.table)
    reached = snapshot.transaction_version("messages")
    stale: set[str] = set()
    if aggregate.stale is not None and reached is not None:
        stale = aggregate.stale(tables.read(lake, aggregate.table, version=snapshot.version()))
    if reached == messages.version() and not stale:
        return set()
    keys = None if reached is None else _changed_keys(lake, aggregate, messages, reached)
    if keys is not None:
        keys |= stale
    files: list[commit.DataFile] = []
    remove: list[str] = []
    if keys is None or keys:
        files = _recomputed(spark, lake, aggregate, keys)
        remove = commit.partition_files(snapshot, {})
    if keys:
        # One row a key is little: the rows that stay are written anew with the others, which
        # keeps the table in few files.
        stored = tables.read(lake, aggregate.table, version=snapshot.version())
        affected = pc.is_in(aggregate.keys_of_rows(stored), _strings(keys))
        files += commit.write(lake, aggregate.table, stored.filter(pc.invert(affected)))
    commit.commit(snapshot, files, remove=remove, transaction=("messages", messages.version()))
    return keys


def _changed_keys(
    lake: str, aggregate: Aggregate, messages: DeltaTable, reached: int
) -> set[str] | None:
    """Return the keys of messages that came or went since version `reached`; None if unknown."""
    days = changed_days(lake, reached, messages.version())
    if not days:
        return None if days is None else set()
    keys: set[str] = set()
    for version in (reached, messages.version()):
        try:
            rows = tables.read(
                lake,
                "messages",
                list(aggregate.key_columns),
                pc.field("arrival_day").isin(_strings(days)),
                version=version,
            )
        except (DeltaError, FileNotFoundError):
            # The former version was vacuumed, so what it held cannot be compared.
            return None
        keys |= aggregate.keys_of_messages(rows)
    return keys


def changed_days(lake: str, reached: int, upto: int) -> set[str] | None:
    """Return the days of `messages` that changed in versions (reached, upto]; None if unknown."""
    found = tables.commits(lake, "messages", reached, upto) if reached <= upto else None
    if found is None:
        return None
    days: set[str] = set()
    for info in found:
        if DAYS_KEY in info:
            days.update(info[DAYS_KEY])
        elif info.get("operation") not in _HARMLESS:
            return None
    return days


def _recomputed(
    spark: SparkSession, lake: str, aggregate: Aggregate, keys: set[str] | None
) -> list[commit.DataFile]:
    frame = aggregate.keyed(scan(spark, lake, "messages", aggregate.columns))
    if keys is not None:
        wanted = spark.createDataFrame([(key,) for key in sorted(keys)], "`key` string")
        frame = frame.join(wanted, "key", "left_semi")
    folder = uuid.uuid4().hex
    (
        aggregate.rows(frame)
        .coalesce(1)
        .write.mode("error")
        .parquet(f"{tables.location(lake, aggregate.table)}/{folder}")
    )
    return commit.describe(lake, aggregate.table, folder, {})


def _strings(values: Iterable[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())
