"""Under test: tracking numbers by check digits and context, order numbers by their words."""

import pytest

from pax_assets_tests.nlp.recognizers.cases import found, surfaces


@pytest.mark.parametrize(
    ("text", "surface"),
    [
        ("1Z999AA10123456784", "1Z999AA10123456784"),
        ("ups 1z5r89390357567127!", "1z5r89390357567127"),
        ("1Z 999 AA1 01 2345 6784", "1Z 999 AA1 01 2345 6784"),
        ("RB123456785GB", "RB123456785GB"),
        ("LN 473 124 829 GB", "LN 473 124 829 GB"),
        ("9505511069605048600624", "9505511069605048600624"),
        ("9400 1112 0108 0805 4830 16", "9400 1112 0108 0805 4830 16"),
        ("USPS 03071790000523483741", "03071790000523483741"),
        ("fedex 986578788855", "986578788855"),
        ("FedEx tracking: 7995 3127 4483", "7995 3127 4483"),
        ("fedex 041441760228964", "041441760228964"),
        ("9611020987654312345672", "9611020987654312345672"),
        ("DHL waybill 3318810025", "3318810025"),
        ("JJD000390007882542013", "JJD000390007882542013"),
        ("tracking number: TBA123456789000 thanks", "TBA123456789000"),
    ],
)
def test_a_tracking_number_is_found(text, surface):
    value = surface.replace(" ", "").upper()
    assert found(text, "tracking_number") == [(surface, value)]


@pytest.mark.parametrize(
    "text",
    [
        "1Z999AA10123456785",  # check digit
        "RB123456784GB",
        "RB123456785XX",  # no such country
        "fedex 986578788856",
        "986578788855",  # nobody says that it is one
        "call DHL on 3318810025",
        "DHL waybill 3318810026",
        "9505511069605048600625",
        "tracking number is on its way",
        "tracking no later than 12/05/2024",
    ],
)
def test_what_fails_its_check_or_lacks_its_word_is_no_tracking_number(text):
    assert found(text, "tracking_number") == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Your order #12345 shipped", "12345"),
        ("Order no. AB-1234.", "AB-1234"),
        ("order number is 4711-22, thanks", "4711-22"),
        ("order 1234567 is late", "1234567"),
        ("Your order AB-1234 is late", "AB-1234"),
        ("Bestellnummer 4711123", "4711123"),
        ("Auftragsnummer: 99-1234", "99-1234"),
        ("commande n° 123456", "123456"),
        ("112-1234567-1234567", "112-1234567-1234567"),
        ("see PO-2024-0117", "PO-2024-0117"),
        ("PO #4711", "4711"),
        ("order #4155552671", "4155552671"),
    ],
)
def test_an_order_number_is_found(text, number):
    assert found(text) == [(number, number)]


@pytest.mark.parametrize(
    "text",
    [
        "order 100000 units",
        "I want to order RTX4090 cards",
        "order 2 pizzas",
        "in order 24/7",
        "order no later than 12/05/2024",
        "PO Box 12345",
        "border #12345",
        "order number 2",
        "order by 5pm",
    ],
)
def test_what_people_order_is_no_order_number(text):
    assert found(text) == []


def test_a_card_number_is_not_taken_for_an_order_number():
    assert surfaces("order number 4111111111111111", "card_number") == ["4111111111111111"]
