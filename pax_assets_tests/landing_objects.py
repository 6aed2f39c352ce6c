"""Small landing objects for tests that begin before the lake, and what a lake then holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pax_assets.lake import content_hash, read

NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")
TABLES = (
    "raw_sms",
    "raw_whatsapp",
    "raw_email",
    "quarantine",
    "channel_events",
    "message_keys",
    "ledger",
    "messages",
    "message_features",
    "conversations",
    "identity_evidence",
    "participants",
)


def line(provider_id: str, text: str = "hello", at: str = "2026-01-05T10:00:00Z", **more) -> str:
    """One message as a JSON line."""
    return json.dumps(
        {
            "message_id": provider_id,
            "text": text,
            "timestamp": at,
            "from": "+15550100001",
            "to": "+15550100002",
            **more,
        }
    )


def land(root: Path, path: str, lines: Iterable[str] | bytes) -> Path:
    """Put an object of lines (or these bytes) at `path` below the landing root."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    data = lines if isinstance(lines, bytes) else "\n".join(lines).encode()
    file.write_bytes(data)
    return file


def reaction_payload(to: str) -> str:
    """A WhatsApp Cloud API payload with one text message and one reaction (a channel event)."""
    message = {"from": "15550100003", "timestamp": "1767600000"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100009", "phone_number_id": "1"},
        "contacts": [{"profile": {"name": "Ada"}, "wa_id": "15550100003"}],
        "messages": [
            {**message, "id": to, "type": "text", "text": {"body": "see you"}},
            {
                **message,
                "id": f"{to}-r",
                "type": "reaction",
                "reaction": {"message_id": to, "emoji": "x"},
            },
        ],
    }
    return json.dumps(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
        }
    )


def hashes(lake: str, tables: Iterable[str] = TABLES) -> Mapping[str, str]:
    """The content hash of each table, without columns that tell one run from another."""
    return {
        name: content_hash(
            read(lake, name).drop_columns(["raw_version"] if name == "ledger" else [])
        )
        for name in tables
    }
