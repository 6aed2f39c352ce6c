"""Times against the moment of writing: a table of expressions, and what holds for all of them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.jobs.insights.values.time_grammar import read_expression
from pax_assets.jobs.insights.values.times import time_value
from pax_assets_tests.jobs.insights.values.time_cases import CASES, SENT_AT, ZONE


def _wall(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE))


@pytest.mark.parametrize(("text", "wanted"), CASES)
def test_what_an_expression_means(text: str, wanted: tuple[str, str | None, str] | None) -> None:
    found = time_value(text, SENT_AT, ZONE)
    if wanted is None:
        assert found is None
    else:
        assert found is not None
        start, end, precision = wanted
        assert (found.start, found.end) == (_wall(start), _wall(end))
        assert found.precision == precision


@pytest.mark.parametrize(
    ("text", "bound", "assumed"),
    [
        ("by Friday", "by", "coming"),
        ("until next week", "until", None),
        ("since Monday", "since", "coming"),
        ("tomorrow at 5", None, "half_of_day"),
        ("tomorrow at 17:00", None, None),
        ("around 5pm tomorrow", None, "about"),
        ("16 June", None, "year"),
        ("16 June 2027", None, None),
        ("in 2 months", None, "same_day"),
        ("within 24 hours", "until", None),
        ("tonight at 12", None, "after_midnight"),
        ("midnight tonight", None, None),
        ("tomorrow midnight", None, "end_of_day"),
        ("midnight on Friday", None, "coming,end_of_day"),
        ("tomorrow 24:00", None, None),
        ("5pm EST tomorrow", None, "zone_name"),
        ("5pm UTC tomorrow", None, None),
        ("5ish tomorrow", None, "half_of_day,about"),
    ],
)
def test_what_was_not_said_is_named(text: str, bound: str | None, assumed: str | None) -> None:
    found = time_value(text, SENT_AT, ZONE)
    assert found is not None
    assert (found.bound, found.assumed) == (bound, assumed)


@pytest.mark.parametrize(
    ("order", "day"), [("dmy", (2026, 2, 3)), ("mdy", (2026, 3, 2)), ("", None)]
)
def test_a_setting_says_which_is_the_day(order: str, day: tuple[int, int, int] | None) -> None:
    found = time_value("03/02", SENT_AT, "UTC", order)
    assert (found and (found.start.year, found.start.month, found.start.day)) == day


def test_five_o_clock_stays_five_o_clock_where_the_clocks_change() -> None:
    saturday = datetime(2026, 3, 28, 12, tzinfo=UTC)
    found = time_value("tomorrow at 5pm", saturday, ZONE)
    assert found is not None
    assert found.start == datetime(2026, 3, 29, 15, tzinfo=UTC)
    hours = time_value("in 20 hours", saturday, ZONE)
    assert hours is not None
    assert hours.start == saturday + timedelta(hours=20)


@pytest.mark.parametrize(
    ("text", "start", "assumed"),
    [
        ("2026-03-29 02:30", "2026-03-29T01:30", "skipped_hour"),
        ("2026-03-29 03:30", "2026-03-29T01:30", None),
        ("2026-10-25 02:30", "2026-10-25T00:30", "repeated_hour"),
        ("2026-10-25 03:30", "2026-10-25T02:30", None),
        ("2026-10-25 1:30am to 2:30am", "2026-10-24T23:30", "repeated_hour"),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30", None),
        ("2026-10-25", "2026-10-24T22:00", None),
    ],
)
def test_an_hour_that_the_clocks_skip_or_repeat_is_named(
    text: str, start: str, assumed: str | None
) -> None:
    found = time_value(text, SENT_AT, ZONE)
    assert found is not None
    assert found.start == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert found.assumed == assumed


def test_a_range_that_ends_before_it_begins_because_an_hour_is_skipped_is_none() -> None:
    assert time_value("2026-03-29 2:45am to 3:15am", SENT_AT, ZONE) is None


@pytest.mark.parametrize(
    ("text", "sent", "start"),
    [
        ("tonight at 12", "2026-01-14 18:00", "2026-01-15 00:00"),
        ("tonight at 12", "2026-01-15 00:30", "2026-01-16 00:00"),
        ("tonight at 1", "2026-01-14 18:00", "2026-01-15 01:00"),
        ("tonight at 1", "2026-01-15 00:30", "2026-01-15 01:00"),
        ("at 1 at night", "2026-01-15 00:30", "2026-01-15 01:00"),
        ("last night at 11", "2026-01-15 00:30", "2026-01-14 23:00"),
    ],
)
def test_a_night_belongs_to_the_evening_on_which_it_begins(
    text: str, sent: str, start: str
) -> None:
    found = time_value(text, datetime.fromisoformat(sent).replace(tzinfo=UTC), "UTC")
    assert found is not None
    assert found.start == datetime.fromisoformat(start).replace(tzinfo=UTC)


def test_half_an_hour_of_the_sender_s_offset_counts() -> None:
    found = time_value("tomorrow at 5pm", SENT_AT, "+05:30")
    assert found is not None
    assert found.start == datetime(2026, 1, 15, 11, 30, tzinfo=UTC)


def test_today_is_the_sender_s_today() -> None:
    late = datetime(2026, 1, 14, 23, 30, tzinfo=UTC)
    starts = {
        zone: value.start
        for zone in ("UTC", "Asia/Tokyo")
        if (value := time_value("today", late, zone)) is not None
    }
    assert starts["Asia/Tokyo"] - starts["UTC"] == timedelta(hours=15)


def test_a_date_of_no_calendar_is_none_and_a_leap_day_is_the_next_one() -> None:
    assert time_value("30 February 2026", SENT_AT, ZONE) is None
    leap = time_value("29 February", SENT_AT, "UTC")
    assert leap is not None
    assert leap.start == datetime(2028, 2, 29, tzinfo=UTC)


@given(
    st.datetimes(datetime(1972, 1, 1), datetime(2199, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["T", " "]),
    st.sampled_from(["minutes", "seconds", "milliseconds"]),
)
def test_a_timestamp_means_its_minute_whatever_the_sender_s_zone(
    wall: datetime, minutes: int, between: str, until: str
) -> None:
    at = wall.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = at.isoformat(between, until)
    found = time_value(text, SENT_AT, ZONE)
    if between == " " and until == "minutes" and minutes < 0:
        # Like "09:00-10:00".
        return
    assert found is not None
    assert found.start == at.replace(second=0, microsecond=0)
    assert (found.end, found.assumed) == (None, None)


_WORDS = sorted({word for text, _ in CASES for word in text.split()})


@given(
    st.one_of(st.text(max_size=70), st.lists(st.sampled_from(_WORDS), max_size=8).map(" ".join)),
    st.datetimes(datetime(1971, 1, 2), datetime(2199, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["UTC", ZONE, "America/New_York", "Pacific/Apia"]),
)
def test_any_words_are_a_span_of_time_or_none(text: str, sent_at: datetime, zone: str) -> None:
    found = time_value(text, sent_at, zone)
    if found is not None:
        assert found.start.utcoffset() == timedelta()
        assert found.end is None or found.start < found.end
        assert not text.isascii() or time_value(text.upper(), sent_at, zone) == found


def test_reading_takes_little_time_also_for_what_is_no_time() -> None:
    texts = [text for text, _ in CASES] + ["5 5 5 5 5 5 5 5 5 5 5 5 5 5", "at " * 20, "1" * 60]
    texts += ["ish " * 15, "end of " * 8, "12 to noon to 5 " * 3, "in an hour and a half " * 2]
    texts += ["at 5 the 5th in the night on Monday next week of the end x", "5 " * 1_000_000]
    read_expression.cache_clear()
    started = time.perf_counter()
    for text in texts:
        time_value(text, SENT_AT, ZONE)
    for _ in range(20):
        for text in texts:
            time_value(text, SENT_AT, ZONE)
    # 15 microseconds on a quiet machine; the bound is that of the first reading, spread.
    assert (time.perf_counter() - started) / (21 * len(texts)) < 1e-3
