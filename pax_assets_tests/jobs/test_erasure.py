"""Erasing a person: nothing of theirs is left in any byte of the lake, and nobody else's is lost.

The search that finds nothing afterwards is shown to find everything before.
"""

import gzip
import json
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from pax_assets.jobs.conversations import update_conversations
from pax_assets.jobs.erasing.subjects import NotAnIdentity, Subjects, identity
from pax_assets.jobs.features import build_messages
from pax_assets.jobs.identities.evidence import update_identities
from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.insights.insight_tables import (
    DAYS as GRAPH_DAYS,
)
from pax_assets.jobs.insights.insight_tables import (
    EDGES,
    ENTITIES,
    EVIDENCE,
    MENTIONS,
    NODES,
    SCHEMAS,
    SCORED,
)
from pax_assets.jobs.message_features import build_features
from pax_assets.jobs.outcomes import outcomes
from pax_assets.jobs.participants import update_participants
from pax_assets.jobs.quarantine_choice import Chosen
from pax_assets.jobs.quarantine_replay import replay
from pax_assets.lake import commit, content_hash, erase, read
from pax_assets_tests.byte_search import found_in
from pax_assets_tests.landing_objects import DAYS, NOW, land, line, reaction_payload

ADA, BOB, CY = "+15550100001", "+15550100002", "+15550100007"
MAIL = "Ada.Lovelace@Example.org"
NEEDLES = ["15550100001", "(555) 010-0001", "ada.lovelace@example.org", "calculus", "ada speaks"]
CHANNELS = ("sms", "whatsapp", "email")
TABLES = ["messages", "raw_sms", "raw_whatsapp", "raw_email", "quarantine", "channel_events"]


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


def others(number: str, **more) -> str:
    return line(number, f"about {number}", **{"from": CY, "to": BOB, **more})


def eml(sender: str, to: str, number: str, text: str) -> bytes:
    return (
        f"From: {sender}\r\nTo: {to}\r\nMessage-ID: <{number}@example.org>\r\nSubject: {text}\r\n"
        f"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\n{text}\r\n"
    ).encode()


def _landed(root: Path) -> None:
    day = DAYS[0]
    land(
        root,
        f"sms/{day}/a.jsonl",
        [
            line("1", "the calculus"),
            others("2"),
            line("3", "an calculus", **{"from": BOB, "to": "(555) 010-0001"}),
            '{"from": "+1 555 010 0001", "text": "ada speaks',
            '{"broken": by others',
            others("4"),
        ],
    )
    land(root, f"sms/{day}/hers.jsonl", [line("5", "the calculus")])
    land(root, f"sms/{DAYS[1]}/again.jsonl", [line("1", "the calculus"), others("2"), others("6")])
    packed = gzip.compress("\n".join([line("7", "calculus"), others("8")]).encode())
    land(root, f"sms/{DAYS[1]}/packed.jsonl.gz", packed)
    hers = reaction_payload("wamid.1").replace("15550100003", "15550100001")
    payloads = [hers.replace("see you", "calculus"), reaction_payload("wamid.2")]
    land(root, f"whatsapp/{day}/a.jsonl", payloads)
    land(root, f"email/{day}/1.eml", eml(f"Ada <{MAIL}>", "bob@example.org", "m1", "calculus"))
    land(root, f"email/{day}/2.eml", eml("cy@example.org", "bob@example.org", "m2", "about mail"))
    land(root, "sms/.gateway/.x.json.tmp", [line("9", "the calculus")])
    stated = [{"identities": [ADA, MAIL]}, {"identities": [BOB, "bob@example.org"]}]
    land(root, "identities/known.jsonl", [json.dumps(one) for one in stated])


def _bring_up_to_date(spark, lake: str, landing: str) -> None:
    for channel in CHANNELS:
        for day in DAYS[:2]:
            ingest(lake, landing, channel, day, NOW)
    for day in DAYS[:2]:
        build_messages(spark, lake, day)
        build_features(lake, day)
    update_conversations(spark, lake)
    update_identities(lake, landing)
    update_participants(spark, lake)


@pytest.fixture(scope="module")
def full(spark, tmp_path_factory) -> Path:
    """A lake that holds everything, with its landing; tests copy it."""
    root = tmp_path_factory.mktemp("full")
    (root / "lake" / ".staging" / "left").mkdir(parents=True)
    (root / "lake" / ".staging" / "left" / "x").write_text(f"left {ADA} calculus")
    _landed(root / "lake" / "landing")
    _bring_up_to_date(spark, str(root / "lake"), str(root / "lake" / "landing"))
    return root


@pytest.fixture
def place(full, tmp_path) -> tuple[str, str]:
    """A copy of the lake and its landing."""
    shutil.copytree(full / "lake", tmp_path / "copied", copy_function=shutil.copy2)
    return str(tmp_path / "copied"), str(tmp_path / "copied" / "landing")


