"""Which of the records with one id is the message, and which are duplicates of it.

Decided by the index alone, for the ids at hand only: neither the size of the history nor the
order in which days are ingested matters. The first record by (arrival day, object, position)
wins.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.lake import index, tables


def repeated_on(
    lake: str, day: str, raw_tables: Sequence[str], uris: Sequence[str] | None = None
) -> pa.Table:
    """Return every occurrence of the ids of a day that occur more than once in the lake.

    The day's ids are those in `raw_tables`, of the objects `uris` only if those are given.
    Columns as `lake.index.repeated` returns them. Bring the index up to date first
    (`lake.index.catch_up`).
    """
    chosen = pc.field("arrival_day") == day
    if uris is not None:
        chosen &= pc.field("raw_uri").isin(pa.array(uris, pa.string()))

    def of_one(table: str) -> pa.Table:
        ids = tables.read(lake, table, ["message_id"], chosen)["message_id"]
        return index.repeated(lake, table.removeprefix("raw_"), ids)

    # An id is of one channel, and most of this work leaves the interpreter free.
    with ThreadPoolExecutor(len(raw_tables)) as pool:
        return pa.concat_tables(pool.map(of_one, raw_tables))


def duplicates_on(repeated: pa.Table, day: str) -> pa.Table:
    """Return `raw_uri` and `raw_ordinal` of the day's records that are duplicates of others."""
    chosen = pc.and_(pc.greater(repeated["place"], 1), pc.equal(repeated["arrival_day"], day))
    return repeated.filter(chosen).select(["raw_uri", "raw_ordinal"])


def duplicates_elsewhere(repeated: pa.Table, day: str, uris: Sequence[str] | None) -> pa.Table:
    """Return the duplicates of records that arrived on `day` (in the objects `uris`, if given).

    Those lie on later days, or in other objects of the day. Columns as in `repeated`.
    """
    if repeated.num_rows == 0:
        return repeated
    first = repeated["place"].to_numpy() == 1
    ours = pc.equal(repeated["arrival_day"], day)
    if uris is not None:
        ours = pc.and_(ours, pc.is_in(repeated["raw_uri"], pa.array(uris, pa.string())))
    winner = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    won = (ours.to_numpy() & first)[winner]
    return repeated.filter(pa.array(won & ~first))
