"""What a lake holds, as something that two lakes can be compared by."""

from __future__ import annotations

from collections.abc import Iterable

from pax_assets.lake import content_hash, read

TABLES = (
    "raw_sms",
    "raw_whatsapp",
    "raw_email",
    "quarantine",
    "channel_events",
    "message_keys",
    "ledger",
    "messages",
)
# When an object was taken in, by which commit and which code, is all that may differ.
_OF_THE_RUN = {"ledger": ["raw_version", "first_seen", "parser"]}


def state(lake: str, tables: Iterable[str] = TABLES) -> dict[str, str]:
    """Return the content hash of each table, without what tells one run from another."""
    return {
        name: content_hash(read(lake, name).drop_columns(_OF_THE_RUN.get(name, [])))
        for name in tables
    }
