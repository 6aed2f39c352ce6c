"""Records as Arrow rows, a column at a time.

Parsers yield objects because that is how one reads and tests them; tables take columns. Built
from dictionaries row by row, the rows of a mail would cost as much as parsing it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from pax_assets.lake.schemas import CHANNEL_EVENTS, QUARANTINE, RAW
from pax_assets.messages.message import Attachment, ChannelEvent, Message, Quarantined, Record

KINDS = ("messages", "channel_events", "quarantine")
# The day is the partition; it lies beside the files, not in them.
INSIDE = {
    kind: pa.schema([f for f in schema if f.name != "arrival_day"])
    for kind, schema in zip(KINDS, (RAW, CHANNEL_EVENTS, QUARANTINE), strict=True)
}


@dataclass(frozen=True, slots=True)
class Origin:
    """The object that records lay in: its `raw_uri`, SHA-256, and when it landed (UTC)."""

    raw_uri: str
    digest: str
    received_at: datetime


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
# A record, its number in its object from 0, and the object.
Placed = tuple[int, Record, Origin]


def kind_of(record: Record) -> str:
    """Return the table that a record's row belongs to: one of `KINDS`."""
    if isinstance(record, Message):
        return "messages"
    return "channel_events" if isinstance(record, ChannelEvent) else "quarantine"


def rows_of(kind: str, placed: Sequence[Placed]) -> pa.Table:
    """Return the rows of records of one kind, of whatever objects."""
    found = [record for _, record, _ in placed]
    origins = [origin for _, _, origin in placed]
    columns = {
        "raw_uri": [origin.raw_uri for origin in origins],
        "raw_ordinal": [ordinal for ordinal, _, _ in placed],
        "raw_position": [record.position for record in found],
    }
    columns |= _COLUMNS[kind](found, origins)
    return pa.table(
        [pa.array(columns[field.name], field.type) for field in INSIDE[kind]], schema=INSIDE[kind]
    )


def _messages(found: Sequence[Message], origins: Sequence[Origin]) -> dict[str, list]:
    return {
        "message_id": [m.message_id for m in found],
        "channel": [m.channel for m in found],
        "provider": [m.provider for m in found],
        "source_kind": [m.source_kind for m in found],
        "account": [m.account for m in found],
        "provider_message_id": [m.provider_message_id for m in found],
        "conversation_id": [m.conversation_id for m in found],
        "sender": [m.sender for m in found],
        "recipients": [m.recipients for m in found],
        "direction": [m.direction for m in found],
        "sent_at": [_utc(m.sent_at) for m in found],
        "sent_at_precision": [m.sent_at_precision for m in found],
        "zone_assumed": [m.zone_assumed for m in found],
        "received_at": [
            _utc(m.received_at or origin.received_at)
            for m, origin in zip(found, origins, strict=True)
        ],
        "subject": [m.subject for m in found],
        "text": [m.text for m in found],
        "content_type": [m.content_type for m in found],
        "attachments": [[_attachment(item) for item in m.attachments] for m in found],
        "reply_to": [m.reply_to for m in found],
        "language": [m.language for m in found],
        "raw_sha256": [m.sha256 for m in found],
        "source_metadata": [_json(m.source_metadata) for m in found],
    }


def _events(found: Sequence[ChannelEvent], origins: Sequence[Origin]) -> dict[str, list]:
    return {
        "channel": [e.channel for e in found],
        "provider": [e.provider for e in found],
        "kind": [e.kind for e in found],
        "account": [e.account for e in found],
        "provider_message_id": [e.provider_message_id for e in found],
        "occurred_at": [e.occurred_at and _utc(e.occurred_at) for e in found],
        "actor": [e.actor for e in found],
        "payload": [_json(e.payload) for e in found],
        "raw_sha256": [e.sha256 for e in found],
        "object_sha256": [origin.digest for origin in origins],
        "received_at": [origin.received_at for origin in origins],
    }


def _quarantined(found: Sequence[Quarantined], origins: Sequence[Origin]) -> dict[str, list]:
    return {
        "channel": [q.channel for q in found],
        "code": [q.code for q in found],
        "reason": [q.reason for q in found],
        "payload": [q.payload for q in found],
        "object_sha256": [origin.digest for origin in origins],
        "received_at": [origin.received_at for origin in origins],
    }


_COLUMNS = {"messages": _messages, "channel_events": _events, "quarantine": _quarantined}


def _attachment(item: Attachment) -> dict[str, str | None]:
    return {
        "kind": item.kind,
        "id": item.id,
        "mime": item.mime,
        "sha256": item.sha256,
        "filename": item.filename,
    }


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _json(value: Mapping[str, object]) -> str:
    if not value:
        return "{}"
    return _ENCODER.encode(value)
