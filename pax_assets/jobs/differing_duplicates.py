"""Duplicates that say something else than the message that won.

Of the records with one id the first to arrive is the message, and the others are put aside as
duplicates of it. That is right for what a provider delivers twice. A sender that uses an id again
for another text would lose that text from `messages` in silence: the record is kept in the channel
table, but nobody is told.

Whoever wins may lie on any former day. The index says where, so only those objects' rows are read,
of at most a week of other days; what is not compared is counted.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.arrivals import repeated_on
from pax_assets.lake import ledger, tables

_MOST_OTHER_DAYS = 7
_EXAMPLES = 20
_PLACE = ["raw_uri", "raw_ordinal"]
# What a message says. Other fields differ where it came by another route, and so do its bytes.
_CONTENT = ["subject", "text"]


@dataclass
class DifferingDuplicates:
    """Duplicates of a channel's day, compared with the message that has their id.

    `other_bytes` are not the very bytes of the message's record, as where it came by another
    route; `other_content` of them have another text or subject. `not_compared` are duplicates of
    messages that lie on more than a week of other days. `examples` say where a differing
    duplicate and its message lie (`object`, `position`, `message_object`, `message_position`).
    """

    duplicates: int = 0
    other_bytes: int = 0
    other_content: int = 0
    not_compared: int = 0
    examples: list[dict[str, str]] = field(default_factory=list)


def differing_duplicates(
    lake: str, channel: str, day: str, uris: Sequence[str]
) -> DifferingDuplicates:
    """Compare the duplicates among the records of the objects `uris`, which arrived on `day`.

    Bring the index up to date first (`lake.index.catch_up`; ingestion does).
    """
    table = ledger.raw_table(channel)
    pairs = _pairs(repeated_on(lake, day, [table], uris), day, uris)
    report = DifferingDuplicates(duplicates=pairs.num_rows)
    others = sorted(set(pairs["won_day"].to_pylist()) - {day})
    near = [day, *others[-_MOST_OTHER_DAYS:]]
    pairs = pairs.filter(pc.is_in(pairs["won_day"], pa.array(near, pa.string())))
    report.not_compared = report.duplicates - pairs.num_rows
    differing = _differing(lake, table, day, pairs, ["raw_sha256"])
    report.other_bytes = differing.num_rows
    differing = _differing(lake, table, day, differing, _CONTENT)
    report.other_content = differing.num_rows
    report.examples = _examples(lake, table, day, differing)
    return report


def _pairs(repeated: pa.Table, day: str, uris: Sequence[str]) -> pa.Table:
    """Return where each duplicate of the day lies, and where (`won_…`) the message that it is of.

    `repeated` has the occurrences of an id one after the other, the message first.
    """
    count = repeated.num_rows
    first = repeated["place"].to_numpy() == 1
    winner = np.maximum.accumulate(np.where(first, np.arange(count), 0)) if count else []
    won = repeated.select(["arrival_day", *_PLACE]).take(pa.array(winner, pa.int64()))
    pairs = repeated.select(_PLACE)
    for name, found in zip(["won_day", "won_uri", "won_ordinal"], won.columns, strict=True):
        pairs = pairs.append_column(name, found)
    ours = pc.and_(
        pc.equal(repeated["arrival_day"], day),
        pc.is_in(repeated["raw_uri"], pa.array(uris, pa.string())),
    )
    return pairs.filter(pc.and_(ours, pc.greater(repeated["place"], 1)))


def _differing(lake: str, table: str, day: str, pairs: pa.Table, columns: list[str]) -> pa.Table:
    """Return the pairs whose records are not equal in all of `columns`."""
    if not pairs.num_rows:
        return pairs
    mine, won = _both(lake, table, day, pairs, columns)
    equal = np.ones(pairs.num_rows, bool)
    for name in columns:
        # A missing subject and an empty one say the same.
        same = pc.equal(pc.fill_null(mine[name], ""), pc.fill_null(won[name], ""))
        equal &= same.to_numpy()
    return pairs.filter(pa.array(~equal))


def _both(
    lake: str, table: str, day: str, pairs: pa.Table, columns: list[str]
) -> tuple[pa.Table, pa.Table]:
    """Return `columns` of the duplicates and of their messages, in the order of `pairs`."""
    mine = pairs.select(_PLACE)
    won = pairs.select(["won_uri", "won_ordinal"]).rename_columns(_PLACE)
    days = pc.unique(pa.chunked_array([*pairs["won_day"].chunks, pa.array([day], pa.string())]))
    objects = pc.unique(pa.chunked_array([*mine["raw_uri"].chunks, *won["raw_uri"].chunks]))
    chosen = pc.field("arrival_day").isin(days) & pc.field("raw_uri").isin(objects)
    rows = tables.read(lake, table, [*_PLACE, *columns], chosen)
    return _looked_up(rows, mine), _looked_up(rows, won)


def _looked_up(rows: pa.Table, places: pa.Table) -> pa.Table:
    """Return the rows at `places`, in that order."""
    numbered = places.append_column("number", pa.array(np.arange(places.num_rows)))
    return numbered.join(rows, _PLACE, join_type="left outer").sort_by("number")


def _examples(lake: str, table: str, day: str, pairs: pa.Table) -> list[dict[str, str]]:
    shown = pairs.slice(0, _EXAMPLES)
    if not shown.num_rows:
        return []
    mine, won = _both(lake, table, day, shown, ["raw_position"])
    columns = {
        "object": mine["raw_uri"],
        "position": mine["raw_position"],
        "message_object": won["raw_uri"],
        "message_position": won["raw_position"],
    }
    return pa.table(columns).to_pylist()
