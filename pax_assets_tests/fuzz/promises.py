"""What `parse` promises for any bytes whatever, as one function that raises where it is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from pax_assets.messages import Message, ParseOptions, Quarantined, Record, parse

_RECEIVED = datetime(2026, 1, 7, 12, 0, tzinfo=UTC)


def _fetch(bucket: str, key: str) -> bytes:
    if len(key) % 2:
        raise FileNotFoundError(f"{bucket}/{key}")
    return b"From: a@b.c\n\n" + key.encode("utf-8", "replace")


_OPTIONS = ParseOptions(date_order="dmy", fetch=_fetch)


def check(data: bytes, channel: str) -> None:
    """Raise where `parse` breaks a promise for `data`."""
    records = list(_parsed(data, channel))
    for record in records:
        assert record.position, "a record without its position"
        if isinstance(record, Quarantined):
            assert record.code, "a quarantined record without its code"
            assert record.reason, "a quarantined record without its reason"
            assert record.code != "parser_error", record.reason
        fields = asdict(record)
        if isinstance(record, Quarantined):
            del fields["payload"]
        json.dumps(fields, default=_instant, ensure_ascii=False, allow_nan=False).encode()
        if isinstance(record, Message):
            assert record.provider_message_id, "a message without its id"
            assert len(record.message_id) == 64
    assert records == list(_parsed(data, channel)), "the second answer differs"


def _parsed(data: bytes, channel: str) -> Iterator[Record]:
    return parse(data, channel, "object", received_at=_RECEIVED, options=_OPTIONS)


def _instant(value: object) -> str:
    assert isinstance(value, datetime), type(value)
    assert value.tzinfo is UTC, "a time that is not in UTC"
    return value.isoformat()
