"""Sums of money as amount and ISO 4217 currency: "5k", "€20", "20 bucks", "1.234,50 EUR".

All of the text has to be understood, as with times. A currency that several countries share by
name ("crowns") is that of the default region, if the region has one of that name; else it stays
null and the amount is kept: an amount in the wrong currency would be added up with the others.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

# `pa.decimal128(24, 4)` holds the amounts.
_LARGEST = Decimal(10) ** 20
_MAX_LENGTH = 60

# fmt: off
_ISO = frozenset({
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
    "BGN", "BHD", "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD",
    "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD",
    "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ",
    "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD",
    "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR",
    "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR",
    "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN",
    "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR",
    "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SYP", "SZL", "THB", "TJS",
    "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VES",
    "VND", "VUV", "WST", "XAF", "XCD", "XOF", "XPF", "YER", "ZAR", "ZMW",
})
# fmt: on
_NAMES = {
    "€": "EUR",
    "euro": "EUR",
    "euros": "EUR",
    "eur.": "EUR",
    "us$": "USD",
    "usd$": "USD",
    "c$": "CAD",
    "ca$": "CAD",
    "a$": "AUD",
    "au$": "AUD",
    "nz$": "NZD",
    "hk$": "HKD",
    "s$": "SGD",
    "r$": "BRL",
    "quid": "GBP",
    "sterling": "GBP",
    "pounds sterling": "GBP",
    "yen": "JPY",
    "yuan": "CNY",
    "renminbi": "CNY",
    "rmb": "CNY",
    "₩": "KRW",
    "won": "KRW",
    "₹": "INR",
    "₺": "TRY",
    "₽": "RUB",
    "rubles": "RUB",
    "roubles": "RUB",
    "₴": "UAH",
    "zł": "PLN",
    "zl": "PLN",
    "zloty": "PLN",
    "złoty": "PLN",
    "zlotys": "PLN",
    "rand": "ZAR",
    "reais": "BRL",
    "₪": "ILS",
    "shekel": "ILS",
    "shekels": "ILS",
    "naira": "NGN",
    "₦": "NGN",
    "baht": "THB",
    "฿": "THB",
    "dong": "VND",
    "₫": "VND",
    "forint": "HUF",
    "ft": "HUF",
    "kč": "CZK",
    "kc": "CZK",
    "fr.": "CHF",
    "sfr": "CHF",
    "dirham": "AED",
    "dirhams": "AED",
}  # fmt: skip
# A name that several currencies have: that of the region, and of everybody else (maybe none).
_SHARED: dict[str, tuple[dict[str, str], str | None]] = {}
for _words, _regions, _else in (
    (
        "$ dollar dollars buck bucks",
        "US USD CA CAD AU AUD NZ NZD HK HKD SG SGD TW TWD MX MXN",
        "USD",
    ),
    ("£ pound pounds", "EG EGP GB GBP", "GBP"),
    ("¥ ￥", "CN CNY JP JPY", "JPY"),
    ("kr kr. crown crowns krona kronor krone kroner", "SE SEK NO NOK DK DKK IS ISK CZ CZK", None),
    ("franc francs", "CH CHF LI CHF SN XOF CI XOF CM XAF RW RWF", "CHF"),
    ("peso pesos", "MX MXN AR ARS CL CLP CO COP PH PHP UY UYU", None),
    ("rupee rupees rs rs.", "IN INR PK PKR LK LKR NP NPR", "INR"),
):
    _pairs = _regions.split()
    _table = dict(zip(_pairs[::2], _pairs[1::2], strict=True))
    _SHARED |= dict.fromkeys(_words.split(), (_table, _else))

# A thousandth of these is paid with: three digits after a separator may be less than one.
_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_CENTS = {"c": None, "¢": None, "cent": None, "cents": None, "ct": None, "pence": "GBP", "p": "GBP"}
_TIMES = {
    "k": 1_000, "thousand": 1_000, "grand": 1_000, "m": 1_000_000, "mio": 1_000_000,
    "mn": 1_000_000, "million": 1_000_000, "millions": 1_000_000, "bn": 1_000_000_000,
    "billion": 1_000_000_000, "tn": 10**12, "trillion": 10**12, "lakh": 100_000,
    "lakhs": 100_000, "lac": 100_000, "lacs": 100_000, "crore": 10_000_000, "crores": 10_000_000,
}  # fmt: skip
# fmt: off
_SPOKEN = {
    "a": 1, "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}
# fmt: on

_NUMBER = re.compile(
    # Thousands by one mark, decimals by another.
    r"(?P<grouped>[1-9]\d{0,2}(?:(?P<mark>[.,' \u2019])\d{3})(?:(?P=mark)\d{3})*)"
    r"(?:(?!(?P=mark))[.,](?P<decimals>\d{1,3}))?(?!\d)"
    # Lakhs and crores: pairs of digits before the last three.
    r"|[1-9]\d?(?:,\d\d)+,\d{3}(?:\.\d{1,2})?(?!\d)"
    # Not the dot of "Rs.500".
    r"|\d+(?:[.,]\d{1,4})?|(?<!\w)[.,]\d{1,4}"
)
# "20,-" and "500/-" have no cents.
_NO_CENTS = re.compile(r"^(?:[.,][-\u2013\u2014]+|/[-=])(?!\S)")
_ABOUT = re.compile(
    r"^(?:around|about|approx\.?|approximately|roughly|nearly|almost|ca\.?(?=\s))\s*|^~\s*"
)


@dataclass(frozen=True, slots=True)
class MoneyValue:
    """`amount` in units of `currency` (ISO 4217; None where it was not said or is shared)."""

    amount: Decimal
    currency: str | None
    assumed: str | None


@lru_cache(maxsize=65536)
def money_value(text: str, region: str = "US") -> MoneyValue | None:
    """Return the sum that `text` names, or None where not all of it is understood as one.

    `region` (ISO 3166) decides whose dollars "$" are, and the like.
    """
    if not text or len(text) > _MAX_LENGTH:
        return None
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    folded = folded.strip(" ,;:!?()").rstrip(".")
    assumed = []
    if about := _ABOUT.match(folded):
        folded = folded[about.end() :]
        assumed.append("about")
    found = _NUMBER.search(folded)
    if found:
        before, after = folded[: found.start()].strip(), folded[found.end() :].strip()
        after = _NO_CENTS.sub("", after).strip()
        if after.startswith("+"):
            after = after[1:].strip()
            assumed.append("at_least")
        amount = _decimal(found, (before.upper(), after.upper()))
        if amount is None:
            return None
    else:
        spoken = _spoken(folded)
        if spoken is None:
            return None
        amount, before, after = spoken[0], "", spoken[1]
    factor, after = _factor(after)
    words = [w for w in (before, after) if w]
    cents = words[0] if len(words) == 1 and words[0] in _CENTS and not before else None
    if cents:
        amount, words = amount / 100, []
    currencies = [_currency(word.rstrip(".") or word, region) for word in words]
    if None in currencies:
        return None
    names = {found for found in currencies if found}
    known = {name for name, _ in names if name}
    if len(known) > 1:
        return None
    if any(shared for _, shared in names) and not any(not shared for _, shared in names):
        assumed.append("currency")
    amount = amount * factor
    if not 0 <= amount < _LARGEST:
        return None
    currency = _CENTS[cents] if cents else next(iter(known), None)
    return MoneyValue(amount.quantize(Decimal("0.0001")), currency, ",".join(assumed) or None)


def _decimal(found: re.Match[str], beside: tuple[str, str]) -> Decimal | None:
    """Return the number; None where it is grouped in no known way.

    Three digits after a lone separator are thousands: sums have no third decimal place, but for
    those in the currencies of `_THOUSANDTHS`.
    """
    grouped, decimals = found["grouped"], found["decimals"]
    if grouped is None:
        in_lakhs = found[0].count(",") > 1
        return Decimal(found[0].replace(",", "" if in_lakhs else "."))
    has_thousandths = not _THOUSANDTHS.isdisjoint(beside)
    if decimals is None and has_thousandths and found["mark"] == "." and grouped.count(".") == 1:
        return Decimal(grouped)
    if decimals and len(decimals) == 3 and not has_thousandths:
        return None
    return Decimal(f"{grouped.replace(found['mark'], '')}.{decimals or 0}")


def _factor(after: str) -> tuple[int, str]:
    word = re.match(r"[a-z]+", after)
    if word and word[0] in _TIMES:
        return _TIMES[word[0]], after[word.end() :].strip()
    return 1, after


def _currency(word: str, region: str) -> tuple[str | None, bool] | None:
    """The currency and whether several share its name; None for what is no currency."""
    if word.upper() in _ISO and len(word) == 3:
        return word.upper(), False
    if word in _NAMES:
        return _NAMES[word], False
    if word in _SHARED:
        regions, otherwise = _SHARED[word]
        return regions.get(region, otherwise), True
    return None


def _spoken(text: str) -> tuple[Decimal, str] | None:
    """ "two hundred and fifty euros": the number, and the words after it; "five six": None."""
    words = text.replace("-", " ").split()
    total = current = 0
    used = 0
    for word in words:
        if word in _SPOKEN and not (word == "a" and used):
            value, tens = _SPOKEN[word], current % 100
            if used and not (
                (tens == 0 and (current or total))
                or (tens >= 20 and tens % 10 == 0 and 0 < value < 10)
            ):
                return None
            current += value
        elif word == "hundred" and used:
            if not 0 < current < 100:
                return None
            current *= 100
        elif word == "thousand" and used:
            if total or not 0 < current < 1000:
                return None
            total, current = current * 1000, 0
        elif word != "and" or not used:
            break
        used += 1
    rest = " ".join(words[used:])
    return (Decimal(total + current), rest) if used and rest else None
