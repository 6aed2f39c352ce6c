"""What the ledger says of objects that a person was erased from.

An object that was rewritten is another file with other counts, and must not be taken in again; nor
must its former bytes, should somebody copy them back. Counts are taken from the rows that stay, so
that every object still reconciles.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.erasing.landing import Rewritten
from pax_assets.lake import commit, ledger, removal, tables
from pax_assets.lake.schemas import SCHEMAS

TABLE = "erasures"
# Ends the name under which the ledger knows bytes that must not be taken in again.
FORMER = "-erased"


def newest(lake: str) -> dict[str, str]:
    """Return the object whose bytes lie at each path: the one that was ingested from it last."""
    rows = tables.read(lake, "ledger", ["raw_uri", "path", "raw_version"])
    ordered = rows.sort_by([("raw_version", "ascending"), ("raw_uri", "ascending")]).to_pylist()
    return {r["path"]: r["raw_uri"] for r in ordered if not r["raw_uri"].endswith(FORMER)}


def entries(lake: str, channel: str) -> list[ledger.Entry]:
    """Return what the ledger says of a channel's objects."""
    rows = tables.read(lake, "ledger", filter=pc.field("channel") == channel).to_pylist()
    fields = ledger.Entry.__dataclass_fields__
    return [ledger.Entry(**{k: v for k, v in row.items() if k in fields}) for row in rows]


def rows_left(
    lake: str,
    kinds: Sequence[str],
    entries: Sequence[ledger.Entry],
    doomed: Callable[[str], removal.Doomed],
) -> dict[str, list[int]]:
    """Return by object how many message, event and quarantine rows are not doomed."""
    uris = pa.array(sorted({entry.raw_uri for entry in entries}), pa.string())
    left = {uri: [0] * len(kinds) for uri in uris.to_pylist()}
    for place, table in enumerate(kinds):
        rows = tables.read(lake, table, filter=pc.field("raw_uri").isin(uris))
        kept = rows.filter(pc.invert(doomed(table)(rows)))
        for count in pc.value_counts(kept["raw_uri"]).to_pylist():
            left[count["values"]][place] = count["counts"]
    return left


def adjusted(
    entry: ledger.Entry, left: Sequence[int], there: Rewritten | None
) -> list[ledger.Entry]:
    """Return the entry as it must be now, and one that keeps the former bytes from returning."""
    messages, events, quarantined = left
    now = replace(
        entry,
        messages=messages,
        channel_events=events,
        quarantined=quarantined,
        records=messages + events + quarantined,
    )
    former: list[ledger.Entry] = []
    if there is not None and there.sha256:
        now = replace(now, etag=there.etag or "", sha256=there.sha256, size=there.size or 0)
        if there.sha256 != entry.sha256:
            uri = f"{entry.path}#{entry.sha256[:12]}{FORMER}"
            nothing = replace(entry, records=0, messages=0, channel_events=0, quarantined=0)
            former = [replace(nothing, raw_uri=uri, replaces=False)]
    if now == entry and not former:
        return []
    return [replace(now, replaces=True), *former]


def pending(lake: str, request: str) -> set[str]:
    """Return the ids that a run noted which was killed."""
    chosen = pc.field("request") == request
    rows = tables.read(lake, TABLE, ["message_ids"], chosen)
    return set(pc.list_flatten(rows["message_ids"]).to_pylist())


def note(lake: str, request: str, ids: Iterable[str]) -> None:
    """Note the ids of the messages that an erasure is about to remove."""
    _record(lake, request, {"message_ids": sorted(ids), "erased_at": None, "messages": None})


def finish(lake: str, request: str, messages: int) -> None:
    """Note that it is done: how many messages and when, under a name that says nothing."""
    done = {"message_ids": [], "erased_at": datetime.now(UTC), "messages": messages}
    _record(lake, request, {"request": uuid.uuid4().hex, **done} if messages else None)


def _record(lake: str, request: str, row: Mapping[str, object] | None) -> None:
    """Put `row`, if any, in the place of what is known of a request."""

    def attempt() -> None:
        snapshot = commit.ensure(lake, TABLE)
        others = tables.read(
            lake, TABLE, filter=pc.field("request") != request, version=snapshot.version()
        )
        found = [] if row is None else [{"request": request, **row}]
        rows = pa.concat_tables([others, pa.Table.from_pylist(found, schema=SCHEMAS[TABLE])])
        files = commit.write(lake, TABLE, rows)
        commit.commit(snapshot, files, remove=commit.partition_files(snapshot, {}))

    commit.retrying(attempt)
