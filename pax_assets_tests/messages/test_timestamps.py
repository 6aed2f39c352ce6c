"""Times as sources write them: value, precision and whether the zone was assumed."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.messages.timestamps import read_moment, read_rfc2822


@pytest.mark.parametrize(
    ("value", "expected", "precision", "zone_assumed"),
    [
        ("2026-01-05T10:15:30Z", "2026-01-05T10:15:30+00:00", "second", None),
        ("2026-01-05t10:15:30z", "2026-01-05T10:15:30+00:00", "second", None),
        ("2026-01-05T10:15:30+02:00", "2026-01-05T08:15:30+00:00", "second", None),
        ("2026-01-05 10:15:30 +0530", "2026-01-05T04:45:30+00:00", "second", None),
        ("2026-01-05T10:15:30+25:00", "2026-01-05T10:15:30+00:00", "second", "UTC"),
        ("2026-01-05 10:15:30 UTC", "2026-01-05T10:15:30+00:00", "second", None),
        ("2026-01-05T10:15:30", "2026-01-05T10:15:30+00:00", "second", "UTC"),
        ("2026-01-05T10:15:30.5", "2026-01-05T10:15:30.500000+00:00", "millisecond", "UTC"),
        ("2026-01-05T10:15:30.123456789Z", "2026-01-05T10:15:30.123456+00:00", "microsecond", None),
        ("2026-01-05T10:15", "2026-01-05T10:15:00+00:00", "minute", "UTC"),
        ("2026-01-05", "2026-01-05T00:00:00+00:00", "day", "UTC"),
        ("20260105", "2026-01-05T00:00:00+00:00", "day", "UTC"),
        ("20260105T101530Z", "2026-01-05T10:15:30+00:00", "second", None),
        ("20260105101530", "2026-01-05T10:15:30+00:00", "second", "UTC"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00", "second", None),
        (1697043223, "2023-10-11T16:53:43+00:00", "second", None),
        ("1697043223", "2023-10-11T16:53:43+00:00", "second", None),
        (1697043223.25, "2023-10-11T16:53:43.250000+00:00", "millisecond", None),
        ("1697043223.123456", "2023-10-11T16:53:43.123456+00:00", "microsecond", None),
        (1697043223123, "2023-10-11T16:53:43.123000+00:00", "millisecond", None),
        (1697043223123456, "2023-10-11T16:53:43.123456+00:00", "microsecond", None),
        (1697043223123456789, "2023-10-11T16:53:43.123456+00:00", "microsecond", None),
        ("Thu, 24 Aug 2023 05:01:45 +0000", "2023-08-24T05:01:45+00:00", "second", None),
        ("24 Aug 2023 05:01:45 -0700", "2023-08-24T12:01:45+00:00", "second", None),
        ("Thu, 24 Aug 2023 05:01:45", "2023-08-24T05:01:45+00:00", "second", "UTC"),
        ("Thu, 24 Aug 2023 05:01:45 XYZ", "2023-08-24T05:01:45+00:00", "second", "UTC"),
        ("Thu, 24 Aug 2023 05:01:45 EST", "2023-08-24T10:01:45+00:00", "second", None),
        ("Thu, 24 Aug 2023 05:01:45 -0000", "2023-08-24T05:01:45+00:00", "second", None),
        ("24 Aug 2023 05:01 -0000", "2023-08-24T05:01:00+00:00", "second", None),
    ],
)
def test_a_time_is_read_with_its_precision(value, expected, precision, zone_assumed) -> None:
    moment = read_moment(value)
    assert moment is not None
    assert moment.at.isoformat() == expected
    assert (moment.precision, moment.zone_assumed) == (precision, zone_assumed)


@pytest.mark.parametrize(
    "value",
    [
        None, True, "", "   ", "soon", "yesterday at noon", [], {}, 0, -5, 1, "0", "2026",
        float("nan"), float("inf"), 10**30, "9" * 5000, "9" * 19, "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z", "2026-13-01", "2026-02-30T10:00:00Z", "2026-01-05T25:00:00",
        253402300799, 253402300799000, "253402300799999", 253402300799999999, -1697043223, "-1",
        "1969-12-31", "٢٠٢٦-٠١-٠٥", "Thu, 99 Aug 2023 05:01:45 +0000", "\ud800",
    ],
)  # fmt: skip
def test_what_is_no_time_or_out_of_range_is_none(value) -> None:
    assert read_moment(value) is None


@pytest.mark.parametrize("value", ["", "x" * 10_000, "Thu, 24 Aug 2023 05:01:45 +9999999999"])
def test_a_broken_mail_date_is_none_or_bounded(value) -> None:
    moment = read_rfc2822(value)
    assert moment is None or 1971 <= moment.at.year < 2200


@given(st.datetimes(datetime(1972, 1, 1), datetime(2199, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_a_time_and_its_offset_come_back_from_mail_and_json(wall, minutes) -> None:
    at = wall.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    mail, json = read_rfc2822(format_datetime(at)), read_moment(at.isoformat())
    assert mail is not None
    assert json is not None
    assert mail.at == json.at == at.astimezone(UTC)
    written = at.isoformat()[-6:]
    assert (mail.utc_offset, json.utc_offset) == (written, written if minutes else None)
