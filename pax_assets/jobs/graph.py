"""The relationship graph, brought up to the insights without counting all of them again.

Nodes and edges are counts over every message ever scored. Each update takes in the days whose
files changed, and those in which somebody is known by another name since (`insights.who`), and
recounts the nodes and edges that occur in them, before or after. A mark is set while an update is
going on: if it ends half way, the next one recounts everything.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.insights.day_rows import (
    MESSAGE_COLUMNS,
    Sources,
    context_rows,
    day_rows,
)
from pax_assets.jobs.insights.graph_export import export_graph
from pax_assets.jobs.insights.graph_rows import edges_of, nodes_of, with_ends, with_participants
from pax_assets.jobs.insights.insight_tables import (
    CONTEXT,
    DAYS,
    EDGES,
    ENTITIES,
    EVENTS,
    EVIDENCE,
    FINDINGS,
    MENTIONS,
    NODES,
    PEOPLE,
    RELATIONS,
    RESOLUTIONS,
    SCHEMAS,
    read,
)
from pax_assets.jobs.insights.value_rows import Reading
from pax_assets.jobs.insights.who import Who, resolved
from pax_assets.lake import commit, tables
from pax_assets.lake.reading import NoSuchLake, require_lake

if TYPE_CHECKING:
    from deltalake import DeltaTable

_TRANSACTION = "relationship_graph"
_NODE_KEY = ["node_id"]
_EDGE_KEY = ["head_node", "type", "tail_node"]
_SOURCES = ("messages", *FINDINGS)
# To be changed with what a day's rows are made of: it makes the next update read every day again.
_RULES = "2"


@dataclass(frozen=True, slots=True)
class GraphReport:
    """The graph after an update: its tables' sizes, and which days were taken in.

    `days_resolved_again` did not change themselves, but somebody in them is known better now.
    `complete` says that everything was recounted. `versions` are the Delta versions.
    """

    nodes: int
    edges: int
    days: tuple[str, ...]
    days_resolved_again: tuple[str, ...]
    complete: bool
    versions: dict[str, int | None]


def update_graph(lake: str, model_version: str, reading: Reading | None = None) -> GraphReport:
    """Bring `relationship_graph/*` up to what `model_version` said of the store.

    Findings of other model versions do not count: days that the model has not scored yet are
    missing from the graph until they are. `reading` says what texts leave open; another one makes
    everything be read again. Idempotent; an update without a change commits nothing. Raises
    `commit.Conflict` if other updates kept getting in the way.
    """
    return commit.retrying(partial(_update, lake, model_version, reading or Reading()))


def _update(lake: str, model_version: str, reading: Reading) -> GraphReport:
    state = commit.ensure(lake, DAYS, SCHEMAS[DAYS])
    stored = read(lake, DAYS, version=state.version()).to_pylist()
    known = {row["day"]: row["fingerprint"] for row in stored}
    sources = {table: tables.newest(lake, table) for table in _SOURCES}
    present = _fingerprints(sources, model_version, reading)
    # A day without a fingerprint belongs to an update that did not end.
    complete = not known or None in known.values()
    changed = sorted(d for d in {*known, *present} if known.get(d, "") != present.get(d, ""))
    if changed:
        state = _note(lake, state, known | dict.fromkeys(changed))
    found = _taken_in(lake, sources, model_version, changed)
    participants = _participants(lake)
    who = resolved(lake, context_rows(found, reading), participants, changed, complete)
    if who.days:
        state = _note(lake, state, known | dict.fromkeys([*changed, *who.days]))
        found = _taken_in(lake, sources, model_version, [*changed, *who.days])
    _recount(lake, found, who, participants, reading, [*changed, *who.days], complete)
    if changed or who.days:
        _note(lake, state, present)
    return GraphReport(
        nodes=_row_count(lake, NODES),
        edges=_row_count(lake, EDGES),
        days=tuple(changed),
        days_resolved_again=who.days,
        complete=complete,
        versions={table: tables.version(lake, table) for table in (NODES, EDGES)},
    )


def _fingerprints(
    sources: Mapping[str, DeltaTable | None], model_version: str, reading: Reading
) -> dict[str, str | None]:
    """Return for each day what it would be read from: files never change, they are replaced."""
    rules = [_RULES, model_version, reading.zone, reading.region, reading.date_order]
    paths: dict[str, list[str]] = {}
    for snapshot in sources.values():
        if snapshot is None:
            continue
        files = pa.table(snapshot.get_add_actions(flatten=True)).to_pylist()
        for row in files:
            paths.setdefault(row["partition.arrival_day"], []).append(row["path"])
    return {
        day: hashlib.sha256("\n".join([*rules, *sorted(files)]).encode()).hexdigest()[:32]
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
    found: Sources,
    who: Who,
    participants: pa.Table,
    reading: Reading,
    days: list[str],
    complete: bool,
) -> None:
    """Write nodes and edges, then what was said on `days`, and who everybody is."""
    stored_nodes, stored_edges = (
        read(lake, table).sort_by(_ascending(key))
        for table, key in ((NODES, _NODE_KEY), (EDGES, _EDGE_KEY))
    )
    people = who.resolver.people
    if days or complete:
        rows = day_rows(found, who.resolver, reading)
        touched = _recounted(lake, MENTIONS, rows[MENTIONS], _NODE_KEY, days, complete)
        nodes = _merged(stored_nodes, nodes_of(touched.rows), touched.keys, _NODE_KEY)
        touched = _recounted(lake, EVIDENCE, rows[EVIDENCE], _EDGE_KEY, days, complete)
        edges = _merged(stored_edges, edges_of(touched.rows), touched.keys, _EDGE_KEY)
    else:
        rows, nodes, edges = {}, stored_nodes, stored_edges
    # Days are as they were, and yet somebody may have got a name since.
    nodes = with_participants(nodes, people, participants)
    edges = with_ends(edges, nodes)
    _store(lake, NODES, stored_nodes, nodes)
    _store(lake, EDGES, stored_edges, edges)
    for table, of_days in {**rows, CONTEXT: who.context}.items():
        if days or complete:
            _replace_days(lake, table, of_days, list(days if table != CONTEXT else who.changed))
    # Last: what these differ by says which days have to be looked at again.
    _store(lake, RESOLUTIONS, who.stored_resolutions, who.resolutions)
    _store(lake, PEOPLE, who.stored_people, who.people)


def _store(lake: str, table: str, stored: pa.Table, rows: pa.Table) -> None:
    """Write a table anew, if it is not what is stored; both are sorted by key."""
    if not tables.exists(lake, table) or not rows.equals(stored):
        commit.overwrite(lake, table, rows)


def _taken_in(
    lake: str,
    sources: Mapping[str, DeltaTable | None],
    model_version: str,
    days: list[str],
) -> Sources:
    """Return findings and messages of `days`, as the sources have them now."""
    at = pc.field("arrival_day").isin(_strings(days))
    findings = {}
    for table in FINDINGS:
        snapshot = sources[table]
        findings[table] = (
            SCHEMAS[table].empty_table()
            if snapshot is None or not days
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
        MESSAGE_COLUMNS,
        at,
        version=None if store is None else store.version(),
    )
    return Sources(findings[ENTITIES], findings[EVENTS], findings[RELATIONS], messages)


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
    return tables.read(lake, "participants", ["participant_id", "identities", "display_names"])


def _row_count(lake: str, table: str) -> int:
    snapshot = tables.newest(lake, table)
    return 0 if snapshot is None else commit.partition_rows(snapshot, {})


def _ascending(key: list[str]) -> list[tuple[str, str]]:
    return [(name, "ascending") for name in key]


def _strings(values: Iterable[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())


def main(arguments: Sequence[str] | None = None) -> None:
    """Export the graph from a command line, after bringing it up to date if a model is named."""
    parser = argparse.ArgumentParser(description="Write the relationship graph as GraphML and JSON")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--to", help="a folder or s3:// address; beside the tables by default")
    parser.add_argument("--model-version", help="first bring the graph up to what it found")
    parser.add_argument("--default-zone", default="UTC", help="IANA, such as Europe/Berlin")
    parser.add_argument("--default-region", default="US", help="ISO 3166, such as DE")
    parser.add_argument("--date-order", default="", choices=["", "dmy", "mdy", "ymd"])
    given = parser.parse_args(arguments)
    try:
        require_lake(given.lake)
    except NoSuchLake as error:
        sys.exit(f"pax graph: {error}")
    report: dict[str, object] = {}
    if given.model_version:
        reading = Reading(given.default_zone, given.default_region, given.date_order)
        report = asdict(update_graph(given.lake, given.model_version, reading))
    print(json.dumps({**report, "exports": export_graph(given.lake, given.to)}))


if __name__ == "__main__":
    main()
