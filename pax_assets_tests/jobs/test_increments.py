"""Conversations and participants: right after every update, and touching only what changed."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pax_assets.jobs.conversations import update_conversations
from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.participants import participant_id, update_participants
from pax_assets.lake import commit, content_hash, read
from pax_assets_tests.landing_objects import DAYS, NOW, land, line, reaction_payload

ADA, BOB, EVE = "+15550100003", "+15550100002", "+15550100004"


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def build(spark, lake, landing):
    """Ingest and build a day, then update both tables."""

    def _build(day: str, lake: str = lake):
        for channel in ("sms", "whatsapp", "email"):
            ingest(lake, str(landing), channel, day, NOW)
        build_messages(spark, lake, day)
        return update_conversations(spark, lake), update_participants(spark, lake)

    return _build


def people(lake: str) -> dict[str, dict]:
    return {row["identities"][0]["value"]: row for row in read(lake, "participants").to_pylist()}


def text(number: int, sender: str, to: str, minute: int, day: int = 5, **more) -> str:
    at = f"2026-01-{day:02d}T10:{minute:02d}:00Z"
    return line(f"m{number}", f"text {number}", at, **{"from": sender, "to": to, **more})


def test_a_conversation_sums_up_its_messages(build, landing, lake):
    land(
        landing,
        f"email/{DAYS[0]}/a.jsonl",
        [
            text(1, "ada@example.org", "bob@example.org", 5, conversation_id="t1", subject="Hi"),
            text(2, "bob@example.org", "ada@example.org", 9, conversation_id="t1", subject="Re"),
            text(3, "eve@example.org", "bob@example.org", 7, conversation_id="t1"),
        ],
    )
    build(DAYS[0])
    (row,) = read(lake, "conversations").to_pylist()
    assert row["channel"] == "email"
    assert row["participants"] == ["ada@example.org", "bob@example.org", "eve@example.org"]
    assert row["subject"] == "Hi"
    assert row["first_message_at"] == datetime(2026, 1, 5, 10, 5, tzinfo=UTC)
    assert row["last_message_at"] == datetime(2026, 1, 5, 10, 9, tzinfo=UTC)
    assert row["message_count"] == 3
    assert row["last_sender"] == "bob@example.org"


def test_one_number_on_two_channels_is_one_person_with_the_names_seen(build, landing, lake):
    land(landing, f"whatsapp/{DAYS[0]}/a.json", [reaction_payload("wamid.1")])
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [text(1, ADA, BOB, 1), text(2, BOB, ADA, 2)])
    build(DAYS[0])
    ada = people(lake)[ADA]
    assert ada["participant_id"] == participant_id(ADA)
    assert ada["identities"] == [{"kind": "phone", "value": ADA}]
    assert ada["channels"] == ["sms", "whatsapp"]
    assert ada["display_names"] == ["Ada"]
    assert (ada["sent_count"], ada["received_count"]) == (2, 1)


@pytest.mark.parametrize(
    ("identity", "kind"),
    [("+15550100003", "phone"), ("a@example.org", "email"), ("BANK", "other"), ("72404", "other")],
)
def test_an_identity_has_a_kind(build, landing, lake, identity, kind):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [text(1, identity, BOB, 1)])
    build(DAYS[0])
    assert people(lake)[identity]["identities"][0]["kind"] == kind


def test_only_what_changed_is_recomputed(build, landing, lake):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [text(1, ADA, BOB, 1), text(2, EVE, BOB, 2)])
    conversations, participants = build(DAYS[0])
    assert conversations.complete
    assert participants.complete
    land(landing, f"sms/{DAYS[1]}/a.jsonl", [text(3, ADA, BOB, 1, day=6)])
    conversations, participants = build(DAYS[1])
    assert (conversations.keys, conversations.rows, conversations.complete) == (1, 2, False)
    assert (participants.keys, participants.rows, participants.complete) == (2, 3, False)
    assert people(lake)[ADA]["sent_count"] == 2
    assert people(lake)[BOB]["received_count"] == 3
    assert people(lake)[EVE]["sent_count"] == 1


def test_an_update_without_news_changes_nothing(build, spark, landing, lake):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [text(1, ADA, BOB, 1)])
    first, _ = build(DAYS[0])
    again = update_conversations(spark, lake)
    assert (again.keys, again.version, again.content_hash) == (
        0,
        first.version,
        first.content_hash,
    )


def test_a_message_that_moves_to_an_older_day_moves_its_people_too(build, landing, lake):
    land(landing, f"sms/{DAYS[1]}/a.jsonl", [text(1, EVE, BOB, 1, day=6)])
    build(DAYS[1])
    assert EVE in people(lake)
    # The same id with another sender, on an older day: that is the message now.
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [text(1, ADA, BOB, 1)])
    build(DAYS[0])
    assert sorted(people(lake)) == [BOB, ADA]
    assert len(read(lake, "conversations")) == 1


def test_updates_day_by_day_equal_one_update_at_the_end(build, spark, landing, lake, tmp_path):
    chance = random.Random(13)
    numbers = [f"+1555010{n:04d}" for n in range(9)]
    for day in (5, 6, 7):
        lines = []
        for number in range(40):
            sender, to = chance.sample(numbers, 2)
            key = chance.randrange(60)
            lines.append(text(key, sender, to, number, day=day, sender_name=f"N{sender[-1]}"))
        land(landing, f"sms/2026-01-{day:02d}/a.jsonl", lines)
    for day in (DAYS[1], DAYS[0], DAYS[2]):
        build(day)
    other = str(tmp_path / "other")
    for day in DAYS:
        ingest(other, str(landing), "sms", day, NOW)
        build_messages(spark, other, day)
    for table, update in (
        ("conversations", update_conversations),
        ("participants", update_participants),
    ):
        assert update(spark, other).complete
        assert content_hash(read(lake, table)) == content_hash(read(other, table))


def test_when_what_happened_cannot_be_told_everything_is_recomputed(build, spark, landing, lake):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [text(1, ADA, BOB, 1), text(2, EVE, BOB, 2)])
    build(DAYS[0])
    kept = read(lake, "messages").slice(0, 1)
    commit.replace(lake, "messages", kept, {"arrival_day": DAYS[0]})
    report = update_conversations(spark, lake)
    assert (report.complete, report.rows) == (True, 1)


def test_compaction_of_the_messages_recomputes_nothing(build, spark, landing, lake):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [text(1, ADA, BOB, 1)])
    build(DAYS[0])
    commit.append(lake, "messages", read(lake, "messages").slice(0, 0))
    update_conversations(spark, lake)
    commit.ensure(lake, "messages").optimize.compact()
    commit.ensure(lake, "messages").alter.set_table_properties({"delta.appendOnly": "false"})
    report = update_conversations(spark, lake)
    assert (report.complete, report.keys) == (False, 0)
