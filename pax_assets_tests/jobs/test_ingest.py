"""Ingestion: every record arrives once, whatever is broken, repeated, late or interrupted."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pax_assets.jobs import ingest as job
from pax_assets.jobs.ingest import IngestReport, ingest
from pax_assets.jobs.rows import parsing
from pax_assets.lake import commit, ledger, read
from pax_assets_tests.landing_objects import DAYS, NOW, hashes, land, line, reaction_payload

DAY = DAYS[0]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def run(spark, lake, landing):
    """Ingest a channel's day of this test's landing folder."""

    def _run(channel="sms", day=DAY, now=NOW, lake=lake, workers=1) -> IngestReport:
        return ingest(lake, str(landing), channel, day, now, workers)

    return _run


def test_each_record_is_a_message_an_event_or_quarantined(run, landing, lake):
    lines = [reaction_payload("wamid.1"), line("a"), "{broken"]
    land(landing, f"whatsapp/{DAY}/mixed.jsonl", lines)
    report = run("whatsapp")
    assert report.totals == {
        "records": 4,
        "messages": 2,
        "channel_events": 1,
        "quarantined": 1,
        "duplicates": 0,
    }
    assert not report.unreconciled
    (event,) = read(lake, "channel_events").to_pylist()
    (broken,) = read(lake, "quarantine").to_pylist()
    assert event["kind"] == "reaction"
    assert event["arrival_day"] == broken["arrival_day"] == DAY
    assert broken["payload"] == b"{broken"
    assert broken["raw_uri"] == f"whatsapp/{DAY}/mixed.jsonl"
    assert broken["code"]
    assert broken["reason"]


def test_a_row_has_every_field_of_the_message(run, landing, lake):
    land(
        landing, f"sms/{DAY}/a.jsonl", [line("a", "x", subject="s"), line("b", "\U0001f600\x00 y")]
    )
    run()
    one, two = read(lake, "raw_sms").sort_by("raw_ordinal").to_pylist()
    assert one["sent_at"] == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert one["sender"] == "+15550100001"
    assert one["recipients"] == ["+15550100002"]
    assert one["received_at"] <= NOW
    assert (one["raw_uri"], one["raw_ordinal"]) == (f"sms/{DAY}/a.jsonl", 0)
    assert two["text"] == "\U0001f600\x00 y"


def test_a_day_without_objects_is_an_empty_day(run, lake):
    report = run()
    assert report.objects == []
    assert report.totals["records"] == 0
    assert read(lake, "raw_sms").num_rows == 0


@pytest.mark.parametrize("day", ["", "2026-1-5", "2026-02-30", "today", "2026-01-05/.."])
def test_what_is_no_day_is_refused_before_anything_is_read(run, landing, lake, day):
    land(landing, f"sms/{DAY}/a.jsonl", [line("a")])
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        run(day=day)
    assert not list(Path(lake).rglob("*"))


def test_the_same_day_twice_changes_nothing_at_all(run, landing, lake):
    land(landing, f"sms/{DAY}/a.jsonl", [line("a"), "{broken"])
    first = run()
    before = hashes(lake)
    second = run()
    assert second.ingested == 0
    assert second.version == first.version
    assert second.totals == first.totals
    assert hashes(lake) == before


def test_a_later_run_takes_what_landed_since(run, landing, lake):
    land(landing, f"sms/{DAY}/a.jsonl", [line("a")])
    run()
    land(landing, f"sms/{DAY}/b.jsonl", [line("b")])
    report = run()
    assert report.ingested == 1
    assert report.totals["messages"] == 2


DUPLICATES = {
    "within an object": ({f"sms/{DAYS[0]}/a": ["x", "x", "y"]}, [(0, 2, 1)]),
    "between objects of a day": (
        {f"sms/{DAYS[0]}/a": ["x"], f"sms/{DAYS[0]}/b": ["x", "y"]},
        [(0, 2, 1)],
    ),
    "between days": (
        {f"sms/{DAYS[0]}/a": ["x"], f"sms/{DAYS[1]}/a": ["x", "y"]},
        [(0, 1, 0), (1, 1, 1)],
    ),
    "before the day that was ingested first": (
        {f"sms/{DAYS[1]}/a": ["x", "y"], f"sms/{DAYS[0]}/a": ["x"]},
        [(1, 2, 0), (0, 1, 0), (1, 1, 1)],
    ),
}


@pytest.mark.parametrize("case", DUPLICATES)
def test_the_earliest_record_is_the_message_and_others_are_duplicates(run, landing, case):
    objects, expected = DUPLICATES[case]
    for path, ids in objects.items():
        land(landing, path, [line(i) for i in ids])
    for day, messages, duplicates in expected:
        report = run(day=DAYS[day])
        assert not report.unreconciled
        assert (report.totals["messages"], report.totals["duplicates"]) == (messages, duplicates)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("garbage", os.urandom(3000)),
        ("nul", b"\x00" * 100),
        ("latin-1", '{"text": "caf\xe9"}'.encode("latin-1")),
        ("half an object", line("a").encode()[:-9]),
        ("a list of numbers", b"[1, 2, 3]"),
        ("half a surrogate pair", b'{"message_id":"s","text":"\\ud83d","timestamp":1767600000}'),
        ("a year beyond columns", line("y", at="9999-12-31T23:59:59Z").encode()),
        ("negative epoch", line("n", at="-99999999").encode()),
    ],
)
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_a_broken_object_stops_nothing_and_is_accounted_for(
    run, landing, lake, channel, name, data
):
    land(landing, f"{channel}/{DAY}/broken", data)
    land(landing, f"{channel}/{DAY}/good.jsonl", [line("good")])
    report = run(channel)
    assert not report.unreconciled
    assert len(report.objects) == 2
    texts = read(lake, f"raw_{channel}")["text"].to_pylist()
    assert "hello" in texts


def test_an_undated_object_counts_for_the_day_it_is_first_seen(run, landing, lake):
    land(landing, "sms/loose.jsonl", [line("a")])
    assert run(day=DAY).ingested == 0
    today = NOW.date().isoformat()
    assert run(day=today).ingested == 1
    tomorrow = NOW + timedelta(days=1)
    assert run(day=tomorrow.date().isoformat(), now=tomorrow).ingested == 0
    assert read(lake, "raw_sms")["arrival_day"].to_pylist() == [today]


def test_an_object_that_grew_is_taken_again_and_only_its_new_records_count(run, landing, lake):
    land(landing, f"sms/{DAY}/log.jsonl", [line("a")])
    run()
    land(landing, f"sms/{DAY}/log.jsonl", [line("a"), line("b"), "{trunc"])
    report = run()
    assert report.ingested == 1
    assert not report.unreconciled
    assert report.totals["messages"] == 2
    assert report.totals["duplicates"] == 1
    assert report.totals["quarantined"] == 1
    assert len({o.raw_uri for o in report.objects}) == 2


def test_an_object_that_was_only_touched_is_not_taken_again(run, landing):
    file = land(landing, f"sms/{DAY}/a.jsonl", [line("a")])
    run()
    os.utime(file, (1, 1))
    report = run()
    assert (report.ingested, report.unchanged) == (0, 1)


def test_an_object_that_cannot_be_opened_is_reported_and_tried_again(run, landing, monkeypatch):
    land(landing, f"sms/{DAY}/a.jsonl", [line("a")])
    land(landing, f"sms/{DAY}/b.jsonl", [line("b")])
    real = parsing.open_object

    def refuse(root, path):
        if path.endswith("a.jsonl"):
            raise PermissionError(path)
        return real(root, path)

    monkeypatch.setattr(parsing, "open_object", refuse)
    report = run()
    assert report.unreadable == {f"sms/{DAY}/a.jsonl": "PermissionError"}
    assert report.totals["messages"] == 1
    monkeypatch.undo()
    assert run().totals["messages"] == 2


def test_worker_processes_and_small_batches_give_the_same_tables(
    run, landing, lake, tmp_path, monkeypatch
):
    for number in range(7):
        ids = [f"{number}-{i}" for i in range(5)]
        land(landing, f"sms/{DAY}/{number}.jsonl", [*(line(i) for i in ids), line("same"), "{x"])
    run()
    other = str(tmp_path / "other")
    monkeypatch.setattr(parsing, "_INLINE_BYTES", 0)
    monkeypatch.setattr(job, "_BATCH_OBJECTS", 4)
    report = run(lake=other, workers=2)
    assert report.ingested == 7
    assert hashes(other) == hashes(lake)


def test_reconciliation_fails_when_a_row_is_lost(run, landing, lake):
    land(landing, f"sms/{DAY}/a.jsonl", [line("a"), line("b"), "{x"])
    assert not run().unreconciled
    kept = read(lake, "raw_sms").slice(1)
    commit.replace(lake, "raw_sms", kept, {"arrival_day": DAY})
    (wrong,) = run().unreconciled
    assert wrong.raw_uri == f"sms/{DAY}/a.jsonl"
    assert (wrong.records, wrong.messages, wrong.quarantined) == (3, 1, 1)


def test_reconciliation_fails_when_a_quarantined_record_is_stored_twice(run, landing, lake):
    land(landing, f"sms/{DAY}/a.jsonl", [line("a"), "{x"])
    run()
    commit.append(lake, "quarantine", read(lake, "quarantine"))
    assert len(run().unreconciled) == 1


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


def _objects(landing: Path) -> None:
    land(landing, f"whatsapp/{DAY}/a.json", [reaction_payload("wamid.1"), "{broken", line("x")])
    land(landing, f"whatsapp/{DAY}/b.json", [reaction_payload("wamid.2"), line("x")])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", range(1, 6))
def test_a_run_killed_at_any_commit_is_repaired_by_running_again(
    run, landing, lake, tmp_path, monkeypatch, point, after
):
    # The commits of a run: quarantine, events, rows with their ledger entries, ledger, index.
    _objects(landing)
    clean = str(tmp_path / "clean")
    run("whatsapp", lake=clean)
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
        run("whatsapp")
    monkeypatch.undo()
    report = run("whatsapp")
    assert not report.unreconciled
    assert hashes(lake) == hashes(clean)


def test_a_run_killed_after_its_rows_were_written_leaves_nothing_to_see(
    run, landing, lake, tmp_path, monkeypatch
):
    _objects(landing)

    def dying(*args):
        raise Killed

    monkeypatch.setattr(job, "_commit_beside", dying)
    with pytest.raises(Killed):
        run("whatsapp")
    monkeypatch.undo()
    assert read(lake, "raw_whatsapp").num_rows == 0
    run("whatsapp")
    clean = str(tmp_path / "clean")
    run("whatsapp", lake=clean)
    assert hashes(lake) == hashes(clean)


def test_leftovers_of_a_killed_run_do_not_outlive_a_change_of_the_object_or_its_day(
    run, landing, lake, monkeypatch
):
    land(landing, "whatsapp/loose.json", ["{broken", "{broken too", line("x")])
    land(landing, f"whatsapp/{DAY}/other.json", ["{stays"])
    run("whatsapp")
    today, tomorrow = NOW, NOW + timedelta(days=1)
    real = job._commit_rows
    monkeypatch.setattr(job, "_commit_rows", lambda *args: (_ for _ in ()).throw(Killed()))
    with pytest.raises(Killed):
        run("whatsapp", day=today.date().isoformat(), now=today)
    monkeypatch.setattr(job, "_commit_rows", real)
    assert read(lake, "quarantine").num_rows == 3
    land(landing, "whatsapp/loose.json", ["{broken", line("x")])
    report = run("whatsapp", day=tomorrow.date().isoformat(), now=tomorrow)
    assert not report.unreconciled
    assert report.totals["quarantined"] == 1
    rows = read(lake, "quarantine").to_pylist()
    assert sorted((r["payload"], r["arrival_day"]) for r in rows) == [
        (b"{broken", tomorrow.date().isoformat()),
        (b"{stays", DAY),
    ]


def test_runs_at_the_same_time_do_not_ingest_an_object_twice(run, landing, lake, tmp_path):
    for day in DAYS:
        for number in range(3):
            lines = [
                line(f"{day}-{number}"),
                line("same"),
                "{broken",
                reaction_payload(f"w{number}"),
            ]
            land(landing, f"whatsapp/{day}/{number}.json", lines)
    clean = str(tmp_path / "clean")
    for day in DAYS:
        run("whatsapp", day, lake=clean)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda day: run("whatsapp", day), [*DAYS, *DAYS]))
    assert sum(report.ingested for report in reports) == 9
    assert hashes(lake) == hashes(clean)


def test_an_object_that_vanishes_before_it_is_read_is_not_in_the_ledger(
    run, landing, lake, monkeypatch
):
    file = land(landing, f"sms/{DAY}/a.jsonl", [line("a")])
    real = parsing.open_object
    monkeypatch.setattr(
        parsing, "open_object", lambda root, path: (file.unlink(missing_ok=True), real(root, path))
    )
    report = run()
    assert list(report.unreadable) == [f"sms/{DAY}/a.jsonl"]
    assert ledger.totals(lake)["objects"] == 0


def test_the_index_knows_each_message_record(run, landing, lake):
    land(landing, f"sms/{DAY}/a.jsonl", [line("a"), line("a"), line("b")])
    run()
    rows = read(lake, "raw_sms", ["message_id", "raw_uri", "raw_ordinal"]).to_pylist()
    indexed = read(lake, "message_keys").to_pylist()
    assert sorted((r["key"], r["raw_uri"], r["raw_ordinal"]) for r in indexed) == sorted(
        (signed(r["message_id"]), r["raw_uri"], r["raw_ordinal"]) for r in rows
    )
    assert {r["arrival_day"] for r in indexed} == {DAY}


def signed(digest: str) -> int:
    return int.from_bytes(bytes.fromhex(digest[:16]), "big", signed=True)
