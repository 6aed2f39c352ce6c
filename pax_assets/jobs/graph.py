"""The relationship graph, brought up to the insights without counting all of them again.

Nodes and edges are counts over every message ever scored. Each update takes in the days whose
files changed, and recounts the nodes and edges that occur in them, before or after. A mark is
set while an update is going on: if it ends half way, the next one recounts everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.insights.graph_rows import (
    day_rows,
    edges_of,
    nodes_of,
    with_ends,
    with_participants,
)
from pax_assets.jobs.insights.insight_tables import (
    DAYS,
    EDGES,
    ENTITIES,
    EVIDENCE,
    MENTIONS,
    NODES,
    RELATIONS,
    SCHEMAS,
    read,
)
from pax_assets.lake import commit, tables

if TYPE_CHECKING:
    from deltalake import DeltaTable

_TRANSACTION = "relationship_graph"
_NODE_KEY = ["node_id"]
_EDGE_KEY = ["head_node", "type", "tail_node"]
_SOURCES = ("messages", ENTITIES, RELATIONS)


@dataclass(frozen=True, slots=True)
class GraphReport:
    """The graph after an update: its tables' sizes, and which days were taken in.

    `complete` says that everything was recounted. `versions` are the Delta versions.
    """

    nodes: int
    edges: int
    days: tuple[str, ...]
    complete: bool
    versions: dict[str, int | None]


def update_graph(lake: str, model_version: str) -> GraphReport:
    """Bring `relationship_graph/*` up to what `model_version` said of the store.

    Findings of other model versions do not count: days that the model has not scored yet are
    missing from the graph until they are. Idempotent; an update without a change commits
    nothing. Raises `commit.Conflict` if other updates kept getting in the way.
    """
    return commit.retrying(partial(_update, lake, model_version))


def _update(lake: str, model_version: str) -> GraphReport:
    state = commit.ensure(lake, DAYS, SCHEMAS[DAYS])
    stored = read(lake, DAYS, version=state.version()).to_pylist()
    known = {row["day"]: row["fingerprint"] for row in stored}
    sources = {table: tables.newest(lake, table) for table in _SOURCES}
    present = _fingerprints(sources, model_version)
    # A day without a fingerprint belongs to an update that did not end.
    complete = not known or None in known.values()
    changed = sorted(d for d in {*known, *present} if known.get(d, "") != present.get(d, ""))
    if changed:
        state = _note(lake, state, known | dict.fromkeys(changed))
    nodes, edges = _recount(lake, sources, model_version, changed, complete)
    if changed:
        _note(lake, state, present)
    return GraphReport(
        nodes=nodes,
        edges=edges,
        days=tuple(changed),
        complete=complete,
        versions={table: tables.version(lake, table) for table in (NODES, EDGES)},
    )


def _fingerprints(
    sources: Mapping[str, DeltaTable | None], model_version: str
) -> dict[str, str | None]:
    """Return for each day what it would be read from: files never change, they are replaced."""
    paths: dict[str, list[str]] = {}
    for snapshot in sources.values():
        if snapshot is None:
            continue
        files = pa.table(snapshot.get_add_actions(flatten=True)).to_pylist()
        for row in files:
            paths.setdefault(row["partition.arrival_day"], []).append(row["path"])
    return {
        day: hashlib.sha256("\n".join([model_version, *sorted(files)]).encode()).hexdigest()[:32]
        for day, files in paths.items()
    }


def _note(lake: str, state: DeltaTable, days: Mapping[str, str | None]) -> DeltaTable:
    """Commit what is known of the days; return the new snapshot."""
    rows = pa.table({"day": list(days), "fingerprint": list(days.values())}, schema=SCHEMAS[DAYS])
    number = (state.transaction_version(_TRANSACTION) or 0) + 1
    commit.commit(
        state,
        commit.write(lake, DAYS, rows),
        remove=commit.partition_files(state, {}),
        transaction=(_TRANSACTION, number),
    )
    after = commit.ensure(lake, DAYS, SCHEMAS[DAYS])
    if after.transaction_version(_TRANSACTION) != number:
        raise commit.Conflict(f"another update of {_TRANSACTION} began meanwhile")
    return after


def _recount(
    lake: str,
    sources: Mapping[str, DeltaTable | None],
    model_version: str,
    changed: list[str],
    complete: bool,
) -> tuple[int, int]:
    """Write nodes and edges, then the changed days' mentions and evidence; return the counts."""
    stored_nodes, stored_edges = (
        read(lake, table).sort_by(_ascending(key))
        for table, key in ((NODES, _NODE_KEY), (EDGES, _EDGE_KEY))
    )
    if not changed and not complete:
        # Days are as they were, and yet somebody may have got a name since.
        linked = with_participants(stored_nodes, _participants(lake))
        _store(lake, NODES, stored_nodes, linked)
        return stored_nodes.num_rows, stored_edges.num_rows
    mentions, evidence = _taken_in(lake, sources, model_version, changed)
    found = _recounted(lake, MENTIONS, mentions, _NODE_KEY, changed, complete)
    nodes = _merged(stored_nodes, nodes_of(found.rows), found.keys, _NODE_KEY)
    nodes = with_participants(nodes, _participants(lake))
    found = _recounted(lake, EVIDENCE, evidence, _EDGE_KEY, changed, complete)
    edges = _merged(stored_edges, edges_of(found.rows), found.keys, _EDGE_KEY)
    edges = with_ends(edges, nodes)
    _store(lake, NODES, stored_nodes, nodes)
    _store(lake, EDGES, stored_edges, edges)
    _replace_days(lake, MENTIONS, mentions, changed)
    _replace_days(lake, EVIDENCE, evidence, changed)
    return nodes.num_rows, edges.num_rows


