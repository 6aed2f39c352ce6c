"""The columns of what follows from `messages`: features, identities, and what keeps them cheap.

Beside `schemas`, which lists them with all others: a page of columns is enough for one module.
"""

from __future__ import annotations

import pyarrow as pa

_TIMESTAMP = pa.timestamp("us", tz="UTC")

# What a message's own text says; see `nlp.text_features` and `nlp.language` for definitions.
TEXT_FEATURES = [
    ("language", pa.string()),
    ("language_confidence", pa.float64()),
    ("language_by", pa.string()),
    ("char_count", pa.int64()),
    ("word_count", pa.int64()),
    ("line_count", pa.int64()),
    ("url_count", pa.int64()),
    ("email_count", pa.int64()),
    ("phone_count", pa.int64()),
    ("number_count", pa.int64()),
    ("emoji_count", pa.int64()),
    ("uppercase_share", pa.float64()),
    ("question_count", pa.int64()),
    ("exclamation_count", pa.int64()),
    ("script", pa.string()),
    ("normalized_sha256", pa.string()),
]

# What was known just before the message was sent; `jobs.point_in_time` defines each.
POINT_IN_TIME = [
    ("conversation_messages_before", pa.int64()),
    ("seconds_since_conversation_message", pa.float64()),
    ("seconds_since_other_side", pa.float64()),
    ("response_seconds", pa.float64()),
    ("sender_sent_before", pa.int64()),
    ("sender_received_before", pa.int64()),
    ("seconds_since_sender_message", pa.float64()),
    ("sender_responses_before", pa.int64()),
    ("sender_mean_response_seconds", pa.float64()),
    ("sender_median_response_seconds", pa.float64()),
]

# Of a message itself: what its point in time is taken from.
MESSAGE_KEYS_OF_FEATURES = [
    ("message_id", pa.string()),
    ("channel", pa.string()),
    ("conversation_id", pa.string()),
    ("sent_at", _TIMESTAMP),
    ("sender_id", pa.string()),
    ("recipient_ids", pa.list_(pa.string())),
]

MESSAGE_FEATURES = pa.schema(
    [*MESSAGE_KEYS_OF_FEATURES, *TEXT_FEATURES, *POINT_IN_TIME, ("arrival_day", pa.string())]
)

# Times are microseconds since 1970; which columns are filled depends on `kind`.
FEATURE_STATE = pa.schema(
    [
        ("kind", pa.string()),
        ("key", pa.string()),
        ("sequence", pa.int64()),
        ("sent", pa.int64()),
        ("received", pa.int64()),
        ("last_sent_at", pa.int64()),
        ("responses", pa.int64()),
        ("response_sum", pa.int64()),
        ("histogram", pa.list_(pa.struct([("seconds", pa.int64()), ("count", pa.int64())]))),
        ("messages", pa.int64()),
        ("last_at", pa.int64()),
        ("last_sender", pa.string()),
        ("spoke_at", pa.int64()),
        ("other_at", pa.int64()),
        ("event_day", pa.string()),
    ]
)

# A statement that two identities are one person's: `rule` says of what kind it is, the rest where
# it was found. `origin` is the partition: `messages-<day>`, `channel_events-<day>`, `identities`.
IDENTITY_EVIDENCE = pa.schema(
    [
        ("first", pa.string()),
        ("second", pa.string()),
        ("rule", pa.string()),
        ("source", pa.string()),
        ("position", pa.string()),
        ("stated_at", _TIMESTAMP),
        ("origin", pa.string()),
    ]
)

# Only identities that some evidence names; every other one is a participant of its own.
IDENTITY_CLUSTERS = pa.schema([("identity", pa.string()), ("participant_id", pa.string())])

TABLE_STATISTICS = pa.schema(
    [
        ("table", pa.string()),
        ("partitions", pa.int64()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("files_before", pa.int64()),
        ("files_after", pa.int64()),
        ("files_vacuumed", pa.int64()),
        ("delta_version", pa.int64()),
        ("checkpoint_version", pa.int64()),
        ("problem", pa.string()),
        ("measured_at", _TIMESTAMP),
        ("day", pa.string()),
    ]
)

# A row for each person that was erased. `request` is a digest of the identities; `message_ids` is
# filled while the erasure is going on.
ERASURES = pa.schema(
    [
        ("request", pa.string()),
        ("message_ids", pa.list_(pa.string())),
        ("messages", pa.int64()),
        ("erased_at", _TIMESTAMP),
    ]
)

FEATURE_SCHEMAS: dict[str, pa.Schema] = {
    "message_features": MESSAGE_FEATURES,
    "feature_state": FEATURE_STATE,
    "identity_evidence": IDENTITY_EVIDENCE,
    "identity_clusters": IDENTITY_CLUSTERS,
    "table_statistics": TABLE_STATISTICS,
    "erasures": ERASURES,
}

PARTITIONED_BY: dict[str, tuple[str, ...]] = {
    "feature_state": ("event_day",),
    "identity_evidence": ("origin",),
    "table_statistics": ("day",),
}
