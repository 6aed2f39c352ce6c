"""The tables that hold what the model says of the store, and the graph made of it.

Batch scoring, the graph and the checks read and write them; each would otherwise have its own
idea of a column. Offsets count code points of the message's text, half-open.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.dataset as ds

from pax_assets.lake import tables
from pax_assets.lake.schemas import TIMESTAMP

ENTITIES, EVENTS, RELATIONS = "insights/entities", "insights/events", "insights/relations"
FINDINGS = (ENTITIES, EVENTS, RELATIONS)
# One row for each message and model version, also where the model found nothing in the message.
SCORED = "insights/scored"

NODES, EDGES = "relationship_graph/nodes", "relationship_graph/edges"
# What nodes and edges are counted from, a row for each message; and which state of each day.
MENTIONS, EVIDENCE = "relationship_graph/mentions", "relationship_graph/evidence"
DAYS = "relationship_graph/days"
# Who is who: what participants go by, who and what is named in which conversation on which day,
# and the names that are somebody in one conversation only.
PEOPLE, CONTEXT = "relationship_graph/people", "relationship_graph/context"
RESOLUTIONS = "relationship_graph/resolutions"
# Times, sums and addresses as values; and the events with them.
VALUES, TIMELINE = "relationship_graph/values", "relationship_graph/timeline"

_KEY = [("message_id", pa.string()), ("model_version", pa.string())]
_SPAN = [
    ("type", pa.string()),
    ("text", pa.string()),
    ("start", pa.int32()),
    ("end", pa.int32()),
    ("score", pa.float64()),
]
_DAY = ("arrival_day", pa.string())

ARGUMENTS = pa.list_(
    pa.struct([("entity_id", pa.string()), ("role", pa.string()), ("score", pa.float64())])
)
# Who and what takes part in an event: the words, what they are and, of a person or an
# organisation, the node.
PARTS = pa.list_(
    pa.struct(
        [
            ("role", pa.string()),
            ("type", pa.string()),
            ("text", pa.string()),
            ("node_id", pa.string()),
            ("resolved_by", pa.string()),
            ("score", pa.float64()),
        ]
    )
)
AMOUNT = pa.decimal128(24, 4)
# `value` is the normalised form (E.164, lower case, …); `recognizer` null means the model.
ENTITY_FIELDS = [
    ("entity_id", pa.string()),
    *_SPAN,
    ("value", pa.string()),
    ("recognizer", pa.string()),
]
EVENT_FIELDS = [("event_id", pa.string()), *_SPAN, ("arguments", ARGUMENTS)]
# The ends' texts and types stand beside their ids, so that a person can read a row.
RELATION_FIELDS = [
    ("head_id", pa.string()),
    ("tail_id", pa.string()),
    ("type", pa.string()),
    ("score", pa.float64()),
    ("head_type", pa.string()),
    ("head_text", pa.string()),
    ("tail_type", pa.string()),
    ("tail_text", pa.string()),
]

SCHEMAS: dict[str, pa.Schema] = {
    ENTITIES: pa.schema([*_KEY, *ENTITY_FIELDS, _DAY]),
    EVENTS: pa.schema([*_KEY, *EVENT_FIELDS, _DAY]),
    RELATIONS: pa.schema([*_KEY, *RELATION_FIELDS, _DAY]),
    SCORED: pa.schema(
        [
            *_KEY,
            ("release", pa.string()),
            ("text_sha256", pa.string()),
            ("language", pa.string()),
            # How many findings the message has, so that a lost row is noticed.
            ("entities", pa.int64()),
            ("events", pa.int64()),
            ("relations", pa.int64()),
            _DAY,
        ]
    ),
    NODES: pa.schema(
        [
            ("node_id", pa.string()),
            ("type", pa.string()),
            ("name", pa.string()),
            ("normalized_name", pa.string()),
            ("names", pa.list_(pa.string())),
            ("count", pa.int64()),
            ("confidence", pa.float64()),
            ("first_seen", TIMESTAMP),
            ("last_seen", TIMESTAMP),
            ("participant_id", pa.string()),
        ]
    ),
    EDGES: pa.schema(
        [
            ("head_node", pa.string()),
            ("type", pa.string()),
            ("tail_node", pa.string()),
            ("head_text", pa.string()),
            ("head_type", pa.string()),
            ("tail_text", pa.string()),
            ("tail_type", pa.string()),
            ("count", pa.int64()),
            ("confidence", pa.float64()),
            ("mean_confidence", pa.float64()),
            ("first_seen", TIMESTAMP),
            ("last_seen", TIMESTAMP),
            ("message_ids", pa.list_(pa.string())),
        ]
    ),
    MENTIONS: pa.schema(
        [
            ("node_id", pa.string()),
            ("type", pa.string()),
            ("normalized_name", pa.string()),
            ("name", pa.string()),
            ("message_id", pa.string()),
            ("sent_at", TIMESTAMP),
            ("score", pa.float64()),
            ("conversation_id", pa.string()),
            # The node of the words by themselves; another than `node_id` where they were resolved.
            ("spelled_node", pa.string()),
            ("resolved_by", pa.string()),
            ("resolution_confidence", pa.float64()),
            _DAY,
        ]
    ),
    EVIDENCE: pa.schema(
        [
            ("head_node", pa.string()),
            ("type", pa.string()),
            ("tail_node", pa.string()),
            ("message_id", pa.string()),
            ("sent_at", TIMESTAMP),
            ("score", pa.float64()),
            _DAY,
        ]
    ),
    PEOPLE: pa.schema(
        [
            ("participant_id", pa.string()),
            ("kind", pa.string()),
            ("value", pa.string()),
            ("alias_id", pa.string()),
            ("spelled_node", pa.string()),
            ("everywhere", pa.bool_()),
            ("node_id", pa.string()),
            ("name", pa.string()),
            ("normalized_name", pa.string()),
        ]
    ),
    CONTEXT: pa.schema(
        [
            ("conversation_id", pa.string()),
            ("kind", pa.string()),
            ("key", pa.string()),
            ("type", pa.string()),
            ("normalized_name", pa.string()),
            _DAY,
        ]
    ),
    RESOLUTIONS: pa.schema(
        [
            ("conversation_id", pa.string()),
            ("spelled_node", pa.string()),
            ("node_id", pa.string()),
            ("type", pa.string()),
            ("normalized_name", pa.string()),
            ("resolved_by", pa.string()),
            ("confidence", pa.float64()),
        ]
    ),
    VALUES: pa.schema(
        [
            ("message_id", pa.string()),
            ("entity_id", pa.string()),
            ("kind", pa.string()),
            ("type", pa.string()),
            ("text", pa.string()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("starts_at", TIMESTAMP),
            ("ends_at", TIMESTAMP),
            ("precision", pa.string()),
            ("bound", pa.string()),
            ("zone", pa.string()),
            ("zone_from", pa.string()),
            ("amount", AMOUNT),
            ("currency", pa.string()),
            ("address", pa.string()),
            ("assumed", pa.string()),
            ("sent_at", TIMESTAMP),
            ("score", pa.float64()),
            _DAY,
        ]
    ),
    TIMELINE: pa.schema(
        [
            ("message_id", pa.string()),
            ("event_id", pa.string()),
            ("type", pa.string()),
            ("trigger", pa.string()),
            ("starts_at", TIMESTAMP),
            ("ends_at", TIMESTAMP),
            ("precision", pa.string()),
            ("bound", pa.string()),
            ("time_text", pa.string()),
            ("sent_at", TIMESTAMP),
            ("channel", pa.string()),
            ("conversation_id", pa.string()),
            ("direction", pa.string()),
            ("sender", pa.string()),
            ("sender_node", pa.string()),
            ("recipient_nodes", pa.list_(pa.string())),
            ("participants", PARTS),
            ("amount", AMOUNT),
            ("currency", pa.string()),
            ("amount_text", pa.string()),
            ("item", pa.string()),
            ("place", pa.string()),
            ("others", PARTS),
            ("confidence", pa.float64()),
            _DAY,
        ]
    ),
    # Not `arrival_day`: a partition for each row would be a file for each day.
    DAYS: pa.schema([("day", pa.string()), ("fingerprint", pa.string())]),
}

# What the next recount makes anew from days and participants.
GRAPH_TABLES = (NODES, EDGES, MENTIONS, EVIDENCE, PEOPLE, CONTEXT, RESOLUTIONS, VALUES, TIMELINE)

_MEASURED = frozenset({"score", "confidence", "mean_confidence", "resolution_confidence"})


def read(
    lake: str,
    table: str,
    filter: ds.Expression | None = None,  # noqa: A002 - the name that lake.read has
    *,
    version: int | None = None,
) -> pa.Table:
    """Read one of these tables; no rows of the right columns where it was never written."""
    schema = SCHEMAS[table]
    if not tables.exists(lake, table):
        return schema.empty_table()
    rows = tables.read(lake, table, filter=filter, version=version)
    # A table that was written before a column was thought of has nothing in it.
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def without_scores(rows: pa.Table) -> pa.Table:
    """Return `rows` without what the model is unsure by.

    Which messages share a batch moves scores in their last digits, and labels and offsets never.
    A data version with scores in it would change when nothing did.
    """
    rows = rows.drop_columns([name for name in rows.column_names if name in _MEASURED])
    if "arguments" not in rows.column_names:
        return rows
    column = rows["arguments"].combine_chunks()
    items = column.values
    bare = pa.StructArray.from_arrays(
        [items.field("entity_id"), items.field("role")], names=["entity_id", "role"]
    )
    lists = pa.ListArray.from_arrays(column.offsets, bare)
    return rows.set_column(rows.column_names.index("arguments"), "arguments", lists)
