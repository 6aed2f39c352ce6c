"""What the UI shows of a table tells its shape and none of its content."""

import pyarrow as pa
import pytest

from pax_assets.defs.metadata import PERSONAL_COLUMNS, markdown_table, masked, table_metadata
from pax_assets.jobs.insights import insight_tables
from pax_assets.lake import schemas

# Columns that cannot hold what a person wrote or who that person is.
IMPERSONAL = {
    "arguments", "arrival_day", "bucket", "channels", "day", "fingerprint", "last_direction",
    "message_ids", "object_sha256", "path", "release", "channel", "code", "content_type",
    "direction",
    "etag", "kind", "language", "message_id", "model_version", "position",
    "provider", "raw_position", "raw_sha256", "raw_uri", "reason", "sent_at_precision", "sha256",
    "source_kind", "type", "zone_assumed", "trigger_type", "entity_id", "event_id", "relation_id",
    "head_id", "tail_id", "head_type", "tail_type",
    "event_day", "table", "problem", "source", "origin", "rule", "script", "language_by", "parser",
    "assumed", "bound", "currency", "precision", "recognizer", "resolved_by", "zone_from",
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Call Ana, 5 pm!", "···· ···, · ··!"),
        ("", ""),
        ("नमस्ते 🙂", "······ ·"),
        (["a@b.example"], "['·@·.·······']"),
    ],
)
def test_masking_keeps_the_shape_only(value, shown) -> None:
    assert masked(value) == shown


def test_a_preview_holds_no_personal_value() -> None:
    table = pa.table({"text": ["secret plan"], "sender": ["+15550100"], "channel": ["sms"]})
    shown = table_metadata(table)["preview"].value
    assert "secret" not in shown
    assert "15550100" not in shown
    assert "sms" in shown


def test_every_text_column_of_every_table_is_known_to_be_personal_or_not() -> None:
    """A new column must be put into one of the two sets before it can be previewed."""
    unknown = {
        f"{table}.{field.name}"
        for table, schema in {**schemas.SCHEMAS, **insight_tables.SCHEMAS}.items()
        for field in schema
        if (pa.types.is_string(field.type) or pa.types.is_nested(field.type))
        and field.name not in PERSONAL_COLUMNS | IMPERSONAL
    }
    assert unknown == set()


def test_a_pipe_in_a_value_does_not_break_the_table() -> None:
    assert markdown_table([{"a": "x|y"}]).splitlines()[-1] == "| x\\|y |"
