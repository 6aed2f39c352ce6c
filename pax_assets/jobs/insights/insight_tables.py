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
ENTITY_FIELDS = [("entity_id", pa.string()), *_SPAN]
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
    # Not `arrival_day`: a partition for each row would be a file for each day.
    DAYS: pa.schema([("day", pa.string()), ("fingerprint", pa.string())]),
}

_MEASURED = frozenset({"score", "confidence", "mean_confidence"})


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
    return rows.select(schema.names).cast(schema)


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
