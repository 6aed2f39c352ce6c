"""What happens in the messages, in one line each: when, who, what, where and how much.

An event's arguments are spans of text. Here the time is an instant or a span of time, the sum is an
amount, and people are nodes of the graph. Argument roles differ between corpora: an argument is
placed by its role, and where the role says nothing by the type of what fills it; whatever fits no
column is kept in `others`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from pax_assets.jobs.insights.kinds import is_item, is_place, is_sum, is_time
from pax_assets.jobs.insights.names import is_organization, is_person
from pax_assets.jobs.insights.resolution import Node, Resolver
from pax_assets.jobs.insights.value_rows import Reading, money_columns, time_columns
from pax_assets.jobs.insights.values.times import TimeValue

Row = dict[str, Any]


def timeline_rows(
    placed: Iterable[tuple[Row, Row]],
    entities: pa.Table,
    nodes: Mapping[tuple[str, str], Node],
    resolver: Resolver,
    reading: Reading,
) -> list[Row]:
    """Return the rows of `relationship_graph/timeline` for events with their messages.

    `nodes` are those of people and organisations, by message and entity.
    """
    named = {
        (row["message_id"], row["entity_id"]): row
        for row in entities.select(["message_id", "entity_id", "type", "text", "start"]).to_pylist()
    }
    out = []
    for event, message in placed:
        key = event["message_id"]
        parts = _parts(event, {a["entity_id"]: named.get((key, a["entity_id"])) for a in
                               event["arguments"] or ()})  # fmt: skip
        for part in parts["participants"]:
            node = nodes.get((key, part.pop("entity_id")))
            part |= {"node_id": node and node.node_id, "resolved_by": node and node.rule}
        times = [part["text"] for part in parts["times"]]
        sums = [part["text"] for part in parts["sums"]]
        recipients = [r for r in message["recipients"] or () if r]
        out.append(
            {
                "message_id": key,
                "event_id": event["event_id"],
                "type": event["type"],
                "trigger": event["text"],
                **time_columns(_time(times, message, reading)),
                "time_text": ", ".join(times) or None,
                "sent_at": message["sent_at"],
                "channel": message["channel"],
                "conversation_id": message["conversation_id"],
                "direction": message["direction"],
                "sender": message["sender"],
                "sender_node": resolver.participant(message["sender"])
                if message["sender"]
                else None,
                "recipient_nodes": [resolver.participant(r) for r in recipients],
                "participants": parts["participants"],
                # Of two sums neither is the event's.
                **money_columns(reading.money(sums[0]) if len(sums) == 1 else None),
                "amount_text": ", ".join(sums) or None,
                "item": ", ".join(part["text"] for part in parts["items"]) or None,
                "place": ", ".join(part["text"] for part in parts["places"]) or None,
                "others": [
                    {k: v for k, v in part.items() if k != "entity_id"} for part in parts["others"]
                ],
                "confidence": event["score"],
                "arrival_day": event["arrival_day"],
            }
        )
    return out


def _parts(event: Row, fillers: Mapping[str, Row | None]) -> dict[str, list[Row]]:
    """The arguments in the order of the text, by the column that they belong to."""
    parts: dict[str, list[Row]] = {
        name: [] for name in ("participants", "times", "sums", "items", "places", "others")
    }
    arguments = event["arguments"] or ()
    known = [(a, filler) for a in arguments if (filler := fillers[a["entity_id"]]) is not None]
    for argument, filler in sorted(known, key=lambda pair: (pair[1]["start"], pair[0]["role"])):
        part = {
            "role": argument["role"],
            "type": filler["type"],
            "text": filler["text"],
            "score": argument["score"],
            "entity_id": argument["entity_id"],
        }
        parts[_column(argument["role"], filler["type"])].append(part)
    return parts


def _column(role: str, kind: str) -> str:
    if is_person(kind) or is_organization(kind):
        # A company may be what is bought or where people meet; it is somebody all the same.
        return "participants"
    for says, column in (
        (is_time, "times"),
        (is_sum, "sums"),
        (is_place, "places"),
        (is_item, "items"),
    ):
        if says(role):
            return column
    for says, column in (
        (is_time, "times"),
        (is_sum, "sums"),
        (is_place, "places"),
        (is_item, "items"),
    ):
        if says(kind):
            return column
    return "others"


def _time(texts: list[str], message: Row, reading: Reading) -> TimeValue | None:
    """The time that all expressions of an event say together, else that of the only one read.

    "Friday" and "at 5pm" are often two spans. Two that contradict each other are none.
    """
    if not texts:
        return None
    together, _, _ = reading.time(" ".join(texts), message)
    if together is not None:
        return together
    found = [value for text in texts if (value := reading.time(text, message)[0]) is not None]
    return found[0] if len(found) == 1 else None
