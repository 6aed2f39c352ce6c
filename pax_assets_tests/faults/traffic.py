"""A company's traffic, seeded, with everything in it that goes wrong, and what must come of it.

Objects of three channels and several days, in the order in which they land: late ones land after
newer days, messages come again in the same object, in another, on an earlier and on a later day,
lines are cut off, and there are events among the messages. What the tables must hold is counted
here, where the traffic is made, and not by the code under test.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pax_assets_tests.landing_objects import land, line

DAYS = ("2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08")
CHANNELS = ("sms", "whatsapp", "email")
_AGAIN = 0.05
_BROKEN = 0.004
_PAYLOADS = 0.03


@dataclass
class Traffic:
    """Objects by path in the order of landing, and what the tables must hold of them all."""

    objects: dict[str, bytes] = field(default_factory=dict)
    ids: set[tuple[str, str]] = field(default_factory=set)
    records: Counter[str] = field(default_factory=Counter)

    @property
    def duplicates(self) -> int:
        return self.records["messages"] - len(self.ids)

    def land(self, root: Path, first: int, last: int) -> None:
        """Put the objects from number `first` up to `last` into landing, renamed into place."""
        for path in list(self.objects)[first:last]:
            unfinished = land(root, path + ".part", self.objects[path])
            unfinished.rename(root / path)


def make_traffic(messages: int, objects: int, seed: int) -> Traffic:
    """Make `messages` different messages in about `objects` objects."""
    chance = random.Random(seed)
    traffic = Traffic()
    bodies: dict[str, list[str]] = {}
    paths = [
        f"{chance.choice(CHANNELS)}/{chance.choice(DAYS)}/{number:05}.jsonl"
        for number in range(objects)
    ]
    for number in range(messages):
        path = chance.choice(paths)
        _add(traffic, bodies, path, number, chance)
        if chance.random() < _AGAIN:
            # Again by the same channel, in any object of any day.
            same = [other for other in paths if other.split("/")[0] == path.split("/")[0]]
            _add(traffic, bodies, chance.choice(same), number, chance)
    for lines in bodies.values():
        for at in range(len(lines)):
            if chance.random() < _BROKEN:
                lines.insert(at, '{"message_id": "cut off", "te')
                traffic.records["quarantined"] += 1
    order = list(bodies)
    chance.shuffle(order)
    traffic.objects = {path: "\n".join(bodies[path]).encode() for path in order}
    return traffic


def _add(
    traffic: Traffic, bodies: dict[str, list[str]], path: str, number: int, chance: random.Random
) -> None:
    channel = path.split("/")[0]
    if channel == "whatsapp" and random.Random(number).random() < _PAYLOADS:
        text, provider_id = _payload(number), f"wamid.{number}"
        traffic.records["channel_events"] += 1
    else:
        provider_id = f"{channel}-{number}"
        second = number % 86_400
        at = f"2026-01-05T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
        text = line(provider_id, f"message {number} of this company's traffic", at)
    bodies.setdefault(path, []).append(text)
    traffic.records["messages"] += 1
    traffic.ids.add((channel, provider_id))


def _payload(number: int) -> str:
    """One WhatsApp webhook call: a message, and the delivery status of another."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100009", "phone_number_id": "1"},
        "messages": [
            {
                "id": f"wamid.{number}",
                "from": "15550100003",
                "timestamp": "1767600000",
                "type": "text",
                "text": {"body": f"message {number}"},
            }
        ],
        "statuses": [
            {
                "id": f"wamid.sent.{number}",
                "status": "delivered",
                "timestamp": "1767600001",
                "recipient_id": "15550100003",
            }
        ],
    }
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]})
