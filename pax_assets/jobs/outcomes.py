"""What the tables hold of each landed object, counted from the tables.

Ingestion says how many records it parsed. Whether they are all there, each as exactly one outcome,
is asked of the stored rows: a count that is carried along from parsing to reporting agrees with
itself whatever was written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.arrivals import duplicates_on, repeated_on
from pax_assets.lake import ledger, tables

if TYPE_CHECKING:
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


def outcomes(
    lake: str, channel: Channel, day: str, uris: Sequence[str] | None = None
) -> list[ObjectOutcome]:
    """Count, object by object, what the tables hold of a channel's day (of `uris` only, if given).

    `records` is what parsing counted when the object was ingested; the other four are counted
    from the stored rows, now. A record is a duplicate if the index knows an earlier one.
    """
    objects = ledger.entries(lake, channel, day, uris)
    if not objects:
        return []
    table = ledger.raw_table(channel)
    rows = _counts(lake, table, day, uris)
    repeated = repeated_on(lake, day, [table], uris)
    duplicates = _by_object(duplicates_on(repeated, day))
    events = _counts(lake, "channel_events", day, uris)
    quarantined = _counts(lake, "quarantine", day, uris)
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


def _counts(lake: str, table: str, day: str, uris: Sequence[str] | None) -> Counter[str]:
    chosen = pc.field("arrival_day") == day
    if uris is not None:
        chosen &= pc.field("raw_uri").isin(pa.array(uris, pa.string()))
    return _by_object(tables.read(lake, table, ["raw_uri"], chosen))


def _by_object(rows: pa.Table) -> Counter[str]:
    counts = pc.value_counts(rows["raw_uri"]).to_pylist()
    return Counter({count["values"]: count["counts"] for count in counts})