def _store(lake: str, table: str, stored: pa.Table, rows: pa.Table) -> None:
    """Write a table anew, if it is not what is stored; both are sorted by key."""
    if not tables.exists(lake, table) or not rows.equals(stored):
        commit.overwrite(lake, table, rows)


def _taken_in(
    lake: str,
    sources: Mapping[str, DeltaTable | None],
    model_version: str,
    days: list[str],
) -> tuple[pa.Table, pa.Table]:
    """Return mentions and evidence of `days`, as the sources have them now."""
    at = pc.field("arrival_day").isin(_strings(days))
    findings = {}
    for table in (ENTITIES, RELATIONS):
        snapshot = sources[table]
        findings[table] = (
            SCHEMAS[table].empty_table()
            if snapshot is None
            else read(
                lake,
                table,
                at & (pc.field("model_version") == model_version),
                version=snapshot.version(),
            )
        )
    store = sources["messages"]
    messages = tables.read(
        lake,
        "messages",
        ["message_id", "sent_at", "arrival_day"],
        at,
        version=None if store is None else store.version(),
    )
    return day_rows(findings[ENTITIES], findings[RELATIONS], messages)


@dataclass(frozen=True, slots=True)
class _Recount:
    """All rows of the keys that changed. `keys` None means: of all keys."""

    rows: pa.Table
    keys: pa.Table | None


def _recounted(
    lake: str,
    table: str,
    new: pa.Table,
    key: list[str],
    changed: list[str],
    complete: bool,
) -> _Recount:
    inside = pc.field("arrival_day").isin(_strings(changed))
    if complete:
        others = read(lake, table, ~inside)
        return _Recount(pa.concat_tables([others, new]), None)
    before = read(lake, table, inside)
    keys = pa.concat_tables([before.select(key), new.select(key)]).group_by(key).aggregate([])
    # By the first column of the key in the scan, which the engine can push down; then exactly.
    likely = read(lake, table, ~inside & pc.field(key[0]).isin(keys[key[0]].combine_chunks()))
    others = likely.join(keys, key, join_type="left semi").select(new.column_names)
    return _Recount(pa.concat_tables([others.cast(new.schema), new]), keys)


def _merged(
    stored: pa.Table, recounted: pa.Table, keys: pa.Table | None, key: list[str]
) -> pa.Table:
    """Replace in `stored` the rows of `keys` (all, if None); sorted by key."""
    if keys is not None:
        # Lists cannot go through a join, so row numbers do.
        numbers = pa.array(range(stored.num_rows), pa.int64())
        kept = (
            stored.select(key).append_column("row", numbers).join(keys, key, join_type="left anti")
        )
        recounted = pa.concat_tables([stored.take(kept["row"]), recounted])
    return recounted.sort_by(_ascending(key))


def _replace_days(lake: str, table: str, rows: pa.Table, days: list[str]) -> None:
    """Make `rows` all that `days` hold, in one transaction."""
    files = commit.write(lake, table, rows)

    def attempt() -> None:
        snapshot = commit.ensure(lake, table, SCHEMAS[table])
        remove = [f for day in days for f in commit.partition_files(snapshot, {"arrival_day": day})]
        if files or remove:
            commit.commit(snapshot, files, remove=remove)

    commit.retrying(attempt)


def _participants(lake: str) -> pa.Table:
    return tables.read(lake, "participants", ["participant_id", "display_names"])


def _ascending(key: list[str]) -> list[tuple[str, str]]:
    return [(name, "ascending") for name in key]


def _strings(values: Iterable[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())
