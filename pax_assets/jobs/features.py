"""The feature store: channel tables to one table of messages.

`messages` holds a day's messages: the records of that day that no earlier record has the id of.
A day is written whole, in one transaction, together with what that changes on later days (a
message that turns out to have arrived earlier leaves its later day). So days may be built in any
order and any number of times, and the tables come out equal.
"""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.arrivals import occurrences_of_day
from pax_assets.jobs.scan import scan
from pax_assets.lake import commit, content_hash, index, ledger, tables
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

    `changed` says whether its rows differ from before. `displaced` maps later days to the number
    of rows that left them, because the same message is now known to have arrived on this day.
    """

    day: str
    rows: int
    content_hash: str
    changed: bool
    displaced: dict[str, int] = field(default_factory=dict)
    version: int | None = None


def build_messages(spark: SparkSession, lake: str, day: str) -> MessagesReport:
    """Make the partition `day` of `messages` from what the channel tables hold.

    Idempotent; a build that changes nothing commits nothing. Raises `commit.Conflict` if other
    builds kept getting in the way.
    """
    for channel in CHANNELS:
        index.catch_up(lake, channel)
    occurrences = occurrences_of_day(spark, lake, day, _RAW_TABLES)
    files = _write_day(spark, lake, day, occurrences)
    digest = content_hash(commit.rows_of(lake, "messages", files))
    later = _displaced(occurrences, day)

    def attempt() -> tuple[bool, dict[str, int]]:
        snapshot = commit.ensure(lake, "messages")
        changed = digest != _stored_hash(lake, snapshot, day)
        add = list(files) if changed else []
        remove = commit.partition_files(snapshot, {"arrival_day": day}) if changed else []
        displaced = {}
        for other, ids in later.items():
            change, count = _without(lake, snapshot, other, ids)
            if count:
                add += change.add
                remove += change.remove
                displaced[other] = count
        if add or remove:
            days = sorted({*displaced, day} if changed else displaced)
            commit.commit(
                snapshot,
                add,
                remove=remove,
                transaction=("messages", (snapshot.transaction_version("messages") or 0) + 1),
                metadata={DAYS_KEY: days},
            )
        return changed, displaced

    changed, displaced = commit.retrying(attempt)
    if not changed:
        commit.discard(lake, "messages", files)
    return MessagesReport(
        day=day,
        rows=sum(file.rows for file in files),
        content_hash=digest,
        changed=changed,
        displaced=displaced,
        version=tables.version(lake, "messages"),
    )


def _write_day(
    spark: SparkSession, lake: str, day: str, occurrences: DataFrame
) -> list[commit.DataFile]:
    """Have the engine write the day's messages, ordered by when they were sent."""
    from pyspark.sql import functions as F  # noqa: N812

    partition = {"arrival_day": day}
    stored = [tables.open_table(lake, table) for table in _RAW_TABLES]
    records = sum(commit.partition_rows(s, partition) for s in stored if s is not None)
    if records == 0:
        return []
    columns = [*(c for c in MESSAGES.names if c != "arrival_day"), "raw_ordinal"]
    frames = [scan(spark, lake, table, columns, [day]) for table in _RAW_TABLES]
    everything = frames[0].unionByName(frames[1]).unionByName(frames[2])
    winners = occurrences.where((F.col("arrival_day") == day) & (F.col("place") == 1))
    keys = ["message_id", "raw_uri", "raw_ordinal"]
    messages = everything.join(winners.select(*keys), keys, "left_semi").drop("raw_ordinal")
    folder = f"{commit.partition_path(partition)}{uuid.uuid4().hex}"
    (
        messages.orderBy("sent_at", "message_id")
        .coalesce(max(1, -(-records // _ROWS_A_FILE)))
        .write.mode("error")
        .parquet(f"{tables.location(lake, 'messages')}/{folder}")
    )
    return commit.describe(lake, "messages", folder, partition)


def _displaced(occurrences: DataFrame, day: str) -> dict[str, list[str]]:
    """Return, by later day, the ids that arrived there again and first arrived on `day`."""
    from pyspark.sql import functions as F  # noqa: N812

    again = (
        occurrences.where((F.col("first_day") == day) & (F.col("arrival_day") > day))
        .select("arrival_day", "message_id")
        .distinct()
    )
    found: dict[str, list[str]] = {}
    for row in again.collect():
        found.setdefault(row["arrival_day"], []).append(row["message_id"])
    return found


def _without(
    lake: str, snapshot: DeltaTable, day: str, ids: Sequence[str]
) -> tuple[commit.Change, int]:
    """Return the change that removes `ids` from a day of `messages`, and how many rows that is."""
    at = pc.field("arrival_day") == day
    gone = pc.field("message_id").isin(pa.array(ids, pa.string()))
    count = tables.read(
        lake, "messages", ["message_id"], at & gone, version=snapshot.version()
    ).num_rows
    if count == 0:
        return commit.Change([], []), 0
    partition = {"arrival_day": day}
    return commit.filter_partition(snapshot, lake, "messages", partition, ~gone), count


def _stored_hash(lake: str, snapshot: DeltaTable, day: str) -> str:
    at = pc.field("arrival_day") == day
    return content_hash(tables.read(lake, "messages", filter=at, version=snapshot.version()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Build one day of `messages` from a command line, such as `spark-submit`'s."""
    parser = argparse.ArgumentParser(description="Build a day of the table `messages`")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--day", required=True, help="YYYY-MM-DD")
    given = parser.parse_args(arguments)
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName(f"pax messages {given.day}").getOrCreate()
    print(json.dumps(asdict(build_messages(spark, given.lake, given.day))))


if __name__ == "__main__":
    main()
