"""Under test: phone numbers as people write them, and what only looks like one."""

import pytest

from pax_assets_tests.nlp.recognizers.cases import found, recognizers, surfaces


@pytest.mark.parametrize(
    ("text", "surface", "value"),
    [
        ("Call +1 415 555 2671 now", "+1 415 555 2671", "+14155552671"),
        ("(415) 555-2671", "(415) 555-2671", "+14155552671"),
        ("415.555.2671 ext. 12", "415.555.2671 ext. 12", "+14155552671;ext=12"),
        ("Tel-415-555-2671", "415-555-2671", "+14155552671"),
        ("tel:+14155552671", "+14155552671", "+14155552671"),
        ("+49 (0)30 901820", "+49 (0)30 901820", "+4930901820"),
        ("+33\u202f6\u202f12\u202f34\u202f56\u202f78", None, "+33612345678"),
        ("+33\u00a06\u00a012\u00a034\u00a056\u00a078", None, "+33612345678"),
        ("+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧", None, "+966501234567"),
        ("＋１ ４１５ ５５５ ２６７１", None, "+14155552671"),
        ("+1\u2011415\u2011555\u20112671", None, "+14155552671"),
        ("+1 415\u200e 555\u200e 2671", None, "+14155552671"),
        ("\u202b+44 7911 123456\u202c", "+44 7911 123456", "+447911123456"),
    ],
)
def test_a_phone_number_is_found_in_any_spelling(text, surface, value):
    assert found(text) == [(surface or text, value)]


def test_a_number_without_a_country_is_read_in_the_region():
    assert found("0800 169 6031", region="GB") == [("0800 169 6031", "+448001696031")]
    assert found("0800 169 6031", region="US") == []
    assert found("0170/1234567", region="DE") == [("0170/1234567", "+491701234567")]


@pytest.mark.parametrize(
    "text",
    [
        "on 2012-01-02 08:00:00",
        "08/11/2012 12:30",
        "it is 1234567890123456789012345",
        "id a4155552671b",
        "INV-4155552671",
        "ticket #4155552671",
        "code=4155552671",
        "$4155552671",
        "555 2671",
        "1 1 1 1 1 1 1",
        "from (216.46.231.87)",
        "15113     4797    10316    0.32",
        "sum 4155552671.50",
    ],
)
def test_dates_ids_and_sums_are_no_phone_numbers(text):
    assert found(text, "phone_number") == []


def test_a_country_code_makes_a_number_surer_than_the_region_does():
    scores = [one.score for one in recognizers().find("+14155552671, 415-555-2671")]
    assert scores == [1.0, 0.9]


@pytest.mark.parametrize(
    "one",
    ["+1 415 555 2671", "(415) 555-2671", "4155552671", "415-555-2671", "+1 (415) 555-2671"],
)
def test_every_number_of_a_long_list_is_found(one):
    assert surfaces(" ".join([one] * 50)) == [one] * 50
    assert surfaces("/".join([one] * 50)) == [one] * 50


def test_a_trunk_zero_in_brackets_does_not_cut_a_number_in_a_long_list():
    numbers = ["+49 (0)30 901820", "(030) 901820", "0170/1234567"] * 10
    assert surfaces("; ".join(numbers), region="DE") == numbers
    german = ["+49 (0)30 901820"] * 20
    assert surfaces(" ".join(german), region="DE") == german


@pytest.mark.parametrize(
    "text",
    [
        "at 10:00 415 555 2671",
        "10:15:30 415 555 2671",
        "415 555 2671 10:00",
        "call 415 555 2671 9:30am",
        "+1 415 555 2671 4111 1111 1111 1111",
        "415 555 2671 4111 1111 1111 1111",
    ],
)
def test_a_number_beside_a_time_or_a_card_is_found(text: str) -> None:
    assert [value for _, value in found(text, "phone_number")] == ["+14155552671"]


@pytest.mark.parametrize(
    "text",
    ["version 4.15.555.2671", "v4.15.555.2671", "Build 4.15.555.2671", "release 415.555.2671"],
)
def test_a_version_is_no_number(text: str) -> None:
    assert found(text, "phone_number") == []
