"""What the columns of the channel tables mean, and of what ingestion keeps beside them."""

from __future__ import annotations

from pax_assets.defs.feature_store.columns import MESSAGES

RAW = {
    **MESSAGES,
    "raw_ordinal": "the record's number in its object, from 0",
    "channel": "sms, whatsapp or email; the partition",
}

CHANNEL_EVENTS = {
    "channel": "sms, whatsapp or email",
    "provider": "whose format the record had",
    "kind": "status, edit, deletion, reaction, system, handshake, draft, call or error",
    "account": "the own number or mailbox; empty where the format names none",
    "provider_message_id": "the message that it is about, where there is one",
    "occurred_at": "when it happened, UTC, where the format says",
    "actor": "address of who did it, where the format says",
    "payload": "the provider's own record, as JSON",
    "raw_uri": "the landing object, relative to the landing root",
    "raw_position": "where in the object the record lies",
    "raw_ordinal": "the record's number in its object, from 0",
    "raw_sha256": "digest of the record's own bytes",
    "object_sha256": "digest of the whole object",
    "received_at": "when its object landed, UTC",
    "arrival_day": "the day on which its object arrived; the partition",
}

QUARANTINE = {
    "channel": "the channel in whose folder the object lay",
    "raw_uri": "the landing object, relative to the landing root",
    "raw_position": "where in the object the record lies",
    "raw_ordinal": "the record's number in its object, from 0",
    "code": "short stable identifier of what is wrong",
    "reason": "what is wrong and what to do, a sentence",
    "payload": "the bytes themselves, or their beginning",
    "object_sha256": "digest of the whole object",
    "received_at": "when its object landed, UTC",
    "arrival_day": "the day on which its object arrived; the partition",
}

LEDGER = {
    "channel": "sms, whatsapp or email",
    "path": "where the object lies below the landing root",
    "raw_uri": "the object's name in the tables; differs from `path` where it was replaced",
    "etag": "changes whenever the object was written again",
    "sha256": "digest of the object's bytes",
    "size": "bytes of the object",
    "first_seen": "when the run that ingested it started, UTC",
    "records": "records that parsing counted",
    "messages": "records that are messages, duplicates included",
    "channel_events": "records that are channel events",
    "quarantined": "records that could not be parsed",
    "raw_version": "version of the channel table whose commit ingested the object",
    "parser": "the code and the options that read the object",
    "replaces": "whether the object was read again and this entry replaces an earlier one",
    "arrival_day": "the day for which the object counts; the partition",
}

MESSAGE_KEYS = {
    "key": "first 64 bits of `message_id`",
    "key_low": "second 64 bits of `message_id`",
    "arrival_day": "the day on which the record arrived",
    "raw_uri": "the landing object that holds the record",
    "raw_ordinal": "the record's number in its object, from 0",
    "channel": "sms, whatsapp or email; the partition",
}
