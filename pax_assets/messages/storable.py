"""The last gate before a record leaves this room: whatever it holds can be stored.

JSON may carry half a surrogate pair (`"\\ud800"`), a number beyond any column, or `NaN`. Python
accepts all three; UTF-8, Arrow and Parquet do not, and one such string would fail the whole
object's commit. Every record passes here once, so no parser has to remember it.

In text half a pair becomes U+FFFD, one code point for one, so that offsets stay; identifiers keep
it as its escape sequence, so that two different ids stay different. `source_metadata` then says
`{"replaced_surrogates": n}`.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import cast

from pax_assets.messages.message import Attachment, ChannelEvent, Message, Quarantined, Record

_SURROGATE = re.compile("[\ud800-\udfff]")
# `json.dumps` with options makes an encoder for every call.
_AS_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class _Cleaner:
    """Replaces what cannot be stored and counts what it replaced."""

    def __init__(self) -> None:
        self.replaced = 0

    def text(self, value: str) -> str:
        cleaned, count = _SURROGATE.subn("\ufffd", value)
        self.replaced += count
        return cleaned

    def optional_text(self, value: str | None) -> str | None:
        return None if value is None else self.text(value)

    def identifier(self, value: str) -> str:
        cleaned, count = _SURROGATE.subn(lambda half: f"\\u{ord(half[0]):04x}", value)
        self.replaced += count
        return cleaned

    def optional_identifier(self, value: str | None) -> str | None:
        return None if value is None else self.identifier(value)

    def attachment(self, item: Attachment) -> Attachment:
        return Attachment(
            kind=self.text(item.kind),
            id=self.optional_identifier(item.id),
            mime=self.optional_text(item.mime),
            sha256=self.optional_text(item.sha256),
            filename=self.optional_text(item.filename),
        )

    def json(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            mapping = cast(dict[object, object], value)
            return {self.identifier(str(key)): self.json(item) for key, item in mapping.items()}
        if isinstance(value, (list, tuple)):
            return [self.json(item) for item in cast(list[object], value)]
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.text(str(value))

    def object(self, value: dict[str, object]) -> dict[str, object]:
        return cast(dict[str, object], self.json(value))


def storable(record: Record) -> Record:
    """Return `record` such that every string encodes to UTF-8 and every dict to JSON."""
    return record if _is_storable(record) else _cleaned(record)


def _is_storable(record: Record) -> bool:
    if isinstance(record, Message):
        strings: list[str | None] = [
            record.text,
            record.subject,
            record.provider_message_id,
            record.provider,
            record.account,
            record.conversation_id,
            record.sender,
            record.position,
            record.content_type,
            record.reply_to,
            record.language,
            *record.recipients,
        ]
        for item in record.attachments:
            strings += (item.kind, item.id, item.mime, item.sha256, item.filename)
        extra = record.source_metadata
    elif isinstance(record, ChannelEvent):
        strings = [
            record.provider,
            record.kind,
            record.account,
            record.position,
            record.provider_message_id,
            record.actor,
        ]
        extra = record.payload
    else:
        strings = [record.position, record.code, record.reason]
        extra = {}
    try:
        for string in strings:
            if string is not None and not string.isascii():
                string.encode()
        if extra:
            _AS_JSON(extra).encode()
    except (UnicodeEncodeError, ValueError, TypeError):
        return False
    return True


def _cleaned(record: Record) -> Record:
    clean = _Cleaner()
    if isinstance(record, Quarantined):
        return replace(
            record, position=clean.identifier(record.position), reason=clean.text(record.reason)
        )
    if isinstance(record, ChannelEvent):
        return replace(
            record,
            provider=clean.text(record.provider),
            account=clean.identifier(record.account),
            position=clean.identifier(record.position),
            provider_message_id=clean.optional_identifier(record.provider_message_id),
            actor=clean.optional_identifier(record.actor),
            payload=clean.object(record.payload),
        )
    cleaned = replace(
        record,
        text=clean.text(record.text),
        subject=clean.optional_text(record.subject),
        provider=clean.text(record.provider),
        provider_message_id=clean.identifier(record.provider_message_id),
        account=clean.identifier(record.account),
        conversation_id=clean.identifier(record.conversation_id),
        sender=clean.identifier(record.sender),
        recipients=tuple(clean.identifier(party) for party in record.recipients),
        position=clean.identifier(record.position),
        content_type=clean.text(record.content_type),
        reply_to=clean.optional_identifier(record.reply_to),
        language=clean.optional_text(record.language),
        attachments=tuple(clean.attachment(item) for item in record.attachments),
        source_metadata=clean.object(record.source_metadata),
    )
    if clean.replaced:
        cleaned.source_metadata["replaced_surrogates"] = clean.replaced
    return cleaned
