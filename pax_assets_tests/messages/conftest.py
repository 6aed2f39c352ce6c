"""How these tests read an object: one arrival, and every outcome checked for storability."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from pax_assets.messages import Message, Quarantined, Record, parse

RECEIVED = datetime(2026, 1, 7, 12, 0, tzinfo=UTC)


def read(data: bytes | str | object, channel: str) -> list[Record]:
    """Parse bytes, a text, or a value that is written as one JSON document."""
    if isinstance(data, str):
        data = data.encode()
    elif not isinstance(data, bytes):
        data = json.dumps(data).encode()
    records = list(parse(data, channel, "test", received_at=RECEIVED))
    for record in records:
        check_storable(record)
    return records


def check_storable(record: Record) -> None:
    """Every string encodes to UTF-8, every dict to strict JSON, every time is UTC."""
    if isinstance(record, Quarantined):
        assert record.code
        assert record.reason
        (record.position + record.code + record.reason).encode()
        return
    fields = asdict(record)
    for name, value in fields.items():
        if isinstance(value, datetime):
            assert value.tzinfo is UTC, name
            fields[name] = value.isoformat()
    json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
    if isinstance(record, Message):
        assert len(record.message_id) == 64
        assert len(record.conversation_id) == 32
        assert record.provider_message_id
        assert record.received_at == RECEIVED


@pytest.fixture
def one() -> Callable[[bytes | str | object, str], Message]:
    """Parse an object that holds exactly one message."""

    def parsed(data: bytes | str | object, channel: str) -> Message:
        records = read(data, channel)
        assert len(records) == 1, records
        assert isinstance(records[0], Message), records[0]
        return records[0]

    return parsed


HEAD_OF_MAIL = b"From: Ann <ann@x.org>\nTo: bo@y.org\nSubject: Lunch\nMessage-ID: <1@x.org>\n"
