"""Findings to mentions and evidence, and those to nodes and edges.

A node is counted once for each message that mentions it, an edge once for each message that
states it: somebody who signs a mail with a name three times is not three times as related. All
functions here depend on the rows only, not on their order, so that the graph of days that were
scored in any order is the same.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.insights.insight_tables import EDGES, EVIDENCE, MENTIONS, NODES, SCHEMAS
from pax_assets.jobs.insights.names import is_organization, is_person, node_id, normalized_name

# An edge cites its newest messages; `relationship_graph/evidence` has all of them.
NEWEST_MESSAGES = 20
_SPELLINGS = 10
_CONFIDENCE_DIGITS = 6


def day_rows(
    entities: pa.Table, relations: pa.Table, messages: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Return the mentions and the evidence of some days.

    People and organisations are nodes wherever they are mentioned; other things only where a
    relation ties them to one. `messages` have message_id, sent_at and arrival_day; findings of
    messages that are not among them (any more) are left out.
    """
    party = _named(entities, "type", "text")
    party = party.filter(_is_party(party["type"]))
    relations = _in_messages(relations, messages)
    ends = {end: _named(relations, f"{end}_type", f"{end}_text") for end in ("head", "tail")}
    # A relation of a node with itself ("Acme" and "ACME Inc.") relates nothing.
    kept = pc.and_(
        pc.not_equal(ends["head"]["node_id"], ends["tail"]["node_id"]),
        pc.or_(_is_party(relations["head_type"]), _is_party(relations["tail_type"])),
    )
    relations = relations.filter(kept)
    head, tail = ends["head"].filter(kept), ends["tail"].filter(kept)
    evidence = pa.table(
        {
            "head_node": head["node_id"],
            "type": relations["type"],
            "tail_node": tail["node_id"],
            **{name: relations[name] for name in ("message_id", "sent_at", "score", "arrival_day")},
        }
    )
    party = _in_messages(party, messages)
    columns = [f.name for f in SCHEMAS[MENTIONS]]
    mentions = pa.concat_tables([rows.select(columns) for rows in (party, head, tail)])
    return _once_a_message(mentions, MENTIONS), _once_a_message(evidence, EVIDENCE)


