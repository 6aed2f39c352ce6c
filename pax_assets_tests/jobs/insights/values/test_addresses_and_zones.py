"""Addresses in texts as identities are written, and whose clock a message goes by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.jobs.insights.values.addresses import mail_value, phone_value
from pax_assets.jobs.insights.values.zones import sender_zone, zone_of

WINTER, SUMMER = (datetime(2026, month, 5, tzinfo=UTC) for month in (1, 7))


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("(312) 555-0142", "US", "+13125550142"),
        ("312.555.0142", "US", "+13125550142"),
        ("+49 (0)170 1234567", "US", "+491701234567"),
        ("0170 1234567", "DE", "+491701234567"),
        ("tel:+44 20 7946 0958", "US", "+442079460958"),
        ("555", "US", None),
        ("hello", "US", None),
        ("1@2", "US", None),
        ("", "US", None),
        ("9" * 300, "US", None),
    ],
)
def test_a_number_is_in_international_form(text: str, region: str, number: str | None) -> None:
    assert phone_value(text, region) == number


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ann <ANN@Example.org>", "ann@example.org"),
        ("mailto:ann@example.org,", "ann@example.org"),
        ("ann@example.org, ben@example.org", None),
        ("ann", None),
        ("@", None),
    ],
)
def test_a_mail_address_is_in_lower_case(text: str, address: str | None) -> None:
    assert mail_value(text) == address


@pytest.mark.parametrize(
    ("sender", "assumed", "metadata", "wanted"),
    [
        ("+13125550142", "Asia/Tokyo", '{"utc_offset":"+02:00"}', ("Etc/GMT-2", "offset")),
        ("a@b.example", None, '{"utc_offset":"-0500"}', ("Etc/GMT+5", "offset")),
        ("a@b.example", None, '{"utc_offset":"+00:00"}', ("Etc/UTC", "offset")),
        ("a@b.example", None, '{"utc_offset":"+05:30"}', ("+05:30", "offset")),
        ("a@b.example", None, '{"utc_offset":"+0545"}', ("+05:45", "offset")),
        ("a@b.example", None, '{"utc_offset":"-03:30"}', ("-03:30", "offset")),
        ("a@b.example", None, '{"utc_offset":"+14:00"}', ("Etc/GMT-14", "offset")),
        ("a@b.example", None, '{"utc_offset":"+14:30"}', ("Europe/Paris", "default")),
        ("a@b.example", None, '{"utc_offset":"-13:00"}', ("Europe/Paris", "default")),
        ("a@b.example", None, '{"utc_offset":"+05:60"}', ("Europe/Paris", "default")),
        ("a@b.example", None, '{"utc_offset":7200}', ("Europe/Paris", "default")),
        ("a@b.example", None, '{"utc_offset":"noon"}', ("Europe/Paris", "default")),
        ("a@b.example", None, '{"utc_offset":', ("Europe/Paris", "default")),
        ("+13125550142", "Asia/Tokyo", "{}", ("Asia/Tokyo", "assumed")),
        ("+13125550142", "no zone", None, ("America/Chicago", "phone_number")),
        ("+491701234567", None, None, ("Europe/Berlin", "phone_number")),
        # Of a toll-free number of twenty zones, none.
        ("+18005550142", None, None, ("Europe/Paris", "default")),
        ("BANK", None, None, ("Europe/Paris", "default")),
        (None, None, None, ("Europe/Paris", "default")),
    ],
)
def test_the_zone_is_the_surest_one_that_is_known(sender, assumed, metadata, wanted) -> None:
    assert sender_zone(sender, WINTER, assumed, metadata, "Europe/Paris") == wanted
    assert sender_zone(sender, SUMMER, assumed, metadata, "Europe/Paris") == wanted


@given(st.integers(-12 * 60, 14 * 60))
def test_the_zone_of_an_offset_is_that_far_from_utc(minutes: int) -> None:
    ahead = timedelta(minutes=minutes)
    written = datetime(2026, 1, 1, tzinfo=timezone(ahead)).isoformat()[-6:]
    zone, origin = sender_zone(None, WINTER, None, f'{{"utc_offset":"{written}"}}', "Asia/Tokyo")
    assert (zone_of(zone).utcoffset(WINTER), origin) == (ahead, "offset")
