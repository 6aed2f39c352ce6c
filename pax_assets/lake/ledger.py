"""Which landing objects are in the lake, with what they held: an object is ingested once.

The truth is in the metadata of the commit that added an object's rows: rows and entry land
together or not at all. The log of a Delta table is cleaned up after some weeks, though, so the
entries are copied into a table of their own (`catch_up`), each exactly once: the copy carries, as
a named transaction, the version of the channel table up to which it reaches.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.lake import commit, tables
from pax_assets.lake.schemas import LEDGER

METADATA_KEY = "pax.ledger"


@dataclass(frozen=True, slots=True)
class Entry:
    """One ingested object. `messages` counts its message records, duplicates included.

    `parser` names the code and the options that read it; with `replaces` the object was read
    again, and this entry takes the place of the one before.
    """

    path: str
    raw_uri: str
    etag: str
    sha256: str
    size: int
    arrival_day: str
    first_seen: datetime
    records: int
    messages: int
    channel_events: int
    quarantined: int
    parser: str = ""
    replaces: bool = False


def raw_table(channel: str) -> str:
    """Return the name of the channel's table."""
    return f"raw_{channel}"


def metadata(entries: Iterable[Entry]) -> dict[str, str]:
    """Return what the commit that adds the objects' rows must carry."""
    rows = [{**asdict(e), "first_seen": e.first_seen.isoformat()} for e in entries]
    return {METADATA_KEY: json.dumps(rows, separators=(",", ":"))}


def catch_up(lake: str, channel: str) -> int | None:
    """Copy what the channel table's commits say about objects into the table `ledger`.

    Returns the version of the channel table up to which the ledger reaches, None if there is no
    such table. Safe to run at any time, from several processes.
    """
    name = raw_table(channel)
    raw = tables.newest(lake, name)
    if raw is None:
        return None
    target = raw.version()
    # Mostly there is nothing to do, and a reader's snapshot says so for less.
    shared = tables.newest(lake, "ledger")
    if (reached := commit.reached(shared, name)) >= target and commit.is_current(shared, "ledger"):
        return reached

    def attempt() -> int:
        snapshot = commit.ensure(lake, "ledger")
        reached = commit.reached(snapshot, name)
        if reached >= target:
            return reached
        rows = _rows(channel, _commits(lake, name, reached, target))
        files = commit.write(lake, "ledger", rows)
        remove: list[str] = []
        for day, uris in _replaced(rows).items():
            known = ~pc.field("raw_uri").isin(pa.array(uris, pa.string()))
            kept = known | (pc.field("channel") != channel)
            change = commit.filter_partition(snapshot, lake, "ledger", {"arrival_day": day}, kept)
            files += change.add
            remove += change.remove
        commit.commit(snapshot, files, remove=remove, transaction=(name, target))
        return target

    return commit.retrying(attempt)


def _commits(lake: str, table: str, after: int, upto: int) -> list[tuple[int, list[dict]]]:
    """Return the entries of each commit of the versions (after, upto], the oldest first."""
    found = tables.commits(lake, table, after, upto)
    if found is None:
        raise RuntimeError(
            f"{table}: the log of versions {after + 1} to {upto} was cleaned up before the ledger "
            "was caught up; restore those log files, or rebuild the ledger from the table's rows"
        )
    return _entries_in(found)


def _entries_in(commits: list[dict]) -> list[tuple[int, list[dict]]]:
    return [
        (info["version"], json.loads(info[METADATA_KEY]))
        for info in commits
        if METADATA_KEY in info
    ]


def _rows(channel: str, commits: list[tuple[int, list[dict]]]) -> pa.Table:
    # Read twice between two catch-ups, an object has its last entry only.
    last = {entry["raw_uri"]: version for version, entries in commits for entry in entries}
    rows = [
        {
            **entry,
            "channel": channel,
            "first_seen": datetime.fromisoformat(entry["first_seen"]).astimezone(UTC),
            "raw_version": version,
        }
        for version, entries in commits
        for entry in entries
        if version == last[entry["raw_uri"]]
    ]
    return pa.Table.from_pylist(rows, schema=LEDGER)


