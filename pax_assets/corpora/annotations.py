"""Labels meet the feature store: the text of a labelled message comes from `messages`.

Labels refer to a message by id. Were their own copy of the text used, a model could be trained
on text that the store no longer holds or never held, and lineage would be a story. The copy is
used to check that offsets still mean the same characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pax_assets.nlp.documents import Document

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Joined:
    """Documents after the join; `mismatched` lists ids whose spans no longer fit the store."""

    documents: list[Document]
    from_store: int
    mismatched: list[str]


def join_labels(labels: Iterable[Document], lake: str) -> Joined:
    """Give each document that names a stored message that message's text and conversation.

    A document whose spans cover other characters in the store than in the labelled text is
    reported in `mismatched` and keeps the labelled text.
    """
    import pyarrow.compute as pc

    from pax_assets.lake.tables import read

    documents = list(labels)
    wanted = [d.message_id for d in documents if d.message_id]
    stored: dict[str, tuple[str, str, str]] = {}
    if wanted:
        rows = read(
            lake,
            "messages",
            columns=["message_id", "text", "conversation_id", "channel"],
            filter=pc.field("message_id").isin(wanted),
        )
        stored = {
            row["message_id"]: (row["text"], row["conversation_id"], row["channel"])
            for row in rows.to_pylist()
        }
    joined, mismatched, from_store = [], [], 0
    for document in documents:
        found = stored.get(document.message_id or "")
        if found is None:
            joined.append(document)
            continue
        text, conversation, channel = found
        spans = (*document.entities, *document.events)
        if any(text[s.start : s.end] != document.text[s.start : s.end] for s in spans):
            mismatched.append(document.doc_id)
            joined.append(document)
            continue
        from_store += 1
        joined.append(
            replace(document, text=text, group=document.group or conversation, channel=channel)
        )
    return Joined(joined, from_store, mismatched)


def to_table(documents: Iterable[Document]) -> pa.Table:
    """Return one row a document: its keys, counts, and the document itself as JSON."""
    import pyarrow as pa

    return pa.Table.from_pylist(
        [
            {
                "doc_id": d.doc_id,
                "message_id": d.message_id,
                "group": d.group,
                "split": d.split,
                "source": d.source,
                "layers": list(d.layers),
                "entities": len(d.entities),
                "events": len(d.events),
                "relations": len(d.relations),
                "document": d.to_json(),
            }
            for d in documents
        ],
        schema=pa.schema(
            [
                ("doc_id", pa.string()),
                ("message_id", pa.string()),
                ("group", pa.string()),
                ("split", pa.string()),
                ("source", pa.string()),
                ("layers", pa.list_(pa.string())),
                ("entities", pa.int32()),
                ("events", pa.int32()),
                ("relations", pa.int32()),
                ("document", pa.string()),
            ]
        ),
    )


def from_table(table: pa.Table) -> list[Document]:
    """Return the documents of `to_table`, in the order of their ids."""
    import json

    rows = sorted(table.select(["doc_id", "document"]).to_pylist(), key=lambda r: r["doc_id"])
    return [Document.from_dict(json.loads(row["document"])) for row in rows]
