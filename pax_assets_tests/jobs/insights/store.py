"""A small store with known findings: messages as somebody would tell them, without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from pax_assets.jobs.identities.identity import kind_of, participant_id
from pax_assets.jobs.insights import insight_tables
from pax_assets.jobs.insights.insight_tables import ENTITIES, EVENTS, RELATIONS
from pax_assets.lake.commit import overwrite, replace
from pax_assets.lake.schemas import SCHEMAS

ME, ANNA, BEN, CARA = "+493012345678", "+491701111111", "+491702222222", "cara@globex.example"


@dataclass
class Message:
    """A message and what the model found in it; ends and arguments are named by their text."""

    key: str
    sent_at: str
    sender: str | None
    to: Sequence[str]
    entities: Mapping[str, str]
    events: Sequence[tuple[str, str, Mapping[str, str]]] = ()
    relations: Sequence[tuple[str, str, str]] = ()
    conversation: str | None = None
    channel: str = "whatsapp"
    more: dict[str, Any] = field(default_factory=dict)


def put_days(lake: str, messages: Sequence[Message], days: Sequence[str] | None = None) -> None:
    """Make `messages` all that their days (or just those of `days`) hold, found by model m1."""
    by_day: dict[str, list[Message]] = {}
    for message in messages:
        by_day.setdefault(message.sent_at[:10], []).append(message)
    for day, of_day in by_day.items():
        if days is not None and day not in days:
            continue
        at = {"arrival_day": day}
        rows = [_message(m) | at for m in of_day]
        replace(lake, "messages", pa.Table.from_pylist(rows, schema=SCHEMAS["messages"]), at)
        found: dict[str, list[dict]] = {ENTITIES: [], EVENTS: [], RELATIONS: []}
        for message in of_day:
            _findings(message, found, {"message_id": message.key, "model_version": "m1"} | at)
        for table, findings in found.items():
            schema = insight_tables.SCHEMAS[table]
            replace(lake, table, pa.Table.from_pylist(findings, schema=schema), at)


def put_people(lake: str, people: Sequence[tuple[Sequence[str], Sequence[str]]]) -> None:
    """Make (addresses, display names) all that `participants` holds."""
    rows = [
        {
            "participant_id": participant_id(addresses[0]),
            "identities": [{"kind": kind_of(a), "value": a} for a in addresses],
            "alias_ids": [participant_id(a) for a in addresses],
            "display_names": list(names),
        }
        for addresses, names in people
    ]
    overwrite(lake, "participants", pa.Table.from_pylist(rows, schema=SCHEMAS["participants"]))


def _message(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.key,
        "channel": message.channel,
        "conversation_id": message.conversation,
        "sender": message.sender,
        "recipients": list(message.to),
        "direction": "outbound" if message.sender == ME else "inbound",
        "sent_at": datetime.fromisoformat(f"{message.sent_at}+00:00"),
        **message.more,
    }


def _findings(message: Message, found: dict[str, list[dict]], keys: dict[str, str]) -> None:
    ids = {text: f"e{number}" for number, text in enumerate(message.entities, 1)}
    for start, (text, kind) in enumerate(message.entities.items()):
        span = {"type": kind, "text": text, "start": start, "end": start + len(text)}
        found[ENTITIES].append({**keys, "entity_id": ids[text], **span, "score": 0.9})
    for number, (kind, trigger, arguments) in enumerate(message.events, 1):
        span = {"type": kind, "text": trigger, "start": 0, "end": len(trigger), "score": 0.8}
        parts = [
            {"entity_id": ids[text], "role": role, "score": 0.7} for role, text in arguments.items()
        ]
        found[EVENTS].append({**keys, "event_id": f"v{number}", **span, "arguments": parts})
    for head, kind, tail in message.relations:
        found[RELATIONS].append(
            {
                **keys,
                "head_id": ids[head],
                "tail_id": ids[tail],
                "type": kind,
                "score": 0.9,
                "head_type": message.entities[head],
                "head_text": head,
                "tail_type": message.entities[tail],
                "tail_text": tail,
            }
        )
