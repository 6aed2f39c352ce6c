"""Late and out-of-order messages land in the conversation to which they belong.

A conversation follows from the message alone (who wrote to whom, or which thread its headers
name), so the order of arrival decides nothing: not within a day, not between days, and not if an
update of the conversations came between.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pax_assets.jobs.conversations import update_conversations
from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.lake import content_hash, read
from pax_assets_tests.landing_objects import DAYS, NOW, land, line, reaction_payload

ADA, BOB, EVE = "+15550100003", "+15550100002", "+15550100004"


def text(name: str, sender: str, to: str, at: str) -> str:
    return line(name, f"text {name}", at, **{"from": sender, "to": to})


def mail(name: str, sender: str, to: str, at: str, *thread: str) -> bytes:
    """A mail; `thread` names the mails that came before it, the first one first."""
    headers = [
        f"Message-ID: <{name}@example.org>",
        f"From: {sender}@example.org",
        f"To: {to}@example.org",
        f"Date: {at}",
        "Subject: Re: the contract",
        "Content-Type: text/plain",
    ]
    if thread:
        headers += [
            f"In-Reply-To: <{thread[-1]}@example.org>",
            "References: " + " ".join(f"<{other}@example.org>" for other in thread),
        ]
    return "\r\n".join([*headers, "", f"mail {name}"]).encode()


# What landed, by its day and object, in the order in which it was sent.
OBJECTS: dict[str, list[str] | bytes] = {
    f"sms/{DAYS[0]}/1.jsonl": [text("a1", ADA, BOB, "2026-01-05T10:00:00Z")],
    f"email/{DAYS[0]}/1.eml": mail("root", "ada", "bob", "Mon, 05 Jan 2026 10:00:00 +0000"),
    f"sms/{DAYS[0]}/2.jsonl": [
        text("a2", BOB, ADA, "2026-01-05T10:05:00Z"),
        text("e1", EVE, BOB, "2026-01-05T10:06:00Z"),
    ],
    f"whatsapp/{DAYS[0]}/1.json": [reaction_payload("wamid.1")],
    f"email/{DAYS[1]}/2.eml": mail(
        "second", "bob", "ada", "Tue, 06 Jan 2026 09:00:00 +0000", "root"
    ),
    # It was sent on the first day, and lands on the second; and one message comes again.
    f"sms/{DAYS[1]}/3.jsonl": [
        text("a3", ADA, BOB, "2026-01-05T23:59:00Z"),
        text("a1", ADA, BOB, "2026-01-05T10:00:00Z"),
    ],
    f"email/{DAYS[2]}/3.eml": mail(
        "third", "ada", "bob", "Wed, 07 Jan 2026 09:00:00 +0000", "root", "second"
    ),
    f"sms/{DAYS[2]}/4.jsonl": [text("a4", BOB, ADA, "2026-01-07T08:00:00Z")],
    f"whatsapp/{DAYS[2]}/2.json": [reaction_payload("wamid.2")],
}


class Arrivals:
    """A lake into which objects come in any order, each with a run of its own."""

    def __init__(self, spark: object, lake: str, landing: Path) -> None:
        self._spark, self.lake, self._landing = spark, lake, landing

    def arrive(self, path: str) -> None:
        land(self._landing, path, OBJECTS[path])
        channel, day, _ = path.split("/")
        ingest(self.lake, str(self._landing), channel, day, NOW, paths=[path])
        build_messages(self._spark, self.lake, day)

    def update(self) -> None:
        update_conversations(self._spark, self.lake)

    def conversation_of(self) -> dict[str, str]:
        rows = read(self.lake, "messages", ["provider_message_id", "conversation_id"])
        return {r["provider_message_id"]: r["conversation_id"] for r in rows.to_pylist()}


@pytest.fixture(scope="module")
def in_order(spark, tmp_path_factory) -> Arrivals:
    folder = tmp_path_factory.mktemp("in-order")
    arrivals = Arrivals(spark, str(folder / "lake"), folder / "landing")
    for path in OBJECTS:
        arrivals.arrive(path)
    arrivals.update()
    return arrivals


def test_messages_of_a_thread_share_its_conversation(in_order) -> None:
    of = in_order.conversation_of()
    threads = [
        {of[name] for name in ("a1", "a2", "a3", "a4")},
        {of[f"{name}@example.org"] for name in ("root", "second", "third")},
        {of["e1"]},
        {of["wamid.1"], of["wamid.2"]},
    ]
    assert [len(thread) for thread in threads] == [1, 1, 1, 1]
    assert len(set().union(*threads)) == 4
    counts = read(in_order.lake, "conversations", ["conversation_id", "message_count"])
    found = {r["conversation_id"]: r["message_count"] for r in counts.to_pylist()}
    assert [found[next(iter(thread))] for thread in threads] == [4, 3, 1, 2]


ORDERS = {
    "the last first": sorted(OBJECTS, reverse=True),
    "the answers before the questions": sorted(OBJECTS, key=lambda p: p[-9:], reverse=True),
    "an old day last": sorted(OBJECTS, key=lambda p: (p.split("/")[1] == DAYS[0], p)),
    "shuffled": random.Random(3).sample(sorted(OBJECTS), len(OBJECTS)),
}


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_arrival_decides_nothing(spark, lake, tmp_path, in_order, order) -> None:
    arrivals = Arrivals(spark, lake, tmp_path / "landing")
    for number, path in enumerate(ORDERS[order]):
        arrivals.arrive(path)
        if number in (2, 5):
            # What an update has shown already must not stay behind.
            arrivals.update()
    arrivals.update()
    assert arrivals.conversation_of() == in_order.conversation_of()
    rows = [content_hash(read(each.lake, "conversations")) for each in (arrivals, in_order)]
    assert rows[0] == rows[1]


def test_a_late_message_moves_the_beginning_of_its_conversation(spark, lake, tmp_path) -> None:
    arrivals = Arrivals(spark, lake, tmp_path / "landing")
    arrivals.arrive(f"sms/{DAYS[2]}/4.jsonl")
    arrivals.update()
    (before,) = read(lake, "conversations").to_pylist()
    arrivals.arrive(f"sms/{DAYS[0]}/1.jsonl")
    arrivals.update()
    (after,) = read(lake, "conversations").to_pylist()
    assert after["conversation_id"] == before["conversation_id"]
    assert after["first_message_at"].isoformat() == "2026-01-05T10:00:00+00:00"
    assert after["last_message_at"] == before["last_message_at"]
    assert (before["message_count"], after["message_count"]) == (1, 2)
