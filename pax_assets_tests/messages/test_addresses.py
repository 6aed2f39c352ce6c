"""Phone numbers and mailboxes come out in one spelling each."""

import pytest

from pax_assets.messages.addresses import mailboxes, phone, whatsapp_number


@pytest.mark.parametrize(
    ("raw", "region", "expected"),
    [
        ("+15550101234", "US", "+15550101234"),
        ("+1 (555) 010-1234", "US", "+15550101234"),
        ("whatsapp:+15550101234", "US", "+15550101234"),
        ("tel:+44 20 7946 0018", "US", "+442079460018"),
        ("+49 (0)170 1234567", "US", "+491701234567"),
        ("+49(0)170/1234567", "DE", "+491701234567"),
        ("(312) 555-0142", "US", "+13125550142"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("0044 20 7946 0018", "GB", "+442079460018"),
        ("555-0142", "US", "555-0142"),
        ("72975", "US", "72975"),
        ("MYBANK", "US", "MYBANK"),
        ("+", "US", "+"),
        ("3125550142", "nowhere", "3125550142"),
        ("  ", "US", ""),
    ],
)
def test_a_phone_number_has_one_spelling(raw, region, expected) -> None:
    assert phone(raw, region) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("15550101234", "+15550101234"),
        ("+15550101234", "+15550101234"),
        ("US.13491208655302741918", "US.13491208655302741918"),
        ("123", "123"),
    ],
)
def test_a_whatsapp_id_is_international_without_plus(raw, expected) -> None:
    assert whatsapp_number(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Ann@Example.ORG", [("", "ann@example.org")]),
        ("Ann Lee <Ann@Example.org>", [("Ann Lee", "ann@example.org")]),
        ('"Lee, Ann" <a@x.org>, b@x.org', [("Lee, Ann", "a@x.org"), ("", "b@x.org")]),
        ("=?utf-8?q?Lee=2C_Ann?= <a@x.org>", [("Lee, Ann", "a@x.org")]),
        ("a@x.org (Ann Lee)", [("Ann Lee", "a@x.org")]),
        ("undisclosed-recipients:;", []),
        ("", []),
        ("team: a@x.org, b@x.org;", [("", "a@x.org"), ("", "b@x.org")]),
        ("<<a@x.org>", [("", "a@x.org")]),
    ],
)
def test_an_address_list_gives_names_and_addresses(raw, expected) -> None:
    assert mailboxes(raw) == expected


@pytest.mark.parametrize("raw", ["(" * 50_000, "a@b," * 50_000, '"' * 9999, "@" * 9999, "\ud800"])
def test_a_hostile_address_list_is_read_without_an_error(raw) -> None:
    assert isinstance(mailboxes(raw), list)
