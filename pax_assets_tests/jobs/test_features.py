"""The feature store: one row a message, whatever the order and number of builds."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.lake import commit, read
from pax_assets.lake.content import day_version
from pax_assets.lake.schemas import MESSAGES
from pax_assets_tests.landing_objects import DAYS, NOW, hashes, land, line

# "shared" arrives on each day, with another text each time; "b" and "c" on two days.
ARRIVALS = {DAYS[0]: ["a", "shared"], DAYS[1]: ["b", "shared", "c"], DAYS[2]: ["c", "shared", "b"]}
TABLES = ("messages", "raw_sms", "message_keys")


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("landing")
    for day, ids in ARRIVALS.items():
        land(root, f"sms/{day}/a.jsonl", [line(i, f"{i} of {day}") for i in ids])
    land(root, f"email/{DAYS[0]}/a.jsonl", [line("a", "mail")])
    return root


@pytest.fixture(scope="module")
def in_order(spark, landing, tmp_path_factory) -> dict[str, str]:
    """What the tables hold after the days came in order."""
    lake = str(tmp_path_factory.mktemp("in-order"))
    for day in DAYS:
        take(spark, lake, landing, day)
        build_messages(spark, lake, day)
    return dict(hashes(lake, TABLES))


def take(spark, lake: str, landing: Path, day: str) -> None:
    for channel in ("sms", "email"):
        ingest(lake, str(landing), channel, day, NOW)


def texts(lake: str) -> dict[str, list[str]]:
    rows = read(lake, "messages", ["text", "arrival_day"]).to_pylist()
    days = sorted({row["arrival_day"] for row in rows})
    return {day: sorted(r["text"] for r in rows if r["arrival_day"] == day) for day in days}


EXPECTED = {
    DAYS[0]: ["a of 2026-01-05", "mail", "shared of 2026-01-05"],
    DAYS[1]: ["b of 2026-01-06", "c of 2026-01-06"],
}


def test_the_earliest_arrival_is_the_message(spark, landing, lake):
    for day in DAYS:
        take(spark, lake, landing, day)
        report = build_messages(spark, lake, day)
        assert report.rows == len(EXPECTED.get(day, []))
    assert texts(lake) == EXPECTED
    assert read(lake, "messages").schema == MESSAGES


@pytest.mark.parametrize("order", list(itertools.permutations(DAYS))[1:], ids=" ".join)
def test_days_in_any_order_give_the_same_tables(spark, landing, lake, in_order, order):
    for day in order:
        take(spark, lake, landing, day)
        build_messages(spark, lake, day)
    assert texts(lake) == EXPECTED
    assert hashes(lake, TABLES) == in_order


@settings(max_examples=5, deadline=None)
@given(st.permutations([(step, day) for step in ("take", "build") for day in DAYS]))
def test_builds_and_ingestions_interleave_freely(spark, landing, in_order, steps):
    lake = tempfile.mkdtemp()
    for step, day in steps:
        if step == "take":
            take(spark, lake, landing, day)
        else:
            build_messages(spark, lake, day)
        ids = read(lake, "messages", ["message_id"])["message_id"].to_pylist()
        assert len(ids) == len(set(ids))
    # A build that came before its day's ingestion is asked for again, as automation would.
    for day in DAYS:
        if steps.index(("build", day)) < steps.index(("take", day)):
            build_messages(spark, lake, day)
    assert hashes(lake, TABLES) == in_order
    shutil.rmtree(lake)


@pytest.mark.parametrize("name", ["my lake", "f\u00fcr alle", "a=b+c&d"])
def test_a_lake_may_have_a_name_with_blanks_and_accents(spark, landing, tmp_path, name):
    lake = str(tmp_path / name)
    for day in DAYS[:2]:
        take(spark, lake, landing, day)
        build_messages(spark, lake, day)
    assert texts(lake) == EXPECTED


def test_a_build_that_changes_nothing_commits_nothing(spark, landing, lake):
    take(spark, lake, landing, DAYS[0])
    first = build_messages(spark, lake, DAYS[0])
    files = set(Path(lake, "messages").rglob("*.parquet"))
    second = build_messages(spark, lake, DAYS[0])
    assert (first.changed, second.changed) == (True, False)
    assert second.version == first.version
    assert set(Path(lake, "messages").rglob("*.parquet")) == files


def test_the_content_hash_follows_the_rows_and_not_their_files(spark, lake, tmp_path):
    landing = tmp_path / "landing"
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [line("a"), line("b")])
    take(spark, lake, landing, DAYS[0])
    build_messages(spark, lake, DAYS[0])
    before = day_version(lake, "messages", DAYS[0])
    commit.ensure(lake, "messages").optimize.compact()
    assert day_version(lake, "messages", DAYS[0]) == before
    assert not build_messages(spark, lake, DAYS[0], anew=True).changed
    assert day_version(lake, "messages", DAYS[0]) == before
    land(landing, f"sms/{DAYS[0]}/more.jsonl", [line("more")])
    take(spark, lake, landing, DAYS[0])
    build_messages(spark, lake, DAYS[0])
    assert day_version(lake, "messages", DAYS[0]) != before


def test_an_older_day_takes_its_messages_from_the_later_one_in_one_commit(spark, landing, lake):
    take(spark, lake, landing, DAYS[2])
    build_messages(spark, lake, DAYS[2])
    take(spark, lake, landing, DAYS[1])
    before = commit.ensure(lake, "messages").version()
    report = build_messages(spark, lake, DAYS[1])
    assert report.displaced == {DAYS[2]: 3}
    assert report.version == before + 1
    assert texts(lake) == {DAYS[1]: ["b of 2026-01-06", "c of 2026-01-06", "shared of 2026-01-06"]}


def test_a_day_without_messages_is_an_empty_day(spark, lake):
    report = build_messages(spark, lake, DAYS[0])
    assert (report.rows, report.changed) == (0, False)
    assert read(lake, "messages").num_rows == 0


def test_a_build_killed_before_its_commit_changes_nothing(spark, landing, lake, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*args, **kwargs):
        raise Killed

    take(spark, lake, landing, DAYS[0])
    with monkeypatch.context() as patch:
        patch.setattr(commit, "commit", die)
        with pytest.raises(Killed):
            build_messages(spark, lake, DAYS[0])
    assert read(lake, "messages").num_rows == 0
    assert build_messages(spark, lake, DAYS[0]).rows == 3
