"""Analyses as Arrow: nested while they leave the worker, flat in the tables.

The model runs once a message and says three kinds of things. Workers therefore send one nested
row a message; taking it apart afterwards costs no second pass over the texts, and a message in
which nothing was found still has its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.insights.insight_tables import (
    ENTITIES,
    ENTITY_FIELDS,
    EVENT_FIELDS,
    EVENTS,
    RELATION_FIELDS,
    RELATIONS,
    SCORED,
)

if TYPE_CHECKING:
    from pax_assets.nlp.documents import Analysis

_LISTS = {
    ENTITIES: ("entities", pa.struct(ENTITY_FIELDS)),
    EVENTS: ("events", pa.struct(EVENT_FIELDS)),
    RELATIONS: ("relations", pa.struct(RELATION_FIELDS)),
}
NESTED = pa.schema(
    [
        ("message_id", pa.string()),
        ("text_sha256", pa.string()),
        ("language", pa.string()),
        *((name, pa.list_(kind)) for name, kind in _LISTS.values()),
    ]
)


def nested(
    message_ids: Sequence[str], text_hashes: Sequence[str], analyses: Sequence[Analysis]
) -> pa.RecordBatch:
    """Return one row for each message, in the schema `NESTED`."""
    columns: Iterable[list[Any]] = (
        list(message_ids),
        list(text_hashes),
        [analysis.language for analysis in analyses],
        [_entities(analysis) for analysis in analyses],
        [_events(analysis) for analysis in analyses],
        [_relations(analysis) for analysis in analyses],
    )
    arrays = [pa.array(c, f.type) for c, f in zip(columns, NESTED, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=NESTED)


def flat(rows: pa.Table) -> dict[str, pa.Table]:
    """Take nested rows apart: for each table its own columns and `message_id`, no others."""
    counts = {
        name: pc.list_value_length(rows[name]).cast(pa.int64()) for name, _ in _LISTS.values()
    }
    scored = {name: rows[name] for name in ("message_id", "text_sha256", "language")}
    out = {SCORED: pa.table(scored | counts)}
    for table, (name, kind) in _LISTS.items():
        column = rows[name].combine_chunks()
        owners = rows["message_id"].combine_chunks().take(pc.list_parent_indices(column))
        items = pc.list_flatten(column)
        columns = {field.name: pc.struct_field(items, field.name) for field in kind}
        out[table] = pa.table({"message_id": owners, **columns})
    return out


def _entities(analysis: Analysis) -> list[dict[str, Any]]:
    return [
        {
            "entity_id": e.id,
            "type": e.type,
            "text": e.text,
            "start": e.start,
            "end": e.end,
            "score": e.score,
            "value": e.value,
            "recognizer": e.recognizer,
        }
        for e in analysis.entities
    ]


def _events(analysis: Analysis) -> list[dict[str, Any]]:
    return [
        {
            "event_id": e.id,
            "type": e.type,
            "text": e.text,
            "start": e.start,
            "end": e.end,
            "score": e.score,
            "arguments": [
                {"entity_id": a.entity, "role": a.role, "score": a.score} for a in e.arguments
            ],
        }
        for e in analysis.events
    ]


def _relations(analysis: Analysis) -> list[dict[str, Any]]:
    ends = {e.id: e for e in analysis.entities}
    return [
        {
            "head_id": r.head,
            "tail_id": r.tail,
            "type": r.type,
            "score": r.score,
            "head_type": ends[r.head].type,
            "head_text": ends[r.head].text,
            "tail_type": ends[r.tail].type,
            "tail_text": ends[r.tail].text,
        }
        for r in analysis.relations
    ]