def state(lake: str) -> dict[str, object]:
    found: dict[str, object] = {name: content_hash(read(lake, name)) for name in TABLES}
    rows = read(lake, "ledger").drop_columns(["raw_version", "etag", "replaces"]).to_pylist()
    return found | {"ledger": sorted(map(str, rows))}


def unreconciled(lake: str) -> list[object]:
    return [
        outcome
        for channel in CHANNELS
        for day in DAYS[:2]
        for outcome in outcomes(lake, channel, day)
        if not outcome.reconciled
    ]


def by_text(lake: str, table: str) -> Counter[str]:
    return Counter(read(lake, table)["text"].to_pylist())


def test_the_search_finds_what_the_erasure_removes(place):
    lake, _ = place
    hits = found_in(Path(lake), NEEDLES)
    assert set(hits) == set(NEEDLES)
    everywhere = str(hits["15550100001"])
    for part in ("raw_sms", "messages", "conversations", "participants", "landing", ".staging"):
        assert part in everywhere
    assert "quarantine" in str(hits["ada speaks"])


def test_a_file_that_nobody_takes_in_is_left_and_reported(spark, place):
    lake, landing = place
    both = eml(MAIL, "b@example.org", "m8", "calculus") + eml("z@example.org", MAIL, "m9", "hers")
    land(Path(landing), f"email/{DAYS[0]}/box.mbox.part", both)
    land(Path(landing), f"sms/{DAYS[0]}/up.jsonl.gz.part", gzip.compress(line("7").encode()))
    land(Path(landing), f"email/{DAYS[0]}/.theirs.tmp", both)
    report = erase(lake, landing, [MAIL])
    left = [".theirs.tmp", "box.mbox.part", "up.jsonl.gz.part"]
    assert sorted(Path(path).name for path in report.left) == left
    assert (Path(landing) / f"email/{DAYS[0]}/box.mbox.part").is_file()


def test_a_person_is_erased_from_every_byte_and_nobody_else_is(spark, place):
    lake, landing = place
    before = by_text(lake, "messages")
    report = erase(lake, landing, ["(555) 010-0001", MAIL])
    assert found_in(Path(lake), NEEDLES) == {}
    assert by_text(lake, "messages") == Counter(
        {text: n for text, n in before.items() if "calculus" not in text}
    )
    assert {f"about {n}" for n in "2468"} | {"about mail\n"} <= {
        text.replace("\r", "") for text in by_text(lake, "messages")
    }
    assert unreconciled(lake) == []
    assert report.messages == 7 - 1
    assert report.left == []
    assert sorted(Path(name).name for name in report.deleted) == [
        ".x.json.tmp",
        "1.eml",
        "hers.jsonl",
        "packed.jsonl.gz",
    ]
    assert sorted(Path(name).name for name in report.rewritten) == [
        "a.jsonl",
        "a.jsonl",
        "again.jsonl",
        "known.jsonl",
    ]
    assert "by others" in str(read(lake, "quarantine")["payload"].to_pylist())
    # What follows from messages is made again, and finds the way on its own.
    kept = state(lake)
    _bring_up_to_date(spark, lake, landing)
    assert state(lake) == kept
    assert found_in(Path(lake), NEEDLES) == {}
    people = read(lake, "participants").to_pylist()
    assert BOB in str(people)
    assert CY in str(people)


def test_a_dry_run_counts_and_changes_nothing(place):
    lake, landing = place
    before = {p: p.read_bytes() for p in Path(lake).rglob("*") if p.is_file()}
    counted = erase(lake, landing, [ADA, MAIL], dry_run=True)
    after = {p: p.read_bytes() for p in Path(lake).rglob("*") if p.is_file()}
    assert before == after
    done = erase(lake, landing, [ADA, MAIL])
    for name in TABLES:
        assert counted.rows.get(name) == done.rows.get(name)
    assert (counted.messages, counted.days) == (done.messages, done.days)
    assert (counted.rewritten, counted.deleted) == (done.rewritten, done.deleted)


def test_erasing_again_and_ingesting_again_change_nothing(place):
    lake, landing = place
    original = (Path(landing) / f"sms/{DAYS[0]}/a.jsonl").read_bytes()
    erase(lake, landing, [ADA, MAIL])
    kept = state(lake)
    again = erase(lake, landing, [ADA, MAIL])
    assert (again.messages, again.rows, again.rewritten, again.deleted) == (0, {}, [], [])
    for channel in CHANNELS:
        for day in DAYS[:2]:
            assert ingest(lake, landing, channel, day, NOW).ingested == 0
    assert state(lake) == kept
    # The very bytes that were erased from do not come back either.
    land(Path(landing), f"sms/{DAYS[0]}/a.jsonl", original)
    assert ingest(lake, landing, "sms", DAYS[0], NOW).ingested == 0
    assert state(lake) == kept