def nodes_of(mentions: pa.Table) -> pa.Table:
    """Return one row for each node; `participant_id` is null. Sorted by node."""
    mentions = _once_over_all_days(mentions, ["node_id", "type", "normalized_name"])
    spellings = mentions.group_by(["node_id", "name"]).aggregate([([], "count_all")])
    spellings = _sorted(spellings, "node_id", ("count_all", "descending"), "name")
    names = spellings.group_by("node_id", use_threads=False).aggregate([("name", "list")])
    found = _sorted(mentions, "node_id", "message_id").group_by(
        ["node_id", "type", "normalized_name"], use_threads=False
    )
    nodes = found.aggregate(
        [([], "count_all"), ("score", "max"), ("sent_at", "min"), ("sent_at", "max")]
    )
    # Not a join: Arrow joins no lists.
    at = pc.index_in(nodes["node_id"], names["node_id"].combine_chunks())
    lists = names["name_list"].combine_chunks().take(at.combine_chunks())
    return _as(
        NODES,
        {
            "node_id": nodes["node_id"],
            "type": nodes["type"],
            "name": pc.list_element(lists, 0),
            "normalized_name": nodes["normalized_name"],
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


def with_participants(nodes: pa.Table, participants: pa.Table) -> pa.Table:
    """Set `participant_id` where a node's name is the display name of exactly one participant.

    Two participants of one name stay unlinked: spelling cannot tell which of them is meant.
    """
    links: dict[tuple[bool, str], set[str]] = {}
    for row in participants.select(["participant_id", "display_names"]).to_pylist():
        for name in row["display_names"] or ():
            for organization, kind in ((False, "person"), (True, "organization")):
                key = (organization, normalized_name(name, kind))
                links.setdefault(key, set()).add(row["participant_id"])
    ids = []
    pairs = zip(nodes["type"].to_pylist(), nodes["normalized_name"].to_pylist(), strict=True)
    for kind, name in pairs:
        party = is_person(kind) or is_organization(kind)
        found = links.get((is_organization(kind), name), set()) if party else set()
        ids.append(next(iter(found)) if len(found) == 1 else None)
    place = nodes.column_names.index("participant_id")
    return nodes.set_column(place, "participant_id", pa.array(ids, pa.string()))


def _named(rows: pa.Table, kind: str, text: str) -> pa.Table:
    """Return `rows` with node_id, type, normalized_name and name of the entity that they name."""
    pairs = rows.select([kind, text]).group_by([kind, text]).aggregate([])
    resolved = []
    for a_type, surface in zip(*(pairs[c].to_pylist() for c in (kind, text)), strict=True):
        normalized = normalized_name(surface, a_type)
        resolved.append((node_id(normalized, a_type), normalized))
    keys = _joint(pairs[kind], pairs[text])
    at = pc.index_in(_joint(rows[kind], rows[text]), keys)
    columns = {
        "type": rows[kind],
        "name": rows[text],
        "node_id": pa.array([r[0] for r in resolved], pa.string()).take(at),
        "normalized_name": pa.array([r[1] for r in resolved], pa.string()).take(at),
    }
    others = ("message_id", "score", "arrival_day", "sent_at")
    return pa.table(columns | {c: rows[c] for c in others if c in rows.column_names})


def _joint(kinds: pa.ChunkedArray, texts: pa.ChunkedArray) -> pa.Array:
    joined = pc.binary_join_element_wise(kinds, texts, "\x1f")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _is_party(kinds: pa.ChunkedArray) -> pa.Array:
    parties = [k for k in pc.unique(kinds).to_pylist() if is_person(k) or is_organization(k)]
    return pc.is_in(kinds, pa.array(parties, pa.string()))


def _in_messages(rows: pa.Table, messages: pa.Table) -> pa.Table:
    """Keep the rows whose message is still in their day; add its `sent_at`."""
    at = pc.index_in(
        _joint(rows["arrival_day"], rows["message_id"]),
        _joint(messages["arrival_day"], messages["message_id"]),
    )
    return rows.append_column("sent_at", messages["sent_at"].take(at)).filter(pc.is_valid(at))


def _once_a_message(rows: pa.Table, table: str) -> pa.Table:
    """One row for each node or edge in a message: its first spelling, its best score."""
    keys = [f.name for f in SCHEMAS[table] if f.name not in ("name", "score")]
    wanted = [("score", "max")] + ([("name", "min")] if table == MENTIONS else [])
    once = rows.group_by(keys).aggregate(wanted)
    columns = {f.name: f.name for f in SCHEMAS[table]} | {"score": "score_max", "name": "name_min"}
    return _as(table, {f.name: once[columns[f.name]] for f in SCHEMAS[table]})


def _once_over_all_days(rows: pa.Table, keys: list[str]) -> pa.Table:
    """One row for each key and message. A message moves between days in two commits, and for a
    while both days have it."""
    wanted = [("score", "max"), ("sent_at", "min")]
    if "name" in rows.column_names:
        wanted.append(("name", "min"))
    once = rows.group_by([*keys, "message_id"]).aggregate(wanted)
    return once.rename_columns(
        [c.removesuffix("_max").removesuffix("_min") for c in once.column_names]
    )


def _sorted(rows: pa.Table, *order: str | tuple[str, str]) -> pa.Table:
    return rows.sort_by([o if isinstance(o, tuple) else (o, "ascending") for o in order])


def _as(table: str, columns: dict[str, pa.ChunkedArray]) -> pa.Table:
    return pa.table({f.name: columns[f.name] for f in SCHEMAS[table]}).cast(SCHEMAS[table])
