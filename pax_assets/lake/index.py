"""Where each message id occurs: a narrow table, so that dedup never reads the history.

The channel tables keep every record that ever arrived. Of the records with one id the first by
(arrival day, object, position) is the message, the others are duplicates of it; since an older
day may arrive late, that is looked up here and written nowhere. The index follows from the
channel tables' rows: it is appended to after them and can be rebuilt from them, so a crash
between the two leaves nothing in it that the tables do not hold.

Ids are SHA-256 digests, of the channel among other things; the index keeps, by channel, their
first 128 bits as two numbers, sorted. A lookup reads the first of them, eight bytes for each
record that ever arrived, and the other columns only where it found something. Files are merged
as they become many (four of a size make one of the next, as in a log-structured merge tree), so
their number grows with the logarithm of history.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack

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
_FAN_IN = 4
_SMALLEST_TIER = 1_000
# A file above this is not merged again: rewriting it would cost more than opening it.
_LARGEST_MERGED = 4_000_000
# Digests do not compress. Rows of a group are read together when one of them is looked for.
_PARQUET = {
    "compression": "none",
    "use_dictionary": ["arrival_day", "raw_uri"],
    "row_group_size": 32_768,
}
_PLACED = pa.schema([f for f in MESSAGE_KEYS if f.name != "channel"])


def catch_up(lake: str, channel: str) -> None:
    """Bring the ledger, then the index, up to the newest version of the channel table."""
    name = ledger.raw_table(channel)
    target = ledger.catch_up(lake, channel)
    shared = tables.newest(lake, TABLE)
    if target is None or (
        commit.reached(shared, name) >= target and commit.is_current(shared, TABLE)
    ):
        return

    def attempt() -> None:
        snapshot = commit.ensure(lake, TABLE)
        reached = commit.reached(snapshot, name)
        if reached >= target:
            return
        rows, again = _occurrences(lake, channel, reached, target)
        remove: list[str] = []
        if again:
            # Objects that were taken in again: what the index said of them is replaced.
            rows, remove = _without_objects(lake, snapshot, channel, again, rows)
        merged = _to_merge(snapshot, channel, rows.num_rows, remove)
        rows = pa.concat_tables([rows, *(_read_file(lake, path) for path in merged)])
        files = _write(lake, channel, rows)
        commit.commit(snapshot, files, remove=[*remove, *merged], transaction=(name, target))

    commit.retrying(attempt)


def _occurrences(lake: str, channel: str, after: int, target: int) -> tuple[pa.Table, list[str]]:
    """The message records of the objects that were committed in the versions (after, target].

    Also returns those of the objects that an earlier version had committed already.
    """
    objects = ledger.entries_since(lake, channel, after, target)
    again = [entry["raw_uri"] for entry in objects if entry["replaces"]]
    filled = [entry for entry in objects if entry["messages"]]
    if not filled:
        return _PLACED.empty_table(), again
    days = sorted({entry["arrival_day"] for entry in filled})
    rows = tables.read(
        lake,
        ledger.raw_table(channel),
        _COLUMNS,
        pc.field("arrival_day").isin(pa.array(days, pa.string()))
        & pc.field("raw_uri").isin(pa.array([entry["raw_uri"] for entry in filled], pa.string())),
    )
    return _entries(rows), again


def _entries(rows: pa.Table) -> pa.Table:
    keys = Keys.of(rows["message_id"])
    columns = {
        "key": pa.array(keys.high),
        "key_low": pa.array(keys.low),
        **{name: rows[name] for name in ORDER},
    }
    return pa.table(columns, schema=_PLACED)


def _write(lake: str, channel: str, rows: pa.Table) -> list[commit.DataFile]:
    if rows.num_rows == 0:
        return []
    rows = rows.append_column("channel", pa.repeat(pa.scalar(channel), rows.num_rows))
    # Sorted, so that equal ids lie together and the numbers pack well.
    ordered = rows.take(pa.array(np.argsort(rows["key"].to_numpy(), kind="stable")))
    return commit.write(lake, TABLE, ordered, parquet=_PARQUET)


def _without_objects(
    lake: str, snapshot: DeltaTable, channel: str, uris: Sequence[str], rows: pa.Table
) -> tuple[pa.Table, list[str]]:
    """Return `rows` and what else the files say that mention `uris`, and those files."""
    gone = pa.array(uris, pa.string())
    kept, remove = [rows], []
    for path in commit.partition_files(snapshot, {"channel": channel}):
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
        files: list[commit.DataFile] = []
        remove: list[str] = []
        for channel in commit.partition_values(snapshot, "channel"):
            kept = []
            for path in commit.partition_files(snapshot, {"channel": channel}):
                stored = _read_file(lake, path)
                mentioned = _among(stored["key"].to_numpy(), wanted)
                if mentioned.any():
                    kept.append(stored.filter(pa.array(~mentioned)))
                    remove.append(path)
            if kept:
                files += _write(lake, channel, pa.concat_tables(kept))
        if remove:
            version = (snapshot.transaction_version("forget") or 0) + 1
            commit.commit(snapshot, files, remove=remove, transaction=("forget", version))

    commit.retrying(attempt)


def _to_merge(
    snapshot: DeltaTable, channel: str, new_rows: int, removed: Sequence[str]
) -> list[str]:
    """Return the files that the next one takes in: tiers that became full, smallest first."""
    tiers: dict[int, list[tuple[str, int]]] = {}
    sizes = commit.row_counts(snapshot)
    for path in commit.partition_files(snapshot, {"channel": channel}):
        rows = sizes[path]
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
        return pq.ParquetFile(stream).read().cast(_PLACED)


def repeated(lake: str, channel: str, ids: pa.ChunkedArray) -> pa.Table:
    """Return all occurrences of those of a channel's `ids` that occur more than once in the lake.

    Columns: `key`, `key_low`, `arrival_day`, `raw_uri`,
    `raw_ordinal`, and `place`, which is 1 for the record that is the message and counts on
    through its duplicates. Bring the index up to date first (`catch_up`). Reads eight bytes for
    each record of the channel's history, and the surroundings of the rows that it returns.
    """
    snapshot = tables.newest(lake, TABLE)
    wanted = sorted_distinct(high_halves(ids))
    if snapshot is None or not len(wanted):
        return _ranked(_PLACED.empty_table())
    counts = np.zeros(len(wanted), np.int64)
    hits: list[tuple[pq.ParquetFile, np.ndarray, np.ndarray]] = []
    parts = [_PLACED.empty_table()]
    system, root = tables.filesystem(tables.location(lake, TABLE))
    with ExitStack() as opened:
        for path in commit.partition_files(snapshot, {"channel": channel}):
            file = pq.ParquetFile(
                f"{root}/{path}", filesystem=system, read_dictionary=["arrival_day", "raw_uri"]
            )
            opened.enter_context(file)
            first, number = _hits(file, wanted)
            counts += number
            hits.append((file, first, number))
        for file, first, number in hits:
            number = number[counts > 1]
            several = _ranges(first[counts > 1], number)
            if len(several):
                parts.append(_rows_at(file, several, np.repeat(wanted[counts > 1], number)))
    return _ranked(pa.concat_tables(parts))


def _hits(file: pq.ParquetFile, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each wanted key the first row of a file that has it, and how many rows do."""
    keys = file.read(columns=["key"])["key"].to_numpy()
    # Files are sorted, so that few keys are looked for in many and not the other way round.
    first = np.searchsorted(keys, wanted)
    return first, np.searchsorted(keys, wanted, "right") - first


def _ranges(first: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Return the row numbers first, first + 1, ... of each range, one after another."""
    ends = np.cumsum(number)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - number), number)


def _rows_at(file: pq.ParquetFile, rows: np.ndarray, keys: np.ndarray) -> pa.Table:
    """Return these rows (numbers, in order) of a file, reading only the row groups with them.

    `keys` are the keys that they have. Of the rows that are decoded few are taken, so the file is
    to give its texts as numbers (dictionaries).
    """
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    ends = np.cumsum(sizes)
    groups, counts = np.unique(np.searchsorted(ends, rows, "right"), return_counts=True)
    read = file.read_row_groups(groups.tolist(), columns=_PLACED.names[1:])
    # Where each group begins in the file, and in what was read of it.
    begins = np.concatenate([[0], ends])[groups]
    placed = np.concatenate([[0], np.cumsum(np.asarray(sizes)[groups])])[:-1]
    found = read.take(pa.array(rows + np.repeat(placed - begins, counts)))
    return found.add_column(0, "key", pa.array(keys)).cast(_PLACED)


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
