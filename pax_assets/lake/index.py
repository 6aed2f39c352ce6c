"""Where each message id occurs: a narrow table, so that dedup never reads the history.

The channel tables keep every record that ever arrived. Of the records with one id the first by
(arrival day, object, position) is the message, the others are duplicates of it; since an older
day may arrive late, that is looked up here and written nowhere. The index follows from the
channel tables' rows: it is appended to after them and can be rebuilt from them, so a crash
between the two leaves nothing in it that the tables do not hold.

Ids are SHA-256 digests; the index keeps their first 128 bits as two numbers, sorted. A lookup
reads the first of them, eight bytes for each record that ever arrived, and the other columns
only where it found something. Files are merged as they become many (ten of a size make one of
the next, as in a log-structured merge tree), so their number grows with the logarithm of history.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from pax_assets.lake import commit, ledger, tables
from pax_assets.lake.keys import Keys, high_halves, sorted_distinct
from pax_assets.lake.schemas import MESSAGE_KEYS

TABLE = "message_keys"
# The first in this order wins.
ORDER = ("arrival_day", "raw_uri", "raw_ordinal")
_COLUMNS = ["message_id", "arrival_day", "raw_uri", "raw_ordinal"]
_FAN_IN = 10
_SMALLEST_TIER = 1_000
# A file above this is not merged again: rewriting it would cost more than opening it.
_LARGEST_MERGED = 4_000_000
_ROW_GROUP = 32_768


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
        rows, again = _occurrences(lake, channel, reached, target)
        remove: list[str] = []
        if again:
            # Objects that were taken in again: what the index said of them is replaced.
            rows, remove = _without_objects(lake, snapshot, again, rows)
        merged = _to_merge(snapshot, rows.num_rows, remove)
        rows = pa.concat_tables([rows, *(_read_file(lake, path) for path in merged)])
        files = _write(lake, rows)
        commit.commit(snapshot, files, remove=[*remove, *merged], transaction=(name, target))

    commit.retrying(attempt)


def _occurrences(lake: str, channel: str, after: int, target: int) -> tuple[pa.Table, list[str]]:
    """The message records of the objects that were committed in the versions (after, target].

    Also returns those of the objects that an earlier version had committed already.
    """
    chosen = (
        (pc.field("channel") == channel)
        & (pc.field("raw_version") > after)
        & (pc.field("raw_version") <= target)
    )
    columns = ["raw_uri", "arrival_day", "messages", "replaces"]
    objects = tables.read(lake, "ledger", columns, chosen)
    again = objects.filter(pc.equal(objects["replaces"], True))["raw_uri"].to_pylist()
    objects = objects.filter(pc.greater(objects["messages"], 0))
    if objects.num_rows == 0:
        return MESSAGE_KEYS.empty_table(), again
    uris = objects["raw_uri"].combine_chunks()
    rows = tables.read(
        lake,
        ledger.raw_table(channel),
        _COLUMNS,
        pc.field("arrival_day").isin(pc.unique(objects["arrival_day"]))
        & pc.field("raw_uri").isin(uris),
    )
    return _entries(rows), again


def _entries(rows: pa.Table) -> pa.Table:
    keys = Keys.of(rows["message_id"])
    columns = {
        "key": pa.array(keys.high),
        "key_low": pa.array(keys.low),
        **{name: rows[name] for name in ORDER},
    }
    return pa.table(columns, schema=MESSAGE_KEYS)


def _write(lake: str, rows: pa.Table) -> list[commit.DataFile]:
    if rows.num_rows == 0:
        return []
    # Sorted, so that equal ids lie together and the numbers pack well.
    ordered = rows.take(pa.array(np.argsort(rows["key"].to_numpy(), kind="stable")))
    return commit.write(lake, TABLE, ordered, row_group=_ROW_GROUP)


def _without_objects(
    lake: str, snapshot: DeltaTable, uris: Sequence[str], rows: pa.Table
) -> tuple[pa.Table, list[str]]:
    """Return `rows` and what else the files say that mention `uris`, and those files."""
    gone = pa.array(uris, pa.string())
    kept, remove = [rows], []
    for path in commit.partition_files(snapshot, {}):
        stored = _read_file(lake, path)
        mentioned = pc.is_in(stored["raw_uri"], gone)
        if pc.any(mentioned).as_py():
            kept.append(stored.filter(pc.invert(mentioned)))
            remove.append(path)
    return pa.concat_tables(kept), remove


def forget(lake: str, ids: pa.ChunkedArray) -> None:
    """Remove what the index says of these message ids. Idempotent."""
    wanted = sorted_distinct(high_halves(ids))

    def attempt() -> None:
        snapshot = commit.ensure(lake, TABLE)
        kept, remove = [MESSAGE_KEYS.empty_table()], []
        for path in commit.partition_files(snapshot, {}):
            stored = _read_file(lake, path)
            mentioned = _among(stored["key"].to_numpy(), wanted)
            if mentioned.any():
                kept.append(stored.filter(pa.array(~mentioned)))
                remove.append(path)
        if remove:
            files = _write(lake, pa.concat_tables(kept))
            version = (snapshot.transaction_version("forget") or 0) + 1
            commit.commit(snapshot, files, remove=remove, transaction=("forget", version))

    commit.retrying(attempt)


def _to_merge(snapshot: DeltaTable, new_rows: int, removed: Sequence[str]) -> list[str]:
    """Return the files that the next one takes in: tiers that became full, smallest first."""
    tiers: dict[int, list[tuple[str, int]]] = {}
    for path, rows in commit.row_counts(snapshot).items():
        if path not in removed and rows <= _LARGEST_MERGED:
            tiers.setdefault(_tier(rows), []).append((path, rows))
    chosen: list[str] = []
    total = new_rows
    for tier in range(max(tiers, default=-1) + 1):
        files = tiers.get(tier, [])
        if len(files) + 1 >= _FAN_IN or (chosen and _tier(total) > tier and files):
            chosen += [path for path, _ in files]
            total += sum(rows for _, rows in files)
        elif _tier(total) <= tier:
            break
    return chosen


def _tier(rows: int) -> int:
    return max(0, math.floor(math.log(max(rows, 1) / _SMALLEST_TIER, _FAN_IN)) + 1)


def _read_file(lake: str, path: str) -> pa.Table:
    system, root = tables.filesystem(tables.location(lake, TABLE))
    with system.open_input_file(f"{root}/{path}") as stream:
        return pq.ParquetFile(stream).read().cast(MESSAGE_KEYS)


def repeated(lake: str, ids: pa.ChunkedArray) -> pa.Table:
    """Return all occurrences of those of `ids` that occur more than once in the lake.

    Columns: those of the index and `place`, which is 1 for the record that is the message and
    counts on through its duplicates. Bring the index up to date first (`catch_up`). Reads eight
    bytes for each record of the history, and the rows of what it returns.
    """
    snapshot = tables.open_table(lake, TABLE)
    wanted = sorted_distinct(high_halves(ids))
    if snapshot is None or not len(wanted):
        return _ranked(MESSAGE_KEYS.empty_table())
    paths = commit.partition_files(snapshot, {})
    counts = np.zeros(len(wanted), np.int64)
    for keys in _high_keys(lake, paths):
        found = keys[_among(keys, wanted)]
        counts += np.bincount(np.searchsorted(wanted, found), minlength=len(wanted))
    several = wanted[counts > 1]
    if not len(several):
        return _ranked(MESSAGE_KEYS.empty_table())
    found = [rows for path in paths for rows in _rows_with(lake, path, several)]
    rows = pa.concat_tables([MESSAGE_KEYS.empty_table(), *found])
    return _ranked(rows)


def _high_keys(lake: str, paths: Sequence[str]) -> Iterator[np.ndarray]:
    system, root = tables.filesystem(tables.location(lake, TABLE))
    for path in paths:
        with system.open_input_file(f"{root}/{path}") as stream:
            yield pq.ParquetFile(stream).read(columns=["key"])["key"].to_numpy()


def _rows_with(lake: str, path: str, keys: np.ndarray) -> Iterator[pa.Table]:
    """Yield the rows of a file that have one of `keys` (sorted); row groups without are skipped."""
    system, root = tables.filesystem(tables.location(lake, TABLE))
    with system.open_input_file(f"{root}/{path}") as stream:
        file = pq.ParquetFile(stream)
        for group in range(file.metadata.num_row_groups):
            stored = file.read_row_group(group, columns=["key"])["key"].to_numpy()
            inside = keys[
                np.searchsorted(keys, stored[0]) : np.searchsorted(keys, stored[-1], "right")
            ]
            mask = _among(stored, inside)
            if mask.any():
                yield file.read_row_group(group).filter(pa.array(mask)).cast(MESSAGE_KEYS)


def _among(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return which of `values` are in `wanted`, which is sorted."""
    if not len(wanted):
        return np.zeros(len(values), bool)
    at = np.searchsorted(wanted, values)
    at[at == len(wanted)] = 0
    return wanted[at] == values


def _ranked(rows: pa.Table) -> pa.Table:
    """Add `place`, and leave out ids that turn out to occur once (only half of them was equal)."""
    rows = rows.sort_by([(name, "ascending") for name in ("key", "key_low", *ORDER)])
    high, low = rows["key"].to_numpy(), rows["key_low"].to_numpy()
    count = rows.num_rows
    starts = np.ones(count, bool)
    starts[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    group = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    place = np.arange(count) - (first[group] if count else 0) + 1
    sizes = np.bincount(group, minlength=len(first)) if count else np.empty(0, np.int64)
    ranked = rows.append_column("place", pa.array(place, pa.int64()))
    return ranked.filter(pa.array(sizes[group] > 1)) if count else ranked
