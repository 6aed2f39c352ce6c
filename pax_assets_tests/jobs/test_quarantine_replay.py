"""Replaying the quarantine: mended records become messages; a kill at any commit is repaired."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.outcomes import outcomes
from pax_assets.jobs.quarantine_choice import Chosen
from pax_assets.jobs.quarantine_replay import replay
from pax_assets.lake import commit, read
from pax_assets.messages.options import ParseOptions
from pax_assets_tests.landing_objects import DAYS, NOW, hashes, land, line, reaction_payload

DAY = DAYS[0]
# Day and month cannot be told apart: quarantined unless the options say which comes first.
EXPORT = "03/04/25, 10:00 - Ann: hello\n03/04/25, 10:05 - Bob: hi there\n"
NAME = f"whatsapp/{DAY}/WhatsApp Chat with Bob.txt"
MENDED = ParseOptions(date_order="dmy")
TABLES = ["raw_whatsapp", "quarantine", "channel_events", "message_keys", "ledger", "messages"]


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    root = tmp_path / "landing"
    land(root, NAME, EXPORT.encode())
    land(root, f"whatsapp/{DAY}/other.json", [line("x"), "{broken", reaction_payload("wamid.1")])
    return root


def take_in(lake: str, landing: Path, options: ParseOptions = ParseOptions()) -> None:  # noqa: B008
    ingest(lake, str(landing), "whatsapp", DAY, NOW, options=options)


def test_what_a_mended_parser_can_read_becomes_messages(spark, lake, landing, tmp_path):
    take_in(lake, landing)
    build_messages(spark, lake, DAY)
    assert "WhatsApp Chat" in str(read(lake, "quarantine")["raw_uri"].to_pylist())
    report = replay(lake, str(landing), NOW, MENDED)
    assert (report.objects, report.messages) == (2, 2)
    assert list(report.quarantined.values()) == [1]
    assert report.days == [("whatsapp", DAY)]
    for day in report.message_days:
        build_messages(spark, lake, day)
    clean = str(tmp_path / "clean")
    Path(clean).mkdir()
    take_in(clean, landing, MENDED)
    build_messages(spark, clean, DAY)
    assert _comparable(lake) == _comparable(clean)
    assert all(o.reconciled for o in outcomes(lake, "whatsapp", DAY))


def _comparable(lake: str) -> dict[str, object]:
    found = dict(hashes(lake, [name for name in TABLES if name != "ledger"]))
    rows = read(lake, "ledger").drop_columns(["raw_version", "replaces"])
    return found | {"ledger": sorted(map(str, rows.to_pylist()))}


def test_objects_that_the_present_parsers_read_are_left_alone_unless_they_are_named(lake, landing):
    take_in(lake, landing)
    assert replay(lake, str(landing), NOW).objects == 0
    named = Chosen(paths=[f"whatsapp/{DAY}/other.json"])
    report = replay(lake, str(landing), NOW, chosen=named)
    assert (report.objects, report.messages, sum(report.quarantined.values())) == (1, 0, 1)


@pytest.mark.parametrize(
    ("chosen", "objects"),
    [
        (Chosen(channels=["sms"]), 0),
        (Chosen(days=[DAYS[1]]), 0),
        (Chosen(days=[DAY]), 2),
        (Chosen(codes=["no_such_code"]), 0),
        (Chosen(paths=[NAME]), 1),
    ],
)
def test_a_replay_takes_what_was_chosen(lake, landing, chosen, objects):
    take_in(lake, landing)
    assert replay(lake, str(landing), NOW, MENDED, chosen).objects == objects


def test_a_code_chooses_the_objects_that_hold_such_a_record(lake, landing):
    take_in(lake, landing)
    rows = read(lake, "quarantine", ["raw_uri", "code"]).to_pylist()
    (code,) = {row["code"] for row in rows if row["raw_uri"] == NAME}
    report = replay(lake, str(landing), NOW, MENDED, Chosen(codes=[code]))
    assert (report.objects, report.messages) == (1, 2)


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_an_object_that_vanished_is_named_and_its_records_stay(lake, landing, how):
    take_in(lake, landing)
    before = hashes(lake, TABLES)
    if how == "deleted":
        (landing / NAME).unlink()
    else:
        land(landing, NAME, b"something else")
    report = replay(lake, str(landing), NOW, MENDED, Chosen(paths=[NAME]))
    assert (report.objects, report.vanished) == (0, [NAME])
    assert hashes(lake, TABLES) == before


def test_mail_that_could_not_be_fetched_is_tried_again_with_the_same_parsers(lake, tmp_path):
    landing = tmp_path / "mail"
    notice = {
        "notificationType": "Received",
        "mail": {"timestamp": "2026-01-05T10:00:00.000Z", "messageId": "m1"},
        "receipt": {
            "recipients": ["b@example.org"],
            "action": {"type": "S3", "bucketName": "mail", "objectKey": "m1"},
        },
    }
    land(landing, f"email/{DAY}/a.json", json.dumps(notice).encode())
    ingest(lake, str(landing), "email", DAY, NOW)
    assert read(lake, "quarantine")["code"].to_pylist() == ["content_not_fetched"]
    fetching = replace(ParseOptions(), fetch=_fetched)
    report = replay(lake, str(landing), NOW, fetching)
    assert (report.objects, report.messages, report.quarantined) == (1, 1, {})
    assert read(lake, "raw_email")["sender"].to_pylist() == ["a@example.org"]
    assert read(lake, "quarantine").num_rows == 0


def _fetched(bucket: str, key: str) -> bytes:
    assert (bucket, key) == ("mail", "m1")
    return (
        b"From: a@example.org\r\nTo: b@example.org\r\nMessage-ID: <1@example.org>\r\n"
        b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nhello\r\n"
    )


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", range(1, 5))
def test_a_replay_killed_at_any_commit_is_repaired_by_replaying(
    spark, lake, landing, tmp_path, monkeypatch, point, after
):
    # The commits: (events are as they were), quarantine, rows with their entries, ledger, index.
    clean = str(tmp_path / "clean")
    Path(clean).mkdir()
    take_in(clean, landing, MENDED)
    take_in(lake, landing)
    real, seen = commit.commit, []

    def dying(*args, **kwargs):
        seen.append(args)
        if len(seen) == point and not after:
            raise Killed
        real(*args, **kwargs)
        if len(seen) == point:
            raise Killed

    monkeypatch.setattr(commit, "commit", dying)
    with pytest.raises(Killed):
        replay(lake, str(landing), NOW, MENDED)
    monkeypatch.undo()
    replay(lake, str(landing), NOW, MENDED)
    assert _comparable(lake) == _comparable(clean)
    assert all(o.reconciled for o in outcomes(lake, "whatsapp", DAY))
    assert replay(lake, str(landing), NOW, MENDED).objects == 0


def test_a_replay_that_meets_another_run_exchanges_the_rows_once(lake, landing, monkeypatch):
    take_in(lake, landing)
    land(landing, f"whatsapp/{DAY}/late.json", [line("late")])
    real, seen = commit.commit, []

    def meddling(snapshot, *args, **kwargs):
        seen.append(snapshot)
        if len(seen) == 2:
            monkeypatch.setattr(commit, "commit", real)
            take_in(lake, landing, MENDED)
            monkeypatch.setattr(commit, "commit", meddling)
        real(snapshot, *args, **kwargs)

    monkeypatch.setattr(commit, "commit", meddling)
    replay(lake, str(landing), NOW, MENDED)
    found = outcomes(lake, "whatsapp", DAY)
    assert len(found) == 3
    assert all(o.reconciled for o in found)
    assert read(lake, "raw_whatsapp").num_rows == 5
