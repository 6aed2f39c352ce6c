"""The feature store: channel tables to one table of messages.

`messages` holds a day's messages: the records of that day that no earlier record has the id of.
What arrived since the last build is added, in one transaction with what it changes elsewhere (a
message that turns out to have arrived earlier leaves its later place) and with the versions of
the channel tables that are now in. So a build costs what is new, days may be built in any order
and any number of times, and the tables come out equal.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pax_assets.jobs.arrivals import duplicates_elsewhere, duplicates_on, repeated_on
from pax_assets.jobs.program import Engine, run_program
from pax_assets.jobs.rows.arguments import day_of_arrival
from pax_assets.jobs.scan import files_holding, parquet_codec, read_files
from pax_assets.lake import commit, index, landing, ledger, tables
from pax_assets.lake.content import records_hash
from pax_assets.lake.keys import Keys
from pax_assets.lake.schemas import MESSAGES
from pax_assets.messages.message import CHANNELS

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

DAYS_KEY = "pax.days"
_RAW_TABLES = tuple(ledger.raw_table(channel) for channel in CHANNELS)
_ROWS_A_FILE = 500_000


@dataclass
class MessagesReport:
    """A day of `messages` after it was built.

    `changed` says whether its rows differ from before, `added` how many are new. `displaced` maps
    days to the number of rows that left them, because the same message is now known to have
    arrived earlier.
    """

    day: str
    rows: int
    changed: bool
    added: int = 0
    displaced: dict[str, int] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True)
class _Work:
    """What a build has to take in: objects with their numbers of records, by channel table.

    `reached` are the versions of the channel tables up to which this goes, `before` those up to
    which the day was built. With `anew` the objects are all of the day's, and their messages take
    the place of what the day holds.
    """

    objects: dict[str, dict[str, int]]
    reached: dict[str, int]
    before: dict[str, int | None]
    anew: bool

    @property
    def uris(self) -> list[str]:
        return [uri for found in self.objects.values() for uri in found]


class _Overtaken(Exception):
    """Another build of the day was faster; look again at what is left to do."""


def build_messages(
    spark: SparkSession, lake: str, day: str, *, anew: bool = False
) -> MessagesReport:
    """Bring the partition `day` of `messages` up to what the channel tables hold.

    Takes in the objects that were ingested since the last build, or all of the day's with `anew`.
    Idempotent; a build that finds nothing new commits nothing. Raises `commit.Conflict` if other
    builds kept getting in the way.
    """
    landing.checked_day(day)
    for channel in CHANNELS:
        index.catch_up(lake, channel)
    while True:
        work = _work(lake, day, anew)
        try:
            changed, added, displaced = _take_in(spark, lake, day, work)
            break
        except _Overtaken:
            continue
    snapshot = commit.ensure(lake, "messages")
    return MessagesReport(
        day=day,
        rows=commit.partition_rows(snapshot, {"arrival_day": day}),
        changed=changed,
        added=added,
        displaced=displaced,
        version=snapshot.version(),
    )


def _work(lake: str, day: str, anew: bool) -> _Work:
    snapshot = commit.ensure(lake, "messages")
    known = commit.ensure(lake, index.TABLE)
    before = {table: snapshot.transaction_version(f"{table}/{day}") for table in _RAW_TABLES}
    holds_rows = bool(commit.partition_files(snapshot, {"arrival_day": day}))
    # Rows that no build has accounted for come from before builds kept accounts.
    anew = anew or (holds_rows and not any(version is not None for version in before.values()))
    objects: dict[str, dict[str, int]] = {}
    reached: dict[str, int] = {}
    for channel, table in zip(CHANNELS, _RAW_TABLES, strict=True):
        target = known.transaction_version(table)
        if target is None:
            continue
        since = before[table]
        entries = ledger.entries_between(
            lake, channel, day, -1 if since is None or anew else since, target
        )
        if since is not None and not anew and any(entry["replaces"] for entry in entries):
            # An object was read again: what it said before has to go.
            return _work(lake, day, anew=True)
        objects[table] = {e["raw_uri"]: e["messages"] for e in entries if e["messages"]}
        if entries:
            reached[table] = target
    return _Work(objects, reached, before, anew)


def _take_in(
    spark: SparkSession, lake: str, day: str, work: _Work
) -> tuple[bool, int, dict[str, int]]:
    """Commit the work; return whether rows changed, how many are new, how many left which day."""
    if not work.reached and not work.anew:
        return False, 0, {}
    repeated = repeated_on(lake, day, _RAW_TABLES, work.uris)
    elsewhere = _by_day(duplicates_elsewhere(repeated, day, work.uris))
    if work.anew:
        elsewhere.pop(day, None)
    files = _write_rows(spark, lake, day, work, duplicates_on(repeated, day))

    def attempt() -> tuple[bool, int, dict[str, int]]:
        snapshot = commit.ensure(lake, "messages")
        for table, version in work.before.items():
            if snapshot.transaction_version(f"{table}/{day}") != version:
                commit.discard(lake, "messages", files)
                raise _Overtaken
        add, remove = list(files), []
        if work.anew:
            remove = commit.partition_files(snapshot, {"arrival_day": day})
            if _same(lake, day, snapshot, files):
                add, remove = [], []
        changed, added = bool(add or remove), sum(file.rows for file in add)
        displaced = {}
        for other, keys in elsewhere.items():
            change, count = _without(lake, snapshot, other, keys)
            if count:
                add += change.add
                remove += change.remove
                displaced[other] = count
        days = sorted({*displaced, day} if changed else displaced)
        commit.commit(
            snapshot,
            add,
            remove=remove,
            transaction=("messages", (snapshot.transaction_version("messages") or 0) + 1),
            reached={f"{table}/{day}": version for table, version in work.reached.items()},
            metadata={DAYS_KEY: days},
        )
        if not changed:
            commit.discard(lake, "messages", files)
        return changed, added, displaced

    if work.anew and not work.reached and not files and not elsewhere:
        return False, 0, {}
    return commit.retrying(attempt)


def _write_rows(
    spark: SparkSession, lake: str, day: str, work: _Work, duplicates: pa.Table
) -> list[commit.DataFile]:
    """Have the engine write the messages among the records of the work's objects."""
    columns = [*(c for c in MESSAGES.names if c != "arrival_day"), "raw_ordinal"]
    expected = sum(sum(found.values()) for found in work.objects.values())
    if expected == 0:
        return []
    partition = {"arrival_day": day}
    folder = f"{commit.partition_path(partition)}{uuid.uuid4().hex}"
    with _staging(lake) as staging:
        everything = None
        for table, found in work.objects.items():
            if not found:
                continue
            paths, rows = files_holding(lake, table, work.reached[table], day, list(found))
            frame = read_files(spark, paths, table, columns)
            if rows != sum(found.values()):
                # Other objects lie in the same files.
                uris = pa.table({"raw_uri": pa.array(list(found), pa.string())})
                wanted = _staged(spark, staging, uris, "raw_uri string")
                frame = frame.join(wanted, "raw_uri", "left_semi")
            everything = frame if everything is None else everything.unionByName(frame)
        if everything is None:
            raise AssertionError("objects without a channel table")
        if duplicates.num_rows:
            known = _staged(spark, staging, duplicates, "raw_uri string, raw_ordinal bigint")
            everything = everything.join(known, ["raw_uri", "raw_ordinal"], "left_anti")
        (
            everything.drop("raw_ordinal")
            .select(*(c for c in MESSAGES.names if c != "arrival_day"))
            .coalesce(max(1, -(-expected // _ROWS_A_FILE)))
            .write.mode("error")
            .option("compression", parquet_codec(spark))
            .parquet(f"{tables.location(lake, 'messages')}/{folder}")
        )
    return commit.describe(lake, "messages", folder, partition)


@contextmanager
def _staging(lake: str) -> Iterator[str]:
    """A folder beside the tables, which every worker of an engine reaches; gone afterwards."""
    address = f"{lake.rstrip('/')}/.staging/messages-{uuid.uuid4().hex}"
    system, path = tables.filesystem(address)
    tables.make_folder(system, path)
    try:
        yield address
    finally:
        tables.remove_folder(system, path)


def _staged(spark: SparkSession, staging: str, rows: pa.Table, schema: str) -> DataFrame:
    """Hand rows to the engine by way of a file: lists in a query plan stop at some thousands."""
    system, root = tables.filesystem(staging)
    name = f"{uuid.uuid4().hex}.parquet"
    pq.write_table(rows, f"{root}/{name}", filesystem=system)
    return spark.read.schema(schema).parquet(f"{staging}/{name}")


def _by_day(rows: pa.Table) -> dict[str, Keys]:
    """Return the keys of occurrences by the day on which they lie."""
    return {
        day: Keys(chosen["key"].to_numpy(), chosen["key_low"].to_numpy())
        for day in pc.unique(rows["arrival_day"]).to_pylist()
        for chosen in [rows.filter(pc.equal(rows["arrival_day"], day))]
    }


def _without(lake: str, snapshot: DeltaTable, day: str, keys: Keys) -> tuple[commit.Change, int]:
    """Return the change that removes messages from a day, and how many rows that is."""
    at = pc.field("arrival_day") == day
    ids = tables.read(lake, "messages", ["message_id"], at, version=snapshot.version())
    gone = Keys.of(ids["message_id"]).among(keys)
    count = int(np.count_nonzero(gone))
    if count == 0:
        return commit.Change([], []), 0
    among = pc.field("message_id").isin(ids["message_id"].filter(pa.array(gone)).combine_chunks())
    partition = {"arrival_day": day}
    return commit.filter_partition(snapshot, lake, "messages", partition, ~among), count


def _same(lake: str, day: str, snapshot: DeltaTable, files: Sequence[commit.DataFile]) -> bool:
    """Whether the files hold the very rows that the day holds already."""
    parsers = ledger.parsers(lake, day)
    columns = ["message_id", "raw_uri", "raw_sha256"]
    stored = tables.read(
        lake, "messages", columns, pc.field("arrival_day") == day, version=snapshot.version()
    )
    written = commit.rows_of(lake, "messages", files).select(columns)
    return records_hash(stored, parsers) == records_hash(written, parsers)


def run(engine: Engine, arguments: Sequence[str]) -> MessagesReport:
    """Build a day as command-line `arguments` say (`--help` lists them)."""
    parser = argparse.ArgumentParser(description="Build a day of the table `messages`")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--day", required=True, type=day_of_arrival, help="YYYY-MM-DD")
    given = parser.parse_args(arguments)
    return build_messages(engine.session, given.lake, given.day)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program, such as `spark-submit`'s."""
    run_program("pax messages", run, arguments)


if __name__ == "__main__":
    main()
