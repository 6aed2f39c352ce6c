"""Sums of money: a table of what people write, and what holds for all of it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.jobs.insights.values.money import _SPOKEN, money_value

SUMS = [
    ("5k", "5000", None),
    ("€20", "20", "EUR"),
    ("20 bucks", "20", "USD"),
    ("1.234,50 EUR", "1234.5", "EUR"),
    ("1,234.50 EUR", "1234.5", "EUR"),
    ("1'234.50 CHF", "1234.5", "CHF"),
    ("1 234,50 €", "1234.5", "EUR"),
    ("1.234 EUR", "1234", "EUR"),
    ("1,234,567.89 usd", "1234567.89", "USD"),
    ("0.125 EUR", "0.125", "EUR"),
    ("85k euros", "85000", "EUR"),
    ("$1.5m", "1500000", "USD"),
    ("2 million dollars", "2000000", "USD"),
    ("3 grand", "3000", None),
    ("GBP 9,408", "9408", "GBP"),
    ("7 pounds", "7", "GBP"),
    ("41 sek", "41", "SEK"),
    ("6,000 crowns", "6000", None),
    ("CA$ 12.99", "12.99", "CAD"),
    ("US$40", "40", "USD"),
    ("$20 USD", "20", "USD"),
    ("Rs. 500", "500", "INR"),
    ("¥5000", "5000", "JPY"),
    ("50 cents", "0.5", None),
    ("20p", "0.2", "GBP"),
    ("two hundred and fifty euros", "250", "EUR"),
    ("a hundred bucks", "100", "USD"),
    ("about $20", "20", "USD"),
    ("ca. 20 €", "20", "EUR"),
    ("ten thousand yen", "10000", "JPY"),
    ("$.50", "0.5", "USD"),
    ("Rs.500", "500", "INR"),
    ("Rs 500/-", "500", "INR"),
    ("€ 20,-", "20", "EUR"),
    ("20,- €", "20", "EUR"),
    ("$7,900.50.", "7900.5", "USD"),
    ("1.234 KWD", "1.234", "KWD"),
    ("KWD 1,234.500", "1234.5", "KWD"),
    ("1,234 KWD", "1234", "KWD"),
    ("₹1,00,000", "100000", "INR"),
    ("₹12,34,567.50", "1234567.5", "INR"),
    ("2.5 lakh rupees", "250000", "INR"),
    ("Rs 3 crore", "30000000", "INR"),
    ("50c", "0.5", None),
    ("$50+", "50", "USD"),
    ("$1 trillion", "1000000000000", "USD"),
    ("twenty-five dollars", "25", "USD"),
    ("twelve hundred dollars", "1200", "USD"),
    ("nine hundred ninety nine thousand euros", "999000", "EUR"),
    ("three thousand and five euros", "3005", "EUR"),
]
NONE = [
    "", "a lot", "$", "twenty", "20-30€", "€20 each", "5 apples", "EUR 5 USD", "-5 €", "€20 or $30",
    "$1,234,56", "1.234.56 EUR", "1.234,500 EUR", "five six euros", "twenty twenty dollars",
    "zero five euros", "nineteen eighty dollars", "five and six euros", "twenty eleven euros",
    "two hundred hundred euros", "2 thousand thousand euros", "a thousand two thousand euros",
    "1e9 EUR", "$" + "9" * 40, "usd", "half",
]  # fmt: skip


@pytest.mark.parametrize(("text", "amount", "currency"), SUMS)
def test_what_a_sum_is(text: str, amount: str, currency: str | None) -> None:
    found = money_value(text)
    assert found is not None
    assert (found.amount, found.currency) == (Decimal(amount), currency)


@pytest.mark.parametrize("text", NONE)
def test_what_is_not_understood_completely_is_no_sum(text: str) -> None:
    assert money_value(text) is None


@pytest.mark.parametrize(
    ("text", "region", "currency"),
    [("$5", "US", "USD"), ("$5", "CA", "CAD"), ("$5", "DE", "USD"), ("5 crowns", "CZ", "CZK"),
     ("5 kr", "NO", "NOK"), ("5 francs", "CM", "XAF"), ("5 pesos", "MX", "MXN"),
     ("5 pesos", "US", None)],
)  # fmt: skip
def test_the_region_says_whose_currency_it_is(text: str, region: str, currency: str | None) -> None:
    found = money_value(text, region)
    assert found is not None
    assert (found.currency, found.assumed) == (currency, "currency")


@pytest.mark.parametrize(
    ("text", "assumed"), [("€50+", "at_least"), ("about €50", "about"), ("€50", None)]
)
def test_what_is_not_exact_says_so(text: str, assumed: str | None) -> None:
    found = money_value(text)
    assert found is not None
    assert (found.amount, found.assumed) == (50, assumed)


@given(st.integers(1, 99_999))
def test_a_number_in_words_is_read_as_it_is(number: int) -> None:
    found = money_value(f"{in_words(number)} euros")
    assert found is not None
    assert found.amount == number


def in_words(number: int) -> str:
    if number >= 1000:
        rest = number % 1000
        return f"{in_words(number // 1000)} thousand" + (f" {in_words(rest)}" if rest else "")
    if number >= 100:
        rest = number % 100
        return f"{in_words(number // 100)} hundred" + (f" and {in_words(rest)}" if rest else "")
    if number > 20 and number % 10:
        return f"{in_words(number - number % 10)}-{in_words(number % 10)}"
    return next(word for word, value in _SPOKEN.items() if value == number and word != "a")


@given(st.decimals(0, 10**9, places=2), st.sampled_from(["{:,} EUR", "€{}", "{} euros"]))
def test_a_sum_that_is_written_out_is_read_as_it_is(amount: Decimal, form: str) -> None:
    found = money_value(form.format(amount))
    assert found is not None
    assert (found.amount, found.currency) == (amount, "EUR")


@given(st.text(max_size=70))
def test_any_text_is_a_sum_or_none(text: str) -> None:
    found = money_value(text)
    assert found is None or 0 <= found.amount < 10**20
