"""The columns of every table that the data side writes, in one place.

A table whose columns are decided by whoever wrote it first drifts: one engine writes milliseconds,
another local time, a third leaves a column out when it is empty. Writers cast to these schemas and
readers of a table that does not exist yet get an empty one with the right columns.
"""

from __future__ import annotations

import pyarrow as pa

from pax_assets.lake.feature_schemas import FEATURE_SCHEMAS, PARTITIONED_BY

TIMESTAMP = pa.timestamp("us", tz="UTC")

ATTACHMENTS = pa.list_(
    pa.struct(
        [
            ("kind", pa.string()),
            ("id", pa.string()),
            ("mime", pa.string()),
            ("sha256", pa.string()),
            ("filename", pa.string()),
        ]
    )
)

# DESIGN's Message contract, in its order. `source_metadata` is a JSON object with sorted keys.
_MESSAGE = [
    ("message_id", pa.string()),
    ("channel", pa.string()),
    ("provider", pa.string()),
    ("source_kind", pa.string()),
    ("account", pa.string()),
    ("provider_message_id", pa.string()),
    ("conversation_id", pa.string()),
    ("sender", pa.string()),
    ("recipients", pa.list_(pa.string())),
    ("direction", pa.string()),
    ("sent_at", TIMESTAMP),
    ("sent_at_precision", pa.string()),
    ("zone_assumed", pa.string()),
    ("received_at", TIMESTAMP),
    ("subject", pa.string()),
    ("text", pa.string()),
    ("content_type", pa.string()),
    ("attachments", ATTACHMENTS),
    ("reply_to", pa.string()),
    ("language", pa.string()),
    ("raw_uri", pa.string()),
    ("raw_position", pa.string()),
    ("raw_sha256", pa.string()),
    ("source_metadata", pa.string()),
]

MESSAGES = pa.schema([*_MESSAGE, ("arrival_day", pa.string())])

# `raw_ordinal` counts the records of an object from 0: positions such as "entry[10]" and "entry[9]"
# do not sort, and the winner among duplicates is decided by order.
RAW = pa.schema([*_MESSAGE, ("raw_ordinal", pa.int64()), ("arrival_day", pa.string())])

QUARANTINE = pa.schema(
    [
        ("channel", pa.string()),
        ("raw_uri", pa.string()),
        ("raw_position", pa.string()),
        ("raw_ordinal", pa.int64()),
        ("code", pa.string()),
        ("reason", pa.string()),
        ("payload", pa.binary()),
        ("object_sha256", pa.string()),
        ("received_at", TIMESTAMP),
        ("arrival_day", pa.string()),
    ]
)

CHANNEL_EVENTS = pa.schema(
    [
        ("channel", pa.string()),
        ("provider", pa.string()),
        ("kind", pa.string()),
        ("account", pa.string()),
        ("provider_message_id", pa.string()),
        ("occurred_at", TIMESTAMP),
        ("actor", pa.string()),
        ("payload", pa.string()),
        ("raw_uri", pa.string()),
        ("raw_position", pa.string()),
        ("raw_ordinal", pa.int64()),
        ("raw_sha256", pa.string()),
        ("object_sha256", pa.string()),
        ("received_at", TIMESTAMP),
        ("arrival_day", pa.string()),
    ]
)

# `key` and `key_low` are the first and the second 64 bits of `message_id`.
MESSAGE_KEYS = pa.schema(
    [
        ("key", pa.int64()),
        ("key_low", pa.int64()),
        ("arrival_day", pa.string()),
        ("raw_uri", pa.string()),
        ("raw_ordinal", pa.int64()),
        ("channel", pa.string()),
    ]
)

# `path` is where the object lies under landing; `raw_uri` differs from it only where the object at
# that path was replaced by other bytes after it had been ingested. `messages` counts the records
# that are messages, duplicates included: which of them are duplicates is derived, not stored.
# `parser` names the code and the options that read the object; `replaces` says that the object
# was read again and that this entry takes the place of an earlier one.
LEDGER = pa.schema(
    [
        ("channel", pa.string()),
        ("path", pa.string()),
        ("raw_uri", pa.string()),
        ("etag", pa.string()),
        ("sha256", pa.string()),
        ("size", pa.int64()),
        ("first_seen", TIMESTAMP),
        ("records", pa.int64()),
        ("messages", pa.int64()),
        ("channel_events", pa.int64()),
        ("quarantined", pa.int64()),
        ("raw_version", pa.int64()),
        ("parser", pa.string()),
        ("replaces", pa.bool_()),
        ("arrival_day", pa.string()),
    ]
)

CONVERSATIONS = pa.schema(
    [
        ("conversation_id", pa.string()),
        ("channel", pa.string()),
        ("accounts", pa.list_(pa.string())),
        ("participants", pa.list_(pa.string())),
        ("subject", pa.string()),
        ("first_message_at", TIMESTAMP),
        ("last_message_at", TIMESTAMP),
        ("message_count", pa.int64()),
        ("inbound_count", pa.int64()),
        ("outbound_count", pa.int64()),
        ("last_sender", pa.string()),
        ("last_direction", pa.string()),
    ]
)

PARTICIPANTS = pa.schema(
    [
        ("participant_id", pa.string()),
        ("identities", pa.list_(pa.struct([("kind", pa.string()), ("value", pa.string())]))),
        ("alias_ids", pa.list_(pa.string())),
        ("display_names", pa.list_(pa.string())),
        ("channels", pa.list_(pa.string())),
        ("first_seen", TIMESTAMP),
        ("last_seen", TIMESTAMP),
        ("sent_count", pa.int64()),
        ("received_count", pa.int64()),
    ]
)

SCHEMAS: dict[str, pa.Schema] = {
    "raw_sms": RAW,
    "raw_whatsapp": RAW,
    "raw_email": RAW,
    "messages": MESSAGES,
    "quarantine": QUARANTINE,
    "channel_events": CHANNEL_EVENTS,
    "message_keys": MESSAGE_KEYS,
    "ledger": LEDGER,
    "conversations": CONVERSATIONS,
    "participants": PARTICIPANTS,
    **FEATURE_SCHEMAS,
}

# Tables that are not listed are daily if they have an `arrival_day`, else unpartitioned.
_PARTITIONED_BY: dict[str, tuple[str, ...]] = {"message_keys": ("channel",), **PARTITIONED_BY}


def partition_columns(table: str, schema: pa.Schema) -> list[str]:
    """Return the columns that `table` is partitioned by, maybe none."""
    default = ("arrival_day",) if "arrival_day" in schema.names else ()
    return list(_PARTITIONED_BY.get(table, default))
