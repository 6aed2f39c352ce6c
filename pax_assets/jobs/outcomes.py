"""What the tables hold of each landed object, counted from the tables.

Ingestion says how many records it parsed. Whether they are all there, each as exactly one outcome,
is asked of the stored rows: a count that is carried along from parsing to reporting agrees with
itself whatever was written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from pax_assets.jobs.arrivals import occurrences_of_day
from pax_assets.lake import ledger, tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pax_assets.messages.message import Channel


@dataclass(frozen=True, slots=True)
class ObjectOutcome:
    """One object: the records that its parsing counted, and what the tables hold of it."""

    raw_uri: str
    records: int
    messages: int
    channel_events: int
    quarantined: int
    duplicates: int

    @property
    def reconciled(self) -> bool:
        """Whether each record of the object is in the tables as exactly one outcome."""
        stored = self.messages + self.channel_events + self.quarantined + self.duplicates
        return stored == self.records


def outcomes(spark: SparkSession, lake: str, channel: Channel, day: str) -> list[ObjectOutcome]:
    """Count, object by object, what the tables hold of a channel's day.

    `records` is what parsing counted when the object was ingested; the other four are counted
    from the stored rows, now. A record is a duplicate if the index knows an earlier one.
    """
    from pyspark.sql import functions as F  # noqa: N812

    objects = ledger.entries(lake, channel, day)
    if not objects:
        return []
    table = ledger.raw_table(channel)
    rows = _counts(lake, table, day)
    later = (
        occurrences_of_day(spark, lake, day, [table])
        .where((F.col("arrival_day") == day) & (F.col("place") > 1))
        .groupBy("raw_uri")
        .count()
    )
    duplicates = {row["raw_uri"]: row["count"] for row in later.collect()}
    events = _counts(lake, "channel_events", day)
    quarantined = _counts(lake, "quarantine", day)
    return [
        ObjectOutcome(
            raw_uri=(uri := entry["raw_uri"]),
            records=entry["records"],
            messages=rows[uri] - duplicates.get(uri, 0),
            channel_events=events[uri],
            quarantined=quarantined[uri],
            duplicates=duplicates.get(uri, 0),
        )
        for entry in objects
    ]


def _counts(lake: str, table: str, day: str) -> Counter[str]:
    uris = tables.read(lake, table, ["raw_uri"], pc.field("arrival_day") == day)
    counted = uris.group_by("raw_uri").aggregate([("raw_uri", "count")])
    pairs = zip(counted["raw_uri"].to_pylist(), counted["raw_uri_count"].to_pylist(), strict=True)
    return Counter(dict(pairs))
