"""Who is one participant: only what evidence says, for as long as it says so."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pax_assets.jobs.features import DAYS_KEY
from pax_assets.jobs.identities import clusters as identity_clusters
from pax_assets.jobs.identities import rules
from pax_assets.jobs.identities.evidence import update_identities
from pax_assets.jobs.identities.identity import canonical, kind_of, participant_id
from pax_assets.jobs.participants import update_participants
from pax_assets.lake import commit, content_hash, read
from pax_assets.lake.schemas import CHANNEL_EVENTS, MESSAGES
from pax_assets_tests.landing_objects import land

DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")
AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
ADA, ADA_NEW, ADA_MAIL, ADA_WA = "+15550100003", "+15550100033", "ada@example.org", "US.13491208"
BOB = "+15550100002"


def message(key: str, sender: str, metadata: dict | None = None, **more) -> dict:
    return {
        "message_id": key,
        "channel": "whatsapp",
        "conversation_id": "c",
        "sender": sender,
        "recipients": [BOB],
        "direction": "inbound",
        "sent_at": AT,
        "text": "hi",
        "source_metadata": json.dumps(metadata or {}, sort_keys=True, separators=(",", ":")),
        **more,
    }


def put(lake: str, day: str, rows: list[dict]) -> None:
    table = pa.Table.from_pylist([{**row, "arrival_day": day} for row in rows], schema=MESSAGES)
    commit.replace(lake, "messages", table, {"arrival_day": day}, metadata={DAYS_KEY: [day]})


def put_event(lake: str, day: str, payload: dict, kind: str = "system") -> None:
    row = {"channel": "whatsapp", "kind": kind, "payload": json.dumps(payload), "raw_uri": "o"}
    row |= {"raw_position": "entry[0]", "received_at": AT, "arrival_day": day}
    commit.append(lake, "channel_events", pa.Table.from_pylist([row], schema=CHANNEL_EVENTS))


def clusters(lake: str) -> list[set[str]]:
    found: dict[str, set[str]] = {}
    for row in read(lake, "identity_clusters").to_pylist():
        found.setdefault(row["participant_id"], set()).add(row["identity"])
    assert all(name == participant_id(canonical(members)) for name, members in found.items())
    return sorted(found.values(), key=sorted)


@pytest.fixture
def landing(tmp_path: Path) -> str:
    return str(tmp_path / "landing")


def pairs(found) -> list[tuple[str, str, str]]:
    return [(e.first, e.second, e.rule) for e in found]


@pytest.mark.parametrize(
    ("sender", "metadata", "expected"),
    [
        (ADA, {"wa_id": ADA[1:], "user_id": ADA_WA}, [(ADA, ADA_WA, "whatsapp_contact")]),
        (ADA, {"user_id": ADA_WA}, [(ADA, ADA_WA, "whatsapp_contact")]),
        (ADA_WA, {"user_id": ADA_WA}, []),
        (ADA, {"wa_id": ADA[1:]}, []),
        (
            ADA,
            {"WaId": ADA[1:], "ExternalUserId": f"whatsapp:{ADA_WA}"},
            [(ADA, ADA_WA, "twilio_sender")],
        ),
        ("Ada", {"names": {"Ada": "Ada"}}, []),
        (ADA, {"user_id": 7}, [(ADA, "7", "whatsapp_contact")]),
    ],
)
def test_a_message_states_what_its_provider_says(sender, metadata, expected):
    assert pairs(rules.of_message(message("m", sender, metadata))) == expected


def test_an_outbound_message_says_nothing_of_its_sender():
    row = message("m", BOB, {"wa_id": ADA[1:], "user_id": ADA_WA}, direction="outbound")
    assert pairs(rules.of_message(row)) == []


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (
            {"phones": [{"phone": "+1 555 010 0003"}], "emails": [{"email": "Ada@Example.org"}]},
            [(ADA, ADA_MAIL, "contact_card")],
        ),
        (
            {
                "phones": [{"phone": "05", "wa_id": "15550100003"}],
                "emails": [{"email": ADA_MAIL}],
            },
            [(ADA, ADA_MAIL, "contact_card")],
        ),
        ({"phones": [{"phone": "0555 0100003"}], "emails": [{"email": ADA_MAIL}]}, []),
        ({"phones": [{"phone": ADA, "type": "MAIN"}], "emails": [{"email": ADA_MAIL}]}, []),
        ({"phones": [{"phone": ADA}], "emails": ["x", None, {"email": 3}]}, []),
        ({"name": {"formatted_name": "Ada"}}, []),
        ("no card", []),
    ],
)
def test_a_contact_card_links_the_phones_and_mailboxes_of_one_person(card, expected):
    row = message("m", BOB, {"contacts": [card]})
    assert pairs(rules.of_message(row)) == expected


def changed(kind: str, **system) -> dict:
    return {"from": ADA[1:], "from_user_id": "US.1", "system": {"type": kind, **system}}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (changed("user_changed_number", wa_id=ADA_NEW[1:]), [(ADA, ADA_NEW, "number_changed")]),
        (
            changed("customer_changed_number", new_wa_id=ADA_NEW[1:], wa_id=ADA[1:]),
            [(ADA, ADA_NEW, "number_changed")],
        ),
        (changed("user_changed_number", wa_id=ADA[1:]), []),
        (changed("user_changed_user_id", user_id="US.2"), [("US.1", "US.2", "user_id_changed")]),
        (changed("customer_identity_changed"), []),
        ({"system": "text"}, []),
        ({}, []),
    ],
)
def test_a_notice_of_a_change_links_what_was_and_what_is(payload, expected):
    row = {
        "kind": "system",
        "payload": json.dumps(payload),
        "raw_uri": "o",
        "raw_position": "p",
        "occurred_at": None,
        "received_at": AT,
    }
    assert pairs(rules.of_event(row)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"identities": ["(555) 010-0003", "Ada@Example.org"]}', None),
        ('{"identities": ["+1 555 010 0003", "Ada@Example.org"], "by": "crm"}', None),
        ('{"identities": ["+15550100003"]}', "fewer than two"),
        ('{"identities": "x"}', "no list"),
        ("[" * 100_000, "not JSON"),
        ('{"identities": ["Ada", "ada@example.org"]}', "no phone number"),
    ],
)
def test_a_line_of_the_data_team_is_used_or_refused_with_a_reason(line, expected):
    if expected is None:
        found = pairs(rules.of_line(line, "US", "f", 1))
        assert found == [(ADA, ADA_MAIL, "stated")]
    else:
        with pytest.raises(rules.UnusableLine, match=expected):
            list(rules.of_line(line, "US", "f", 1))


@pytest.mark.parametrize(
    ("identity", "kind"),
    [
        (ADA, "phone"),
        (ADA_MAIL, "email"),
        (ADA_WA, "whatsapp"),
        ("BANK", "other"),
        ("724", "other"),
    ],
)
def test_an_identity_has_a_kind(identity, kind):
    assert kind_of(identity) == kind


def test_evidence_of_every_source_makes_one_cluster(lake, landing):
    put(lake, DAYS[0], [message("m", ADA, {"wa_id": ADA[1:], "user_id": ADA_WA})])
    put_event(lake, DAYS[1], changed("user_changed_number", wa_id=ADA_NEW[1:]))
    bad = '{"identities": []}'
    land(Path(landing), "identities/crm.jsonl", [json.dumps({"identities": [ADA, ADA_MAIL]}), bad])
    report = update_identities(lake, landing)
    assert clusters(lake) == [{ADA, ADA_NEW, ADA_WA, ADA_MAIL}]
    assert (report.rows, report.clusters, report.merged, report.split) == (3, 1, 1, 0)
    assert report.unusable == [
        "identities/crm.jsonl, line 2: fewer than two addresses, which links nothing"
    ]
    rules = {row["rule"]: row for row in read(lake, "identity_evidence").to_pylist()}
    assert rules["whatsapp_contact"]["source"] == "m"
    assert rules["stated"]["position"] == "line 1"
    assert rules["number_changed"]["source"] == "o"


def test_an_update_without_news_changes_nothing(lake, landing):
    put(lake, DAYS[0], [message("m", ADA, {"wa_id": ADA[1:], "user_id": ADA_WA})])
    first, again = update_identities(lake, landing), update_identities(lake, landing)
    assert (first.content_hash, first.version) == (again.content_hash, again.version)
    assert (first.changed_origins, again.changed_origins) == ([f"messages-{DAYS[0]}"], [])


def test_a_day_that_repeats_what_is_known_looks_at_no_cluster(lake, landing, monkeypatch):
    contact = {"wa_id": ADA[1:], "user_id": ADA_WA}
    put(lake, DAYS[0], [message("m", ADA, contact)])
    update_identities(lake, landing)
    monkeypatch.setattr(identity_clusters, "_components", None)
    put(lake, DAYS[1], [message("n", ADA, contact)])
    assert update_identities(lake, landing).changed_origins == [f"messages-{DAYS[1]}"]


def test_a_cluster_splits_when_its_evidence_goes(lake, landing, spark):
    put(lake, DAYS[0], [message("m", ADA, {"user_id": ADA_WA}), message("n", ADA_WA)])
    put(lake, DAYS[1], [message("o", ADA_MAIL)])
    file = land(Path(landing), "identities/a.jsonl", [json.dumps({"identities": [ADA, ADA_MAIL]})])
    update_identities(lake, landing)
    update_participants(spark, lake)
    assert participants(lake)[participant_id(ADA)] == ({ADA, ADA_WA, ADA_MAIL}, 3)
    file.unlink()
    report = update_identities(lake, landing)
    assert (report.split, report.changed_origins) == (1, ["identities"])
    update_participants(spark, lake)
    assert participants(lake) == {
        participant_id(ADA): ({ADA, ADA_WA}, 2),
        participant_id(ADA_MAIL): ({ADA_MAIL}, 1),
        participant_id(BOB): ({BOB}, 0),
    }
    put(lake, DAYS[0], [message("n", ADA_WA)])
    update_identities(lake, landing)
    update_participants(spark, lake)
    assert participants(lake).keys() == {participant_id(i) for i in (ADA_WA, ADA_MAIL, BOB)}


def participants(lake: str) -> dict[str, tuple[set[str], int]]:
    rows = read(lake, "participants").to_pylist()
    for row in rows:
        held = {identity["value"] for identity in row["identities"]}
        assert set(row["alias_ids"]) == {participant_id(identity) for identity in held}
    return {
        row["participant_id"]: ({i["value"] for i in row["identities"]}, row["sent_count"])
        for row in rows
    }


def test_a_merged_participant_is_found_by_its_former_ids(lake, landing, spark):
    put(lake, DAYS[0], [message("m", ADA_MAIL), message("n", ADA)])
    update_identities(lake, landing)
    assert update_participants(spark, lake).rows == 3
    land(Path(landing), "identities/a.jsonl", [json.dumps({"identities": [ADA_NEW, ADA_MAIL]})])
    update_identities(lake, landing)
    report = update_participants(spark, lake)
    assert not report.complete
    (row,) = (
        row
        for row in read(lake, "participants").to_pylist()
        if participant_id(ADA_MAIL) in row["alias_ids"]
    )
    assert row["participant_id"] == participant_id(ADA_NEW)
    # A number that no message has is known all the same.
    assert {"kind": "phone", "value": ADA_NEW} in row["identities"]
    assert update_participants(spark, lake).keys == 0


def test_equal_names_are_no_evidence(lake, landing):
    names = [{"names": {ADA: "Ada"}}, {"names": {BOB: "Ada"}}]
    put(lake, DAYS[0], [message("m", ADA, names[0]), message("n", BOB, names[1])])
    update_identities(lake, landing)
    assert clusters(lake) == []


def test_clusters_that_were_left_behind_are_made_anew(lake, landing, monkeypatch):
    put(lake, DAYS[0], [message("m", ADA, {"user_id": ADA_WA})])
    with monkeypatch.context() as killed:
        killed.setattr("pax_assets.jobs.identities.evidence.update_clusters", _killed)
        with pytest.raises(KeyboardInterrupt):
            update_identities(lake, landing)
    assert clusters(lake) == []
    update_identities(lake, landing)
    assert clusters(lake) == [{ADA, ADA_WA}]


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_clusters_are_the_components_whatever_came_and_went(lake, tmp_path, landing):
    """Random links appear and vanish, day by day; each state is compared with a new lake's."""
    chance = random.Random(7)
    people = [f"US.{n}" for n in range(12)]
    held: dict[str, list[dict]] = {day: [] for day in DAYS}
    for step in range(12):
        day = chance.choice(DAYS)
        held[day] = [
            message(f"{day}-{n}", f"+1555010000{chance.randrange(9)}", {"user_id": who})
            for n, who in enumerate(chance.sample(people, chance.randrange(5)))
        ]
        put(lake, day, held[day])
        update_identities(lake, landing)
        if step % 3 == 2:
            other = str(tmp_path / f"lake-{step}")
            for name, rows in held.items():
                put(other, name, rows)
            update_identities(other, landing)
            for table in ("identity_clusters", "identity_evidence"):
                assert content_hash(read(lake, table)) == content_hash(read(other, table))


def test_a_long_line_is_refused_and_the_next_one_read(lake, landing):
    lines = ["x" * 200_000, json.dumps({"identities": [ADA, ADA_MAIL]}), "\xff"]
    land(Path(landing), "identities/a.jsonl", "\n".join(lines).encode("latin-1"))
    report = update_identities(lake, landing)
    assert report.rows == 1
    assert report.unusable == [
        "identities/a.jsonl, line 1: longer than 64 KiB",
        "identities/a.jsonl, line 3: not UTF-8",
    ]