def test_an_object_that_was_rewritten_can_be_replayed(place):
    lake, landing = place
    erase(lake, landing, [ADA, MAIL])
    kept = {name: content_hash(read(lake, name)) for name in ("messages", "quarantine")}
    report = replay(lake, landing, NOW, chosen=Chosen(paths=[f"sms/{DAYS[0]}/a.jsonl"]))
    assert (report.objects, report.messages, report.vanished) == (1, 0, [])
    assert read(lake, "quarantine").num_rows == 1
    assert {name: content_hash(read(lake, name)) for name in ("messages",)} == {
        "messages": kept["messages"]
    }


def test_with_one_identity_the_whole_person_may_be_meant(place):
    lake, landing = place
    erase(lake, landing, [ADA], whole_person=True)
    assert found_in(Path(lake), NEEDLES) == {}


def test_without_it_only_that_identity_is_meant(place):
    lake, landing = place
    erase(lake, landing, [ADA])
    assert "ada.lovelace@example.org" in found_in(Path(lake), NEEDLES)
    assert "15550100001" not in found_in(Path(lake), NEEDLES)


def _kill_at(monkeypatch, point: int, after: bool) -> list:
    real, seen = commit.commit, []

    def dying(*args, **kwargs):
        seen.append(args)
        if len(seen) == point and not after:
            raise Killed
        real(*args, **kwargs)
        if len(seen) == point:
            raise Killed

    monkeypatch.setattr(commit, "commit", dying)
    return seen


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", [1, 2, 3, 5, 8, 11, 14, 17])
def test_an_erasure_killed_at_a_commit_is_ended_by_the_next(full, place, monkeypatch, point, after):
    lake, landing = place
    seen = _kill_at(monkeypatch, point, after)
    try:
        erase(lake, landing, [ADA, MAIL])
    except Killed:
        pass
    else:
        pytest.skip(f"an erasure has {len(seen)} commits only")
    monkeypatch.undo()
    erase(lake, landing, [ADA, MAIL])
    assert found_in(Path(lake), NEEDLES) == {}
    assert unreconciled(lake) == []
    texts = {text.strip() for text in by_text(lake, "messages")}
    assert texts == {"about 2", "about 4", "about 6", "about 8", "about mail", "see you"}
    for channel in CHANNELS:
        for day in DAYS[:2]:
            assert ingest(lake, landing, channel, day, NOW).ingested == 0


INSIGHTS = {
    ENTITIES: [{"text": "calculus"}],
    SCORED: [{"language": "en"}],
    MENTIONS: [{"node_id": "n-hers", "name": "Lady L"}],
    EVIDENCE: [{"head_node": "n-hers", "type": "knows", "tail_node": "n-other"}],
    NODES: [{"node_id": "n-hers", "name": "Lady L"}, {"node_id": "n-other", "name": "kept"}],
    EDGES: [
        {"head_node": "n-hers", "type": "knows", "tail_node": "n-other", "head_text": "Lady L"},
        {"head_node": "n-other", "type": "knows", "tail_node": "n-more", "head_text": "kept"},
    ],
    GRAPH_DAYS: [{"day": DAYS[0], "fingerprint": "x"}],
}


@pytest.mark.parametrize("point", [0, 3, 4, 5, 6, 7])
def test_what_the_model_said_of_the_messages_goes_with_them(place, monkeypatch, point):
    lake, landing = place
    rows = read(lake, "messages").to_pylist()
    hers = next(row for row in rows if "calculus" in row["text"])
    other = next(row for row in rows if "about" in row["text"])
    for table, found in INSIGHTS.items():
        schema = SCHEMAS[table]
        daily = {"message_id", "arrival_day"} <= set(schema.names)
        ids = [{k: one[k] for k in ("message_id", "arrival_day")} for one in (hers, other)]
        more = [found[0] | ids[0], {"name": "kept"} | ids[1]] if daily else found
        kept = [{k: v for k, v in row.items() if k in schema.names} for row in more]
        commit.append(lake, table, pa.Table.from_pylist(kept, schema=schema))
    if point:
        _kill_at(monkeypatch, point, after=True)
        with pytest.raises(Killed):
            erase(lake, landing, [ADA, MAIL])
        monkeypatch.undo()
    erase(lake, landing, [ADA, MAIL])
    assert found_in(Path(lake), [*NEEDLES, "Lady L", hers["message_id"], "n-hers"]) == {}
    for table in (ENTITIES, SCORED, MENTIONS, EVIDENCE, NODES, EDGES):
        assert read(lake, table).num_rows == 1, table
    assert read(lake, GRAPH_DAYS).num_rows == 0


