"""The channel checks that compare: they fail when the data is wrong, and say what and where."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from pax_assets.defs.channels import checks
from pax_assets.lake import commit
from pax_assets.lake.schemas import LEDGER, QUARANTINE

DAY = date(2026, 2, 10)
AFTER = datetime(2026, 2, 11, 1, tzinfo=UTC)


def note(lake: str, records: dict[date, int], channel: str = "sms") -> None:
    """Write what the ledger says of days: two objects each."""
    rows = [
        {"channel": channel, "arrival_day": day.isoformat(), "raw_uri": f"{n}", "records": part}
        for day, count in records.items()
        for n, part in enumerate((count // 2, count - count // 2))
    ]
    commit.append(lake, "ledger", pa.Table.from_pylist(rows, schema=LEDGER))


def days_before(length: int, count=lambda day: 1000) -> dict[date, int]:
    days = [DAY - timedelta(days=n) for n in range(1, length + 1)]
    return {day: count(day) for day in days}


def weekly(day: date) -> int:
    """A thousand on working days, give or take; a hundred at weekends."""
    return (100 if day.weekday() > 4 else 1000) + day.day % 7


@pytest.mark.parametrize(
    ("records", "day", "passed"),
    [
        (1003, DAY, True),
        (0, DAY, False),
        (100, DAY, False),
        (2000, DAY, False),
        (101, date(2026, 2, 8), True),
        (1000, date(2026, 2, 8), False),
    ],
)
def test_a_day_is_compared_with_its_own_weekday(lake, records, day, passed):
    note(lake, {d: n for d, n in days_before(40, weekly).items() if d < day} | {day: records})
    result = checks.volume_as_usual(lake, "sms", day.isoformat(), AFTER)
    assert result.passed == passed
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert f"sms on {day}: {records} records" in result.description
    assert "expected" in result.description


def test_other_channels_and_older_weeks_do_not_count(lake):
    note(lake, days_before(28) | {DAY: 1000})
    note(lake, days_before(28, lambda day: 5) | {DAY: 5}, "email")
    note(lake, {DAY - timedelta(days=n): 9 for n in range(29, 60)})
    assert checks.volume_as_usual(lake, "sms", DAY.isoformat(), AFTER).passed
    assert checks.volume_as_usual(lake, "email", DAY.isoformat(), AFTER).passed


def test_one_odd_day_in_the_past_does_not_make_the_next_one_usual(lake):
    odd = DAY - timedelta(days=7)
    note(lake, days_before(28, lambda day: 50_000 if day == odd else 1000) | {DAY: 50_000})
    assert not checks.volume_as_usual(lake, "sms", DAY.isoformat(), AFTER).passed


@pytest.mark.parametrize(
    ("history", "now", "said"),
    [
        (28, AFTER - timedelta(hours=2), "when the day is over"),
        (6, AFTER, "only 6 days"),
        (0, AFTER, "only 0 days"),
    ],
)
def test_a_day_is_not_judged_too_early(lake, history, now, said):
    note(lake, days_before(history) | {DAY: 1})
    result = checks.volume_as_usual(lake, "sms", DAY.isoformat(), now)
    assert result.passed
    assert said in result.description


def test_seven_days_of_history_are_enough_to_notice_silence(lake):
    note(lake, days_before(7))
    result = checks.volume_as_usual(lake, "sms", DAY.isoformat(), AFTER)
    assert not result.passed
    assert "sms on 2026-02-10: 0 records, too few" in result.description


def test_days_without_a_record_are_part_of_history(lake):
    note(lake, {DAY - timedelta(days=n): 1000 for n in (7, 14, 21, 28)} | {DAY: 1000})
    assert checks.volume_as_usual(lake, "sms", DAY.isoformat(), AFTER).passed


@pytest.mark.parametrize(("bad", "passed"), [(0, True), (10, True), (11, False), (1000, False)])
def test_the_share_of_quarantined_records_is_judged_and_explained(lake, bad, passed):
    note(lake, {DAY: 1000})
    note(lake, {DAY: 1000}, "email")
    row = {
        "channel": "sms",
        "arrival_day": DAY.isoformat(),
        "code": "json_truncated",
        "reason": "the line ends early",
        "raw_uri": f"sms/{DAY}/a.jsonl",
        "raw_position": "7",
        "payload": b"a secret",
    }
    commit.append(lake, "quarantine", pa.Table.from_pylist([row] * bad, schema=QUARANTINE))
    result = checks.quarantine_share(lake, "sms", DAY.isoformat())
    assert result.passed == passed
    assert f"{bad} of 1000 records" in result.description
    assert checks.quarantine_share(lake, "email", DAY.isoformat()).passed
    if bad:
        shown = result.metadata["reasons"].value
        assert "json_truncated" in shown
        assert f"sms/{DAY}/a.jsonl at 7" in shown
        assert "secret" not in shown
