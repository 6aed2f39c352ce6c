"""Sums of money: a table of what people write, and what holds for all of it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.jobs.insights.values.money import money_value

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
]
NONE = [
    "", "a lot", "$", "twenty", "20-30€", "€20 each", "5 apples", "EUR 5 USD", "-5 €", "€20 or $30",
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


@given(st.decimals(0, 10**9, places=2), st.sampled_from(["{:,} EUR", "€{}", "{} euros"]))
def test_a_sum_that_is_written_out_is_read_as_it_is(amount: Decimal, form: str) -> None:
    found = money_value(form.format(amount))
    assert found is not None
    assert (found.amount, found.currency) == (amount, "EUR")


@given(st.text(max_size=70))
def test_any_text_is_a_sum_or_none(text: str) -> None:
    found = money_value(text)
    assert found is None or 0 <= found.amount < 10**20
