"""Mentions and evidence to nodes and edges.

All functions here depend on the rows only, not on their order, so that the graph of days that were
scored in any order is the same.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.insights.insight_tables import EDGES, NODES, SCHEMAS
from pax_assets.jobs.insights.names import is_organization, normalized_name
from pax_assets.jobs.insights.resolution import People

# An edge cites its newest messages; `relationship_graph/evidence` has all of them.
NEWEST_MESSAGES = 20
_SPELLINGS = 10
_CONFIDENCE_DIGITS = 6


def nodes_of(mentions: pa.Table) -> pa.Table:
    """Return one row for each node; `participant_id` is null. Sorted by node.

    A node is called by its commonest spelling in full: "Anna" is a name of Anna Keller's, but not
    the one to show, however often she is called so.
    """
    own = pc.equal(mentions["spelled_node"], mentions["node_id"])
    by_itself = pc.if_else(own, mentions["name"], pa.scalar(None, pa.string()))
    mentions = mentions.append_column("by_itself", by_itself)
    mentions = _once_over_all_days(mentions, ["node_id"])
    spellings = mentions.group_by(["node_id", "name"]).aggregate(
        [([], "count_all"), ("by_itself", "count")]
    )
    spellings = spellings.append_column("full", pc.greater(spellings["by_itself_count"], 0))
    spellings = _sorted(
        spellings, "node_id", ("full", "descending"), ("count_all", "descending"), "name"
    )
    names = spellings.group_by("node_id", use_threads=False).aggregate([("name", "list")])
    found = _sorted(mentions, "node_id", "message_id").group_by("node_id", use_threads=False)
    nodes = found.aggregate(
        [
            ([], "count_all"),
            ("type", "min"),
            ("normalized_name", "min"),
            ("score", "max"),
            ("sent_at", "min"),
            ("sent_at", "max"),
        ]
    )
    # Not a join: Arrow joins no lists.
    at = pc.index_in(nodes["node_id"], names["node_id"].combine_chunks())
    lists = names["name_list"].combine_chunks().take(at.combine_chunks())
    return _as(
        NODES,
        {
            "node_id": nodes["node_id"],
            "type": nodes["type_min"],
            "name": pc.list_element(lists, 0),
            "normalized_name": nodes["normalized_name_min"],
            "names": pc.list_slice(lists, 0, _SPELLINGS),
            "count": nodes["count_all"],
            "confidence": pc.round(nodes["score_max"], _CONFIDENCE_DIGITS),
            "first_seen": nodes["sent_at_min"],
            "last_seen": nodes["sent_at_max"],
            "participant_id": pa.nulls(nodes.num_rows, pa.string()),
        },
    )


def edges_of(evidence: pa.Table) -> pa.Table:
    """Return one row for each edge, without the texts and types of its ends. Sorted."""
    keys = ["head_node", "type", "tail_node"]
    evidence = _sorted(
        _once_over_all_days(evidence, keys), *keys, ("sent_at", "descending"), "message_id"
    )
    edges = evidence.group_by(keys, use_threads=False).aggregate(
        [
            ([], "count_all"),
            ("score", "max"),
            ("score", "mean"),
            ("sent_at", "min"),
            ("sent_at", "max"),
            ("message_id", "list"),
        ]
    )
    nothing = pa.nulls(edges.num_rows, pa.string())
    newest = pc.list_slice(edges["message_id_list"].combine_chunks(), 0, NEWEST_MESSAGES)
    return _as(
        EDGES,
        {
            **{key: edges[key] for key in keys},
            **{f"{end}_{what}": nothing for end in ("head", "tail") for what in ("text", "type")},
            "count": edges["count_all"],
            "confidence": pc.round(edges["score_max"], _CONFIDENCE_DIGITS),
            "mean_confidence": pc.round(edges["score_mean"], _CONFIDENCE_DIGITS),
            "first_seen": edges["sent_at_min"],
            "last_seen": edges["sent_at_max"],
            "message_ids": newest,
        },
    )


def with_ends(edges: pa.Table, nodes: pa.Table) -> pa.Table:
    """Fill in the texts and types of the edges' ends from `nodes`."""
    for end in ("head", "tail"):
        at = pc.index_in(edges[f"{end}_node"], nodes["node_id"].combine_chunks())
        for name, column in ((f"{end}_text", "name"), (f"{end}_type", "type")):
            place = edges.column_names.index(name)
            edges = edges.set_column(place, name, nodes[column].take(at))
    return _as(EDGES, {name: edges[name] for name in edges.column_names})


def with_participants(nodes: pa.Table, people: People, participants: pa.Table) -> pa.Table:
    """Set `participant_id` and `name` of the nodes that are a participant.

    People's follows from who they are (`resolution`). An organisation is the participant whose
    display name it has, if exactly one has it: spelling cannot tell two of one name apart.
    """
    links: dict[str, set[str]] = {}
    for row in participants.select(["participant_id", "display_names"]).to_pylist():
        for name in row["display_names"] or ():
            links.setdefault(normalized_name(name, "organization"), set()).add(
                row["participant_id"]
            )
    ids, shown = [], []
    columns = (nodes[c].to_pylist() for c in ("node_id", "type", "normalized_name", "names"))
    for key, kind, normalized, names in zip(*columns, strict=True):
        found = links.get(normalized, set()) if is_organization(kind) else set()
        ids.append(people.participants.get(key, next(iter(found)) if len(found) == 1 else None))
        # Who is only ever called "Anna" or by a number is shown by the name that they gave.
        in_full = normalized_name(names[0], kind) == normalized
        shown.append(names[0] if in_full else people.shown.get(key, names[0]))
    for column, values in (("participant_id", ids), ("name", shown)):
        place = nodes.column_names.index(column)
        nodes = nodes.set_column(place, column, pa.array(values, pa.string()))
    return nodes


def _once_over_all_days(rows: pa.Table, keys: list[str]) -> pa.Table:
    """One row for each key and message. A message moves between days in two commits, and for a
    while both days have it."""
    wanted = [("score", "max"), ("sent_at", "min")]
    described = ("name", "by_itself", "type", "normalized_name")
    wanted += [(n, "min") for n in described if n in rows.column_names and n not in keys]
    once = rows.group_by([*keys, "message_id"]).aggregate(wanted)
    return once.rename_columns(
        [c.removesuffix("_max").removesuffix("_min") for c in once.column_names]
    )


def _sorted(rows: pa.Table, *order: str | tuple[str, str]) -> pa.Table:
    return rows.sort_by([o if isinstance(o, tuple) else (o, "ascending") for o in order])


def _as(table: str, columns: dict[str, pa.ChunkedArray]) -> pa.Table:
    return pa.table({f.name: columns[f.name] for f in SCHEMAS[table]}).cast(SCHEMAS[table])