def _replaced(rows: pa.Table) -> dict[str, list[str]]:
    """Return, by day, the objects whose earlier entries give way to those among `rows`."""
    found: dict[str, list[str]] = {}
    for row in rows.filter(pc.equal(rows["replaces"], True)).to_pylist():
        found.setdefault(row["arrival_day"], []).append(row["raw_uri"])
    return found


def known_objects(
    lake: str, channel: str, *, day: str | None = None, paths: list[str] | None = None
) -> dict[str, list[Mapping[str, str]]]:
    """Return, by path, what the ledger knows of a day's objects or of those at `paths`.

    Each object has `etag`, `sha256` and `raw_uri`; a path has several where its object was
    replaced. Call `catch_up` first.
    """
    chosen = pc.field("channel") == channel
    if day is not None:
        chosen &= pc.field("arrival_day") == day
    if paths is not None:
        chosen &= pc.field("path").isin(pa.array(paths, pa.string()))
    known: dict[str, list[Mapping[str, str]]] = {}
    rows = tables.read(lake, "ledger", ["path", "etag", "sha256", "raw_uri"], chosen)
    for row in rows.to_pylist():
        known.setdefault(row["path"], []).append(row)
    return known


def entries(lake: str, channel: str, day: str, uris: Sequence[str] | None = None) -> list[dict]:
    """Return the ledger's rows of one channel and day (of `uris` only, if given), by `raw_uri`."""
    chosen = (pc.field("channel") == channel) & (pc.field("arrival_day") == day)
    if uris is not None:
        chosen &= pc.field("raw_uri").isin(pa.array(uris, pa.string()))
    return tables.read(lake, "ledger", filter=chosen).sort_by("raw_uri").to_pylist()


def entries_between(lake: str, channel: str, day: str, after: int, upto: int) -> list[dict]:
    """Return what versions (after, upto] of a channel table added for a day, by `raw_uri`.

    Each has `raw_uri`, `messages` and `replaces`.
    """
    chosen = (
        (pc.field("channel") == channel)
        & (pc.field("arrival_day") == day)
        & (pc.field("raw_version") > after)
        & (pc.field("raw_version") <= upto)
    )
    rows = tables.read(lake, "ledger", ["raw_uri", "messages", "replaces"], chosen)
    return rows.sort_by("raw_uri").to_pylist()


def entries_since(lake: str, channel: str, after: int, upto: int) -> list[dict]:
    """Return what versions (after, upto] of a channel table added, whatever the day.

    Each has `raw_uri`, `arrival_day`, `messages` and `replaces`. Read from the table's log, so
    that it costs what is new; from the ledger where the log does not reach back so far.
    """
    columns = ["raw_uri", "arrival_day", "messages", "replaces"]
    found = tables.commits(lake, raw_table(channel), after, upto)
    if found is not None:
        rows = _rows(channel, _entries_in(found))
    else:
        chosen = (
            (pc.field("channel") == channel)
            & (pc.field("raw_version") > after)
            & (pc.field("raw_version") <= upto)
        )
        rows = tables.read(lake, "ledger", columns, chosen)
    return rows.select(columns).to_pylist()


def parsers(lake: str, day: str) -> dict[str, str]:
    """Return which parser and options read each object of a day, by `raw_uri`."""
    rows = tables.read(lake, "ledger", ["raw_uri", "parser"], pc.field("arrival_day") == day)
    return {row["raw_uri"]: row["parser"] or "" for row in rows.to_pylist()}


def totals(lake: str) -> dict[str, int]:
    """Return `objects`, `records`, `messages`, `channel_events` and `quarantined` of the lake.

    `messages` counts message records, duplicates included.
    """
    counted = ["records", "messages", "channel_events", "quarantined"]
    rows = tables.read(lake, "ledger", counted)
    sums = {name: pc.sum(rows[name]).as_py() or 0 for name in counted}
    return {"objects": rows.num_rows, **sums}
