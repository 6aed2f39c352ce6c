"""IBANs and payment card numbers: both carry check digits, so few digits pass by chance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from pax_assets.nlp.recognizers.plain import stands_alone
from pax_assets.nlp.recognizers.spans import Recognized

_IBAN_START = re.compile(r"(?<![^\W_])[A-Za-z]{2}(?=[ \u00a0]?[0-9][0-9])")
_SEPARATORS = "[ \u00a0\u2060.-]{0,2}"
_SEPARATOR = re.compile("[ \u00a0\u2060.-]+")

_CARD_GAP = re.compile("[ \u00a0\u2060.-]{1,2}")
# How a card number is written in groups; a security code that follows is no part of it.
_CARD_GROUPINGS = ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (8, 8), (6, 13), (4, 4, 4))
_CARD_LENGTHS = range(12, 20)
# Prefix and lengths of the networks' numbers. Visa's 13 digits are left out: none was issued
# for decades, and German article numbers look the same.
_NETWORKS = re.compile(
    r"4(?:\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|64[4-9]\d|65\d{2})\d{12,15}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|3(?:0[0-5]|095|[689]\d)\d{11}"  # Diners Club
    r"|62\d{14,17}"  # UnionPay
    r"|220[0-4]\d{12,15}"  # Mir
    r"|(?:508[5-9]|60[6-8]\d|8[12]\d{2})\d{12}"  # RuPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"  # Maestro
)


def ibans(text: str) -> Iterator[Recognized]:
    """Find IBANs in a plain text: registered country, its length and structure, check digits.

    National rules are not asked: for Belgium `stdnum` knows the banks of its day only.
    """
    for match in _IBAN_START.finditer(text):
        shape = _iban_shape(match[0].upper())
        found = shape and shape.match(text, match.start())
        if not found or text[found.end() : found.end() + 1].isalnum():
            continue
        from stdnum import iban

        compact = _SEPARATOR.sub("", found[0]).upper()
        if iban.is_valid(compact, check_country=False):
            yield Recognized(found.start(), found.end(), "iban", compact, "iban")


@lru_cache(maxsize=1024)
def _iban_shape(country: str) -> re.Pattern[str] | None:
    """Return a pattern of as many characters as `country`'s IBANs have; None if it has none."""
    from stdnum import numdb

    _, properties = numdb.get("iban").info(country)[0]
    lengths = [int(n) for n in re.findall(r"([0-9]+)!", properties.get("bban", ""))]
    if not lengths:
        return None
    return re.compile(rf"[A-Za-z]{{2}}(?:{_SEPARATORS}[0-9A-Za-z]){{{2 + sum(lengths)}}}")


def card_numbers(text: str, groups: list[tuple[int, int]]) -> Iterator[Recognized]:
    """Find card numbers in a plain text: a network's prefix and length, and Luhn's check digit.

    `value` shows the last four digits only: it is what other tables, keys and pictures are made
    of, and a card number must stand in none of them.
    """
    for index, (start, end) in enumerate(groups):
        length = end - start
        if length in _CARD_LENGTHS:
            found = _card(text, start, end)
        elif length in (4, 6, 8):
            found = _grouped_card(text, groups, index)
            if found and _begins_later(text, groups, index):
                continue
        else:
            continue
        if found:
            yield found


def _begins_later(text: str, groups: list[tuple[int, int]], index: int) -> bool:
    """Whether a card's first group is the last one of another number: "+1 415 555 2671 4111 …"."""
    if index == 0 or not _CARD_GAP.fullmatch(text, groups[index - 1][1], groups[index][0]):
        return False
    later = _grouped_card(text, groups, index + 1)
    if later is None:
        return False
    behind = [start for start, _ in groups[index + 2 : index + 7] if start >= later.end]
    return not behind or not _CARD_GAP.fullmatch(text, later.end, behind[0])


def _grouped_card(text: str, groups: list[tuple[int, int]], index: int) -> Recognized | None:
    for grouping in _CARD_GROUPINGS:
        part = groups[index : index + len(grouping)]
        if (
            tuple(end - start for start, end in part) == grouping
            and all(_CARD_GAP.fullmatch(text, one[1], other[0]) for one, other in pairwise(part))
            and (found := _card(text, part[0][0], part[-1][1]))
        ):
            return found
    return None


def _card(text: str, start: int, end: int) -> Recognized | None:
    digits = _SEPARATOR.sub("", text[start:end])
    if not _NETWORKS.fullmatch(digits) or not stands_alone(text, start, end):
        return None
    from stdnum import luhn

    if not luhn.is_valid(digits):
        return None
    return Recognized(start, end, "card_number", f"****{digits[-4:]}", "card_luhn")
