"""The order of day and month, decided for a file; wall clocks where summer time begins and ends."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.messages.whatsapp.chat_dates import (
    LocalTime,
    NoHeaderError,
    WallClock,
    decide_order,
)
from pax_assets.messages.whatsapp.chat_headers import header_form

DMY, MDY, YMD, YDM, MYD, DYM = (2, 1, 0), (2, 0, 1), (0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0)


def dates(text: str) -> list[tuple[str, str, str]]:
    """Dates written as `1/2/18 3/2/18`."""
    return [tuple(item.split("/")) for item in text.split()]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "preferred", "order"),
    [
        # A number above 12.
        ("01/02/18 13/02/18", None, DMY),
        ("01/02/18 02/13/18", None, MDY),
        ("2018/06/13", None, YMD),
        ("2018/13/06", None, YDM),
        ("06/2018/13", None, MYD),
        ("13/2018/06", None, DYM),
        # It outweighs the setting.
        ("13/06/18", "mdy", DMY),
        # One pasted line does not outweigh a year of dates.
        ("13/06/18 14/06/18 15/06/18 06/16/18", None, DMY),
        # Dates that would run backwards.
        ("05/03/18 02/04/18", None, DMY),
        ("03/05/18 04/02/18", None, MDY),
        # The number that changes more often.
        ("05/03/18 06/03/18 07/03/18", None, DMY),
        ("03/05/18 03/06/18 03/07/18", None, MDY),
        # Nothing speaks: the setting, or nobody.
        ("03/04/18", None, None),
        ("03/04/18", "dmy", DMY),
        ("03/04/18", "mdy", MDY),
        ("03/04/2018", "ymd", None),
        ("03/04/18 05/06/18", None, None),
        ("04/04/18", None, None),
        # Year first needs no more than itself, in two digits the other number or the setting.
        ("2018/03/04", None, YMD),
        ("18/03/04 18/03/05", None, YMD),
        ("18/03/12", "ymd", YMD),
        ("18/03/12", None, DMY),
        # Once a year is no reason to take the day for the year.
        ("05/06/15 05/06/16 05/06/17 05/06/18", "dmy", DMY),
        ("", None, None),
        ("", "dmy", DMY),
        ("١٣/٠٦/١٨", None, DMY),
    ],
)
def test_the_order_follows_from_the_file_then_from_the_setting(written, preferred, order) -> None:
    assert decide_order(dates(written), preferred, 2027) == order


@given(
    start=st.dates(date(2012, 1, 1), date(2024, 1, 1)),
    steps=st.lists(st.integers(0, 20), min_size=30, max_size=60),
    order=st.sampled_from(["%d/%m/%y", "%m/%d/%y", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y"]),
)
def test_a_chat_of_some_months_always_shows_its_order(start, steps, order) -> None:
    at, written = start, []
    for step in [*steps, 31]:
        written.append(tuple(at.strftime(order).split("/")))
        at += timedelta(days=step)
    expected = {"%d/%m": DMY, "%m/%d": MDY, "%Y/%m": YMD}[order[:5]]
    found = decide_order(written, None, 2027)
    # A month that is short of days above 12 may not show it; then nothing is guessed wrongly.
    assert found == expected or (found is None and sum(steps) < 40)


def read(zone: str, text: str) -> LocalTime | None:
    form = header_form("13/06/18 21:25 - ")
    assert form is not None
    found = form.pattern.match(f"{text} - ")
    assert found is not None
    return WallClock(form, DMY, zone).read(found)


@pytest.mark.parametrize(
    ("zone", "text", "utc", "doubt"),
    [
        ("UTC", "13/06/18 21:25:15", "2018-06-13T21:25:15+00:00", None),
        ("Europe/Berlin", "13/06/18 21:25", "2018-06-13T19:25:00+00:00", None),
        ("Asia/Kolkata", "13/06/18 00:10", "2018-06-12T18:40:00+00:00", None),
        # The hour that was not there, and the one that was there twice.
        ("Europe/Berlin", "25/03/18 02:30", "2018-03-25T01:30:00+00:00", "skipped"),
        ("Europe/Berlin", "28/10/18 02:30", "2018-10-28T00:30:00+00:00", "ambiguous"),
        ("Europe/Berlin", "28/10/18 03:30", "2018-10-28T02:30:00+00:00", None),
        # Gaza's clock changed one minute after midnight, Lord Howe's by half an hour.
        ("Asia/Gaza", "01/04/11 00:00", "2011-03-31T22:00:00+00:00", None),
        ("Asia/Gaza", "01/04/11 00:30", "2011-03-31T22:30:00+00:00", "skipped"),
        ("Australia/Lord_Howe", "01/04/18 01:45", "2018-03-31T14:45:00+00:00", "ambiguous"),
        ("UTC", "15/08/2566 10:00", "2023-08-15T10:00:00+00:00", None),
    ],
)
def test_a_wall_clock_is_read_the_same_way_every_time(zone, text, utc, doubt) -> None:
    time = read(zone, text)
    assert time is not None
    assert (time.at.isoformat(), time.doubt) == (utc, doubt)
    assert time.has_seconds == (text.count(":") == 2)


@pytest.mark.parametrize("text", ["31/02/18 10:00", "00/01/18 10:00", "01/13/2018 10:00"])
def test_a_date_that_no_calendar_has_is_none(text) -> None:
    assert read("UTC", text) is None


@pytest.mark.parametrize("text", ["01/01/1970 10:00", "01/01/9999 23:00", "01/01/2399 10:00"])
def test_a_year_without_messages_leaves_the_local_time(text) -> None:
    time = read("UTC", text)
    assert time is not None
    assert time.at is None
    assert time.text.endswith(text.split()[1])


def test_a_time_that_no_day_has_is_no_header() -> None:
    with pytest.raises(NoHeaderError):
        read("UTC", "01/01/18 10:61")
    with pytest.raises(NoHeaderError):
        read("UTC", "01/01/18 25:00")
