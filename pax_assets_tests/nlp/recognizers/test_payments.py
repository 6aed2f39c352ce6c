"""Under test: IBANs and card numbers, by their check digits."""

import pytest

from pax_assets_tests.nlp.recognizers.cases import found, recognizers, surfaces


@pytest.mark.parametrize(
    ("text", "surface", "value"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00 and", "DE89 3704 0044 0532 0130 00", None),
        ("to gb82west12345698765432.", "gb82west12345698765432", "GB82WEST12345698765432"),
        ("IBAN:NL91-ABNA-0417-1643-00", "NL91-ABNA-0417-1643-00", "NL91ABNA0417164300"),
        (
            "MT84 MALT 0110 0001 2345 MTLC AST0 01S or",
            "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
            None,
        ),
        ("BE68\u00a05390\u202f0754 7034", "BE68\u00a05390\u202f0754 7034", "BE68539007547034"),
        ("NO93 8601 1117 947 12 kr", "NO93 8601 1117 947", "NO9386011117947"),
    ],
)
def test_an_iban_is_found_with_its_exact_end(text, surface, value):
    assert found(text) == [(surface, value or surface.replace(" ", ""))]


@pytest.mark.parametrize(
    "text",
    [
        "DE89370400440532013001",  # check digits
        "XX89370400440532013000",  # country
        "DE8937040044053201300",  # too short
        "DE893704004405320130001",  # too long
        "GB82123412345698765432",  # structure
        "me 12 34 and no 12 56",
    ],
)
def test_what_fails_the_registry_is_no_iban(text):
    assert found(text, "iban") == []


@pytest.mark.parametrize(
    ("text", "surface"),
    [
        ("Card 4111 1111 1111 1111 12/28 123", "4111 1111 1111 1111"),
        ("5500-0000-0000-0004", "5500-0000-0000-0004"),
        ("378282246310005", "378282246310005"),
        ("3782 822463 10005 ok", "3782 822463 10005"),
        ("4111.1111.1111.1111", "4111.1111.1111.1111"),
        ("no:6011111111111117.", "6011111111111117"),
        ("٤١١١ ١١١١ ١١١١ ١١١١", "٤١١١ ١١١١ ١١١١ ١١١١"),
        ("4111\u202f1111\u202f1111\u202f1111", "4111\u202f1111\u202f1111\u202f1111"),
        ("3530111333300000 2223003122003222", "3530111333300000"),
    ],
)
def test_a_card_number_is_found_and_what_follows_is_not(text, surface):
    assert surfaces(text, "card_number")[0] == surface


def test_cards_in_a_list_without_blanks_are_all_found():
    text = "4111111111111111,5500000000000004;6011111111111117/1228"
    assert surfaces(text) == ["4111111111111111", "5500000000000004", "6011111111111117"]


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # Luhn
        "1111111111111117",  # no network
        "41111111111111111",  # 17 digits
        "0.4111111111111111",
        "a4111111111111111",
        "+4111111111111111",
        "411111111111111",
        "4111 1111 11 11 1111",
    ],
)
def test_what_no_network_issued_is_no_card(text):
    assert found(text, "card_number") == []


def test_the_value_of_a_card_shows_its_last_four_digits_only():
    (one,) = recognizers().find("4111 1111 1111 1234 4111 1111 1111 1111")
    assert one.value == "****1111"


@pytest.mark.parametrize(
    "text",
    [
        "+1 415 555 2671 4111 1111 1111 1111",
        "4111 1111 1111 1111 +1 415 555 2671",
        "4111 1111 1111 1111 2671 4111 1111 1111",
    ],
)
def test_a_card_does_not_begin_with_the_end_of_another_number(text: str) -> None:
    """2671 4111 1111 1111 happens to be a card's number, too."""
    assert "4111 1111 1111 1111" in surfaces(text, "card_number")