def test_objects_that_nobody_ingested_are_left_and_named_until_they_are(lake, tmp_path):
    landing = tmp_path / "landing"
    name = f"sms/{DAYS[0]}/a.jsonl"
    land(landing, name, [line("1", "calculus"), others("2")])
    before = (landing / name).read_bytes()
    report = erase(lake, str(landing), [ADA, MAIL])
    assert (report.left, report.rewritten, report.deleted) == ([name], [], [])
    assert (landing / name).read_bytes() == before
    ingest(lake, str(landing), "sms", DAYS[0], NOW)
    report = erase(lake, str(landing), [ADA, MAIL])
    assert (report.left, report.rewritten) == ([], [name])
    assert found_in(tmp_path, NEEDLES) == {}


FORMS = {
    "whatsapp/{day}/WhatsApp Chat with Bob.txt": (
        b"13/04/25, 10:00 - +1 555 010 0001: calculus\n13/04/25, 10:05 - Bob: about chats\n"
    ),
    "email/{day}/a.mbox": b"".join(
        b"From x Mon Jan  5 10:00:00 2026\n" + mail + b"\n"
        for mail in (
            eml(MAIL, "bob@example.org", "b1", "calculus"),
            eml("cy@example.org", "bob@example.org", "b2", "about mailboxes"),
        )
    ),
    "sms/{day}/backup.xml": (
        b'<?xml version="1.0" encoding="UTF-8"?><smses count="2">'
        b'<sms address="+15550100001" date="1767607200000" type="1" body="calculus" />'
        b'<sms address="+15550100007" date="1767607200000" type="1" body="about backups" />'
        b"</smses>"
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_of_a_form_that_cannot_be_rewritten_other_peoples_rows_stay(lake, tmp_path, name):
    landing = tmp_path / "landing"
    path = name.format(day=DAYS[0])
    channel = path.split("/")[0]
    land(landing, path, FORMS[name])
    ingest(lake, str(landing), channel, DAYS[0], NOW)
    assert read(lake, f"raw_{channel}").num_rows == 2
    report = erase(lake, str(landing), [ADA, MAIL])
    assert report.deleted == [path]
    (text,) = read(lake, f"raw_{channel}")["text"].to_pylist()
    assert text.startswith("about")
    assert all(o.reconciled for o in outcomes(lake, channel, DAYS[0]))
    assert found_in(tmp_path, NEEDLES) == {}
    land(landing, path, FORMS[name])
    assert ingest(lake, str(landing), channel, DAYS[0], NOW).ingested == 0
    assert read(lake, f"raw_{channel}").num_rows == 1


@pytest.mark.parametrize(
    ("raw", "spelled"),
    [
        ("+1 (555) 010-0001", "+15550100001"),
        ("whatsapp:+15550100001", "+15550100001"),
        ("(212) 555-0101", "+12125550101"),
        ("+49 (0)170 1234567", "+491701234567"),
        ("Ada <ADA@Example.org>", "ada@example.org"),
        ("US.13491208655302741918", "US.13491208655302741918"),
    ],
)
def test_identities_are_read_in_any_spelling(raw, spelled):
    assert identity(raw, "US") == spelled


@pytest.mark.parametrize("text", ["+49 (0)170 1234567", "0049(0)170/1234567", "0170 1234567"])
def test_a_number_is_found_with_the_nought_of_its_country(text):
    person = Subjects.of(["+491701234567"], "US")
    assert person.are_in([f"call {text} now".encode(), b"+49 (0)170 12345678"]) == [True, False]


@pytest.mark.parametrize("raw", ["", "Ada", "123", "@", "a@b, c@d", "%", "+"])
def test_what_would_match_other_people_is_refused(raw):
    with pytest.raises(NotAnIdentity):
        Subjects.of([raw], "US")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call +15550100001.", True),
        ("15550100001", True),
        ("001 555 010 0001", True),
        ("(555) 010-0001", True),
        ('"from":"5550100001"', True),
        ("+1.555.010.0001", True),
        ("115550100001", False),
        ("155501000012", False),
        ("+44 5550100001", False),
        ("+445550100001", False),
        ("mail ADA@example.org now", True),
        ("<ada@example.org>", True),
        ("ada@example.org.", True),
        ("xada@example.org", False),
        ("b.ada@example.org", False),
        ("ada@example.org.uk", False),
        ("ada@exampleXorg", False),
    ],
)
def test_spellings_are_found_and_longer_ones_are_not(text, found):
    person = Subjects.of(["+15550100001", "ada@example.org"], "US")
    data = text.encode()
    assert person.are_in([data, b"\xff\x00 " + data + b" \xfe", b""]) == [found, found, False]
    rows = pa.table({"text": [text], "nested": [[{"value": text}]]})
    assert person.mentioned(rows).tolist() == [found]
