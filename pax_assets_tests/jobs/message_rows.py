"""Rows of `messages` for tests that begin at the feature store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa

from pax_assets.lake.commit import append, replace
from pax_assets.lake.schemas import SCHEMAS

DAY_1, DAY_2 = "2026-01-05", "2026-01-06"


def put_messages(lake: str, day: str, texts: Mapping[str, str]) -> None:
    """Make the messages `{message_id: text}`, sent at noon of `day`, all that the day holds."""
    replace(lake, "messages", _rows(day, texts), {"arrival_day": day})


def add_messages(lake: str, day: str, texts: Mapping[str, str]) -> None:
    """Add messages to a day, in a file of their own, as a build of `messages` does."""
    append(lake, "messages", _rows(day, texts))


def _rows(day: str, texts: Mapping[str, str]) -> pa.Table:
    sent = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)
    rows = [
        {
            "message_id": key,
            "channel": "sms",
            "provider": "test",
            "sent_at": sent,
            "text": text,
            "arrival_day": day,
        }
        for key, text in texts.items()
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMAS["messages"])
