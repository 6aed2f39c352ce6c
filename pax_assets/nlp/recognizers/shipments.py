"""Tracking numbers of parcel carriers, by their check digits, and order numbers, by their words.

A UPS number proves itself. Twelve digits do not: one number in eleven passes FedEx's check. Such
numbers count only behind a word that says what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pax_assets.nlp.recognizers.plain import stands_alone
from pax_assets.nlp.recognizers.spans import Recognized

_SEPARATOR = re.compile("[ \u00a0\u2060-]+")
_GAP = re.compile("[ \u00a0\u2060-]{1,2}")
_LETTERED = re.compile(
    "(?<![0-9A-Za-z])(?:"
    "(?P<ups>1Z(?:[ \u00a0-]?[0-9A-Z]){16})"
    "|(?P<s10>(?-i:[A-Z]{2})[ \u00a0]?[0-9](?:[ \u00a0]?[0-9]){8}[ \u00a0]?(?-i:[A-Z]{2}))"
    "|(?P<dhl>JJ?D(?:[ \u00a0]?[0-9]){18,20}|GM[0-9]{16,22}|JVGL[0-9]{10,20})"
    ")(?![0-9A-Za-z])",
    re.IGNORECASE,
)
# USPS and DHL print their digits in fours.
_GROUPINGS = ((4, 4, 4, 4, 4, 2), (4, 4, 4, 4, 4), (4, 4, 4))
_NUMERIC_LENGTHS = (10, 12, 15, 20, 22, 30, 34)

_CARRIER_WORDS = re.compile(
    r"(?<![^\W_])(?:track(?:ing|ed)?|trace|waybill|awb|shipment|shipped|parcel|package|courier|"
    r"consignment|dispatched|fedex|ups|usps|dhl|sendung\w*|paket\w*|colis|suivi|envío|seguimiento|"
    r"spedizione|zending|pakket)(?![^\W_])",
    re.IGNORECASE,
)
_FEDEX_WORDS = re.compile(r"fed ?ex|track|waybill|awb", re.IGNORECASE)
_DHL_WORDS = re.compile(r"(?<![^\W_])(?:dhl|waybill|awb|sendungs?nummer)", re.IGNORECASE)
_CALLING = re.compile(
    r"(?<![^\W_])(?:call|phone|tel|ring|text|txt|dial|mobile|whatsapp)", re.IGNORECASE
)
_CONTEXT = 60

_NUMBER_WORD = (
    r"(?:#|№|numbers?|nummer|num[eé]ro|número|num|nbr|no|nr|n[°º]|id|ref(?:erence)?|code)"
)
_TICKET = r"(?P<token>[0-9A-Za-z]{1,30}(?:[-/_.][0-9A-Za-z]{1,30}){0,6})(?![^\W_])"
_FILLER = r"[ \u00a0]{0,2}(?:[:=.][ \u00a0]{0,2})?(?:#[ \u00a0]?)?(?:(?:is|ist|est|es)[ :]{1,2})?"
_NAMED_TRACKING = re.compile(
    rf"(?<![^\W_])(?:tracking|waybill|awb|consignment|sendungs|sendung|suivi|seguimiento)"
    rf"[ \u00a0-]{{0,2}}{_NUMBER_WORD}\.?{_FILLER}{_TICKET}",
    re.IGNORECASE,
)
_ORDER = re.compile(
    rf"(?<![^\W_])(?P<word>(?P<purchase>purchase[ -])?orders?|bestell(?:ung|ing)?|bestel|auftrags?|"
    rf"commande|pedido|ordine|encomenda|(?-i:PO|P\.O\.))(?P<colon>:)?[ \u00a0]{{0,2}}-?"
    rf"[ \u00a0]{{0,2}}(?P<number>{_NUMBER_WORD}\.?)?{_FILLER}{_TICKET}",
    re.IGNORECASE,
)
_ORDER_SIGNS = (
    "order",
    "bestel",
    "auftrag",
    "commande",
    "pedido",
    "ordine",
    "encomenda",
    "po",
    "p.o",
)
_TRACKING_SIGNS = ("tracking", "waybill", "awb", "consignment", "sendung", "suivi", "seguimiento")
_LEAST_DIGITS = 9
_OWNED = re.compile(
    r"(?<![^\W_])(?:your|my|our|the|this|their|ihre|deine|votre|su|tu)[ ]\Z", re.IGNORECASE
)
_COUNTED = re.compile(
    r"[ ]?(?:x|pcs?|pieces|units?|items|copies|boxes|kg|lbs?|of|more|stück|usd|eur|gbp|[$€£%])",
    re.IGNORECASE,
)
_AMAZON = re.compile(r"(?<![\w-])(?:[0-9]{3}|D[0-9]{2})-[0-9]{7}-[0-9]{7}(?![\w-])")
# "PO-2024-0117" needs no word before it.
_PREFIXED = re.compile(
    r"(?<![0-9A-Za-z_-])(?:PO|ORD|ORDER)-?[0-9]{4,15}(?:-[0-9]{2,8}){0,2}(?![0-9A-Za-z_-])"
)
_DATE_OR_TIME = re.compile(
    r"[0-9]{1,2}([-/.])[0-9]{1,2}(?:\1[0-9]{2,4})?|(?:19|20)[0-9]{2}[-/.][0-9]{1,2}(?:[-/.][0-9]{1,2})?"
    r"|[0-9]{1,2}(?:am|pm)",
    re.IGNORECASE,
)


def tracking_numbers(text: str, groups: list[tuple[int, int]]) -> Iterator[Recognized]:
    """Find tracking numbers in a plain text. `value` has no separators and capital letters."""
    for match in _LETTERED.finditer(text) if _digits_in(groups) >= _LEAST_DIGITS else ():
        value = _SEPARATOR.sub("", match[0]).upper()
        name = match.lastgroup or ""
        if name == "dhl" or (name == "ups" and _ups(value)) or (name == "s10" and _s10(value)):
            score = 0.9 if name == "dhl" else 1.0
            yield Recognized(*match.span(), "tracking_number", value, f"tracking_{name}", score)
    for start, end in _numeric_candidates(text, groups):
        found = _numeric(text, start, end)
        if found:
            yield found
    for match in _NAMED_TRACKING.finditer(text) if _mentions(text, _TRACKING_SIGNS) else ():
        token = match["token"]
        if len(token) >= 8 and _digits(token) >= 5 and not _DATE_OR_TIME.fullmatch(token):
            yield Recognized(
                *match.span("token"), "tracking_number", token.upper(), "tracking_named", 0.8
            )


def _numeric_candidates(text: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for index, (start, end) in enumerate(groups):
        if end - start in _NUMERIC_LENGTHS:
            yield start, end
        elif end - start == 4:
            for grouping in _GROUPINGS:
                part = groups[index : index + len(grouping)]
                if tuple(e - s for s, e in part) == grouping and all(
                    _GAP.fullmatch(text, one[1], other[0]) for one, other in pairwise(part)
                ):
                    yield start, part[-1][1]
                    break


def _numeric(text: str, start: int, end: int) -> Recognized | None:
    digits = _SEPARATOR.sub("", text[start:end])
    if not stands_alone(text, start, end):
        return None
    context = text[max(0, start - _CONTEXT) : start]
    name = _carrier(digits, context)
    return Recognized(start, end, "tracking_number", digits, name) if name else None


def _carrier(digits: str, context: str) -> str | None:
    """Return the recognizer whose check `digits` pass, given the words before them."""
    match len(digits):
        case 22 if digits[:2] in ("91", "92", "93", "94", "95") and _mod10(digits):
            return "tracking_usps"
        case 22 if digits[:2] == "96" and _mod10(digits[7:]):
            return "tracking_fedex"
        case 30 | 34 if digits[:3] == "420" and _mod10(digits[-22:]):
            return "tracking_usps"
        case 20 if digits[:6] == "003404" and _mod10(digits):
            return "tracking_dhl"
        case 20 if _mod10(digits) and _CARRIER_WORDS.search(context):
            return "tracking_usps"
        case 12 if _fedex_express(digits) and _FEDEX_WORDS.search(context):
            return "tracking_fedex"
        case 15 if _mod10(digits) and _FEDEX_WORDS.search(context):
            return "tracking_fedex"
        case 10 if int(digits[:9]) % 7 == int(digits[9]) and _DHL_WORDS.search(context):
            return None if _CALLING.search(context) else "tracking_dhl"
        case _:
            return None


def order_numbers(text: str) -> Iterator[Recognized]:
    """Find order numbers in a plain text. `value` is the number in capital letters.

    They have no common form: "order number", "order no.", "order #" before a token with two or
    more digits (score 1.0), "order" before six or more digits, or "your order" before letters
    and digits (0.8), or without any word Amazon's form and numbers that begin with "PO" (0.9).
    """
    for match in _ORDER.finditer(text) if _mentions(text, _ORDER_SIGNS) else ():
        token = match["token"]
        named = bool(match["number"]) or "#" in text[match.end("word") : match.start("token")]
        if _DATE_OR_TIME.fullmatch(token):
            continue
        if named:
            if _digits(token) < 2:
                continue
        elif not _speaks_for_itself(text, match):
            continue
        yield Recognized(
            *match.span("token"),
            "order_number",
            token.upper(),
            "order_named" if named else "order_word",
            1.0 if named else 0.8,
        )
    for match in _AMAZON.finditer(text) if "-" in text else ():
        yield Recognized(*match.span(), "order_number", match[0], "order_amazon", 0.9)
    for match in _PREFIXED.finditer(text) if "PO" in text or "ORD" in text else ():
        yield Recognized(*match.span(), "order_number", match[0], "order_prefix", 0.9)


def _speaks_for_itself(text: str, match: re.Match[str]) -> bool:
    token = match["token"]
    if token.isdigit():
        return len(token) >= 6 and not _COUNTED.match(text, match.end())
    owned = (
        match["colon"]
        or match["purchase"]
        or _OWNED.search(text[max(0, match.start() - 8) : match.start()])
    )
    return bool(
        owned and len(token) >= 5 and _digits(token) >= 3 and any(c.isupper() for c in token)
    )


def _mentions(text: str, signs: Sequence[str]) -> bool:
    """Whether one of `signs` occurs, which costs a tenth of the pattern that needs one."""
    small = text.lower()
    return any(sign in small for sign in signs)


def _digits_in(groups: list[tuple[int, int]]) -> int:
    return sum(end - start for start, end in groups)


def _digits(token: str) -> int:
    return sum(one.isdigit() for one in token)


def _mod10(digits: str) -> bool:
    """Check as on every bar code (GS1): threes and ones from the right."""
    return _weighted(digits[-2::-1], (3, 1)) == -int(digits[-1]) % 10


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(d) * weights[i % len(weights)] for i, d in enumerate(digits)) % 10


def _fedex_express(digits: str) -> bool:
    total = sum(int(d) * (3, 1, 7)[i % 3] for i, d in enumerate(digits[:11]))
    return total % 11 % 10 == int(digits[11])


def _ups(value: str) -> bool:
    if not value[-1].isdigit():
        return False
    numbers = [int(c) if c.isdigit() else (ord(c) - 63) % 10 for c in value[2:-1]]
    total = sum(numbers[0::2]) + 2 * sum(numbers[1::2])
    return -total % 10 == int(value[-1])


def _s10(value: str) -> bool:
    """UPU's S10: weights 8 6 4 2 3 5 9 7, modulo 11, and a country that has a post."""
    import phonenumbers

    if value[-2:] not in phonenumbers.SUPPORTED_REGIONS:
        return False
    total = sum(int(d) * w for d, w in zip(value[2:10], (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    return {10: 0, 11: 5}.get(11 - total % 11, 11 - total % 11) == int(value[10])
