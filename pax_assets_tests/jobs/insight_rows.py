"""Findings for tests of the graph, without a model: who is mentioned in what, and how related."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from pax_assets.jobs.insights.insight_tables import ENTITIES, RELATIONS, SCHEMAS
from pax_assets.lake.commit import replace

# ((type, text), relation or None, (type, text))
Statement = tuple[tuple[str, str], str | None, tuple[str, str]]

ANNA, BEN = ("person", "Anna Keller"), ("person", "Ben Osei")
ACME, GLOBEX = ("organization", "Acme"), ("organization", "Globex")
BERLIN, LIMA = ("location", "Berlin"), ("location", "Lima")


def put_findings(
    lake: str,
    day: str,
    found: Mapping[str, Sequence[Statement]],
    model_version: str = "m1",
    score: float = 0.9,
) -> None:
    """Make the statements of each message all that the day's insights hold."""
    entities, relations = [], []
    for message, statements in found.items():
        keys = {"message_id": message, "model_version": model_version, "arrival_day": day}
        for number, (head, kind, tail) in enumerate(statements):
            ids = (f"e{2 * number}", f"e{2 * number + 1}")
            for key, (a_type, text) in zip(ids, (head, tail), strict=True):
                span = {"type": a_type, "text": text, "start": 0, "end": len(text)}
                entities.append({**keys, "entity_id": key, **span, "score": score})
            if kind is None:
                continue
            relations.append(
                {
                    **keys,
                    "head_id": ids[0],
                    "tail_id": ids[1],
                    "type": kind,
                    "score": score,
                    "head_type": head[0],
                    "head_text": head[1],
                    "tail_type": tail[0],
                    "tail_text": tail[1],
                }
            )
    for table, rows in ((ENTITIES, entities), (RELATIONS, relations)):
        replace(
            lake,
            table,
            pa.Table.from_pylist(rows, schema=SCHEMAS[table]),
            {"arrival_day": day},
        )
