"""The feature store's assets: their checks can fail, and automation follows their content."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.channels.assets import raw_email, raw_sms, raw_whatsapp
from pax_assets.defs.feature_store import checks
from pax_assets.defs.feature_store.assets import conversations, messages, participants
from pax_assets.defs.partitions import DAILY
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets.lake import commit, read
from pax_assets.lake.schemas import MESSAGES
from pax_assets_tests.landing_objects import DAYS, land, line


@dg.asset(partitions_def=DAILY, deps=["messages"], automation_condition=WHEN_A_DEPENDENCY_CHANGED)
def scored() -> None:
    """Stands for whatever follows `messages` day by day."""


ASSETS = [raw_sms, raw_whatsapp, raw_email, messages, conversations, participants, scored]
CHANNELS = ["raw_sms", "raw_whatsapp", "raw_email"]


class Platform:
    """The data assets on an instance of their own, with automation evaluated by hand."""

    def __init__(self, lake: str, landing: Path, instance: dg.DagsterInstance) -> None:
        self.resources = {
            "lake": LakeResource(root=lake, landing=str(landing)),
            "spark": SparkResource(),
        }
        self.instance = instance
        self.definitions = dg.Definitions(assets=ASSETS, resources=self.resources)
        self.cursor = None

    def materialize(self, *keys: str, day: str | None = None) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            ASSETS,
            selection=list(keys),
            partition_key=day,
            resources=self.resources,
            instance=self.instance,
        )

    def requested(self) -> set[tuple[str, str | None]]:
        result = dg.evaluate_automation_conditions(
            defs=self.definitions, instance=self.instance, cursor=self.cursor
        )
        self.cursor = result.cursor
        return {
            (asset.key.to_user_string(), partition)
            for asset in ASSETS
            if result.get_num_requested(asset.key)
            for partition in result.get_requested_partitions(asset.key)
        }


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def platform(spark, lake, landing):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(lake, landing, instance)


def test_messages_follow_each_changed_day_though_siblings_are_missing(platform, landing):
    assert platform.requested() == set()
    land(landing, f"sms/{DAYS[1]}/a.jsonl", [line("a")])
    platform.materialize("raw_sms", day=DAYS[1])
    assert platform.requested() == {("messages", DAYS[1])}
    assert platform.requested() == set()
    result = platform.materialize("messages", day=DAYS[1])
    assert platform.requested() == {
        ("conversations", None),
        ("participants", None),
        ("scored", DAYS[1]),
    }
    assert platform.requested() == set()
    passed = {c.check_name: c.passed for c in result.get_asset_check_evaluations()}
    assert passed["message_id_unique"]
    assert passed["schema"]
    platform.materialize("conversations", "participants")
    platform.materialize("scored", day=DAYS[1])
    assert platform.requested() == set()


def test_the_same_content_again_requests_nothing(platform, landing):
    land(landing, f"sms/{DAYS[1]}/a.jsonl", [line("a")])
    platform.requested()
    for _ in range(2):
        platform.materialize(*CHANNELS, "messages", "scored", day=DAYS[1])
        platform.materialize("conversations", "participants")
    platform.requested()
    platform.materialize("raw_sms", "messages", day=DAYS[1])
    assert platform.requested() == set()


def test_a_duplicate_reaches_messages_and_goes_no_further(platform, landing):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [line("a")])
    platform.requested()
    platform.materialize("raw_sms", "messages", "scored", day=DAYS[0])
    platform.materialize("conversations", "participants")
    platform.requested()
    land(landing, f"sms/{DAYS[0]}/b.jsonl", [line("a")])
    platform.materialize("raw_sms", day=DAYS[0])
    assert platform.requested() == {("messages", DAYS[0])}
    platform.materialize("messages", day=DAYS[0])
    assert platform.requested() == set()


def test_a_message_that_moves_to_an_older_day_is_news_for_both_days(platform, landing, lake):
    land(landing, f"sms/{DAYS[1]}/a.jsonl", [line("a"), line("b")])
    platform.requested()
    platform.materialize("raw_sms", "messages", "scored", day=DAYS[1])
    platform.materialize("conversations", "participants")
    platform.requested()
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [line("a")])
    platform.materialize("raw_sms", day=DAYS[0])
    assert platform.requested() == {("messages", DAYS[0])}
    platform.materialize("messages", day=DAYS[0])
    assert {("scored", DAYS[0]), ("scored", DAYS[1])} <= platform.requested()
    assert read(lake, "messages", ["arrival_day"])["arrival_day"].to_pylist().count(DAYS[1]) == 1


def put(lake: str, **columns) -> pa.Table:
    row = dict.fromkeys(checks.REQUIRED, "x") | {
        "sent_at": datetime(2026, 1, 5, tzinfo=UTC),
        "arrival_day": DAYS[0],
    }
    rows = pa.Table.from_pylist([row | columns], schema=MESSAGES)
    commit.append(lake, "messages", rows)
    return rows


def test_the_uniqueness_check_sees_an_id_on_two_days_and_rows_that_never_arrived(
    platform, landing, lake
):
    for day in DAYS:
        land(landing, f"sms/{day}/a.jsonl", [line("same"), line(day)])
        platform.materialize("raw_sms", "messages", day=day)
    assert all(checks.message_id_unique(lake, day).passed for day in DAYS)
    rows = read(lake, "messages")
    (same,) = (r for r in rows.to_pylist() if r["provider_message_id"] == "same")
    again = pa.Table.from_pylist([same | {"arrival_day": DAYS[1]}], schema=MESSAGES)
    commit.append(lake, "messages", again)
    for day in DAYS[:2]:
        result = checks.message_id_unique(lake, day)
        assert not result.passed
        assert result.metadata["repeated_ids"].value == 1
        assert f"1 ids occur more than once, on {DAYS[0]}, {DAYS[1]}" in result.description
    (other,) = (r for r in rows.to_pylist() if r["provider_message_id"] == DAYS[0])
    moved = pa.Table.from_pylist([other | {"arrival_day": DAYS[2]}], schema=MESSAGES)
    commit.append(lake, "messages", moved)
    result = checks.message_id_unique(lake, DAYS[2])
    assert not result.passed
    assert f"1 rows of {DAYS[2]} did not arrive on it" in result.description


def test_the_uniqueness_check_sees_an_id_twice_on_one_day(platform, landing, lake):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [line("a")])
    platform.materialize("raw_sms", "messages", day=DAYS[0])
    commit.append(lake, "messages", read(lake, "messages"))
    assert not checks.message_id_unique(lake, DAYS[0]).passed


def test_the_uniqueness_check_opens_only_days_that_share_an_id(platform, landing, lake):
    for day in DAYS:
        land(landing, f"sms/{day}/a.jsonl", [line("same" if day != DAYS[1] else "own")])
        platform.materialize("raw_sms", "messages", day=day)
    counted = {day: checks.message_id_unique(lake, day).metadata for day in DAYS}
    assert [counted[day]["other_days_read"].value for day in DAYS] == [1, 0, 1]


def test_the_schema_check_sees_a_null_where_there_must_be_none(lake):
    assert checks.schema(lake, put(lake)).passed
    result = checks.schema(lake, put(lake, text=None))
    assert not result.passed
    assert "text is null in 1 rows" in result.description


def test_the_schema_check_sees_a_missing_column(lake, monkeypatch):
    monkeypatch.setattr(
        "pax_assets.lake.schemas.MESSAGES", pa.schema([*MESSAGES, ("new", pa.int8())])
    )
    result = checks.schema(lake, put(lake))
    assert not result.passed
    assert "new is missing" in result.description


@pytest.mark.parametrize(("age", "passed"), [(1, True), (47, True), (49, False), (9000, False)])
def test_the_event_time_check_names_the_channel_that_is_silent(lake, age, passed):
    now = datetime(2026, 2, 1, tzinfo=UTC)
    put(lake, channel="sms", sent_at=now - timedelta(hours=age), arrival_day=DAYS[1])
    put(lake, channel="email", sent_at=now, arrival_day=DAYS[2])
    result = checks.newest_event_time(lake, now)
    assert result.passed == passed
    assert result.severity == dg.AssetCheckSeverity.WARN
    if not passed:
        assert result.description.startswith(f"sms: the newest message was sent {age} hours ago")
        assert "email" not in result.description


def test_a_message_that_lies_on_an_old_day_does_not_make_the_newest_days_fresh(lake):
    now = datetime(2026, 2, 1, tzinfo=UTC)
    put(lake, sent_at=now, arrival_day="2026-01-01")
    for day in DAYS:
        put(lake, sent_at=now - timedelta(days=9), arrival_day=day)
    assert not checks.newest_event_time(lake, now).passed


def test_an_empty_store_has_no_newest_message(lake):
    assert not checks.newest_event_time(lake).passed
