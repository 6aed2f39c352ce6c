"""Where each message id occurs: a narrow table, so that dedup never reads the history.

The channel tables keep every record that ever arrived. Of the records with one id the first by
(arrival day, object, position) is the message, the others are duplicates of it; since an older
day may arrive late, that is looked up here and written nowhere. The index follows from the
channel tables' rows: it is appended to after them and can be rebuilt from them, so a crash
between the two leaves nothing in it that the tables do not hold.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.lake import commit, ledger, tables
from pax_assets.lake.schemas import MESSAGE_INDEX

TABLE = "message_index"
# The first in this order wins.
ORDER = ("arrival_day", "raw_uri", "raw_ordinal")
_COLUMNS = ["message_id", "channel", "arrival_day", "raw_uri", "raw_position", "raw_ordinal"]
# Ids are hashes, so their first digit spreads them evenly. More buckets would let a small batch
# read less, and make more small files of every batch.
_BUCKET_OF = {digit: str(int(digit, 16) // 4) for digit in "0123456789abcdef"}


def catch_up(lake: str, channel: str) -> None:
    """Bring the ledger, then the index, up to the newest version of the channel table."""
    name = ledger.raw_table(channel)
    target = ledger.catch_up(lake, channel)
    if target is None:
        return

    def attempt() -> None:
        snapshot = commit.ensure(lake, TABLE)
        reached = snapshot.transaction_version(name)
        reached = -1 if reached is None else reached
        if reached >= target:
            return
        files = commit.write(lake, TABLE, _occurrences(lake, channel, reached, target))
        commit.commit(snapshot, files, transaction=(name, target))

    commit.retrying(attempt)


def _occurrences(lake: str, channel: str, after: int, target: int) -> pa.Table:
    """The message records of the objects that were committed in the versions (after, target]."""
    chosen = (
        (pc.field("channel") == channel)
        & (pc.field("raw_version") > after)
        & (pc.field("raw_version") <= target)
        & (pc.field("messages") > 0)
    )
    objects = tables.read(lake, "ledger", ["raw_uri", "arrival_day"], chosen)
    if objects.num_rows == 0:
        return MESSAGE_INDEX.empty_table()
    rows = tables.read(
        lake,
        ledger.raw_table(channel),
        _COLUMNS,
        pc.field("arrival_day").isin(pc.unique(objects["arrival_day"]))
        & pc.field("raw_uri").isin(objects["raw_uri"].combine_chunks()),
    )
    # Sorted, so that files of the index compress and can be skipped by their bounds.
    return rows.append_column("bucket", _buckets(rows["message_id"])).sort_by("message_id")


def _buckets(ids: pa.ChunkedArray) -> pa.Array:
    digits = pc.utf8_slice_codeunits(ids, 0, 1).combine_chunks()
    encoded = digits.dictionary_encode()
    buckets = pa.array([_BUCKET_OF[d] for d in encoded.dictionary.to_pylist()], pa.string())
    return buckets.take(encoded.indices)


def buckets(ids: pa.ChunkedArray) -> list[str]:
    """Return the index buckets that hold `ids`, in order."""
    return sorted(pc.unique(_buckets(ids)).to_pylist()) if len(ids) else []
