"""Times against the moment of writing: a table of expressions, and what holds for all of them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
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
    read_expression.cache_clear()
    started = time.perf_counter()
    for text in texts:
        time_value(text, SENT_AT, ZONE)
    for _ in range(20):
        for text in texts:
            time_value(text, SENT_AT, ZONE)
    # 15 microseconds on a quiet machine; the bound is that of the first reading, spread.
    assert (time.perf_counter() - started) / (21 * len(texts)) < 1e-3
