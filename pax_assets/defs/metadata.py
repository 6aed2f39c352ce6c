"""What a person sees of a table when opening an asset: counts, columns, and a masked preview.

Event logs cannot be erased, so no message text, name or address may enter them. Every preview
goes through `masked`, which keeps the shape of a value and none of its content.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    import pyarrow as pa

# Columns whose values come from messages, and ids that are hashes of a name or a number: whoever
# guesses the number can check the guess. What is not listed is shown as it is: message ids,
# counts, dates, enumerations.
PERSONAL_COLUMNS = frozenset(
    {
        "account",
        "accounts",
        "actor",
        "alias_ids",
        "attachments",
        "conversation_id",
        "display_name",
        "display_names",
        "document",
        "first",
        "head_node",
        "head_text",
        "histogram",
        "identities",
        "identity",
        "key",
        "last_sender",
        "name",
        "names",
        "node_id",
        "normalized_name",
        "normalized_sha256",
        "participant_id",
        "participants",
        "payload",
        "provider_message_id",
        "recipient_ids",
        "recipients",
        "request",
        "reply_to",
        "second",
        "sender",
        "sender_id",
        "source_metadata",
        "subject",
        "surface",
        "tail_node",
        "tail_text",
        "text",
        "text_sha256",
        "address",
        "alias_id",
        "amount_text",
        "item",
        "others",
        "place",
        "recipient_nodes",
        "sender_node",
        "spelled_node",
        "time_text",
        "trigger",
        "value",
        "zone",
    }
)
# Everything but blanks and ASCII punctuation: combining marks and emoji say something too.
_CONTENT = re.compile(r"[^\s!-/:-@\[-`{-~]")
_PREVIEW_CHARACTERS = 40


def masked(value: object) -> str:
    """Return `value` with all but blanks and punctuation replaced by dots, cut to 40."""
    return _CONTENT.sub("·", str(value))[:_PREVIEW_CHARACTERS]


def markdown_table(rows: list[Mapping[str, Any]]) -> str:
    """Return `rows` as a Markdown table; columns in the order of the first row."""
    if not rows:
        return "(no rows)"
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = [str(row.get(c, "")).replace("|", "\\|").replace("\n", " ") for c in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def preview(table: pa.Table, rows: int = 5) -> str:
    """Return the first `rows` rows as Markdown, personal columns masked, long values cut."""
    return markdown_table(
        [
            {
                name: masked(value)
                if name in PERSONAL_COLUMNS and value is not None
                else str(value)[:_PREVIEW_CHARACTERS]
                for name, value in row.items()
            }
            for row in table.slice(0, rows).to_pylist()
        ]
    )


def table_metadata(
    table: pa.Table,
    *,
    descriptions: Mapping[str, str] | None = None,
    lineage: Mapping[str, Sequence[str]] | None = None,
    rows: int = 5,
    row_count: int | None = None,
) -> dict[str, Any]:
    """Return Dagster metadata for a table: row count, column schema, masked preview.

    Of a large table `table` may be the first rows only; then `row_count` says how many there are.

    `lineage` says for a column which columns of other assets it is made of: `asset.column`.
    """
    descriptions = descriptions or {}
    traced = {} if lineage is None else {"dagster/column_lineage": column_lineage(lineage)}
    return {
        **traced,
        "dagster/row_count": table.num_rows if row_count is None else row_count,
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name=field.name,
                    type=str(field.type),
                    description=descriptions.get(field.name),
                )
                for field in table.schema
            ]
        ),
        "preview": dg.MetadataValue.md(preview(table, rows)),
    }


def column_lineage(lineage: Mapping[str, Sequence[str]]) -> dg.TableColumnLineage:
    """Return lineage for the UI; sources are `asset.column`, where an asset may be `a/b`."""
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(dg.AssetKey(asset.split("/")), name)
                for asset, _, name in (source.rpartition(".") for source in sources)
            ]
            for column, sources in lineage.items()
        }
    )


def image(png: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """Return a PNG as metadata that the UI shows inline."""
    return dg.MetadataValue.md(
        f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"
    )
