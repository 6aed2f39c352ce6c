"""A text as the rules read it: same length, digits and separators in one spelling.

People paste numbers with no-break spaces, narrow spaces, direction marks, full-width or
Arabic-Indic digits. Every rule would need all of them; instead each character is replaced by one
that rules know, so that an offset in the plain text is the same offset in the original.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

SPACE = "\u00a0"
# Stands for what cannot be seen: direction marks, zero-width spaces, soft hyphens.
INVISIBLE = "\u2060"
_INVISIBLE = "\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_SPACES = "\u1680\u2000-\u200a\u202f\u205f\u3000"
_DASHES = "\u2010-\u2015\u2212\ufe58\ufe63"
_FULL_WIDTH = "\uff0b\uff0d\uff0e\uff20-\uff3a\uff3f\uff41-\uff5a"
_ODD = re.compile(f"[^\\D0-9]|[{_INVISIBLE}{_SPACES}{_DASHES}{_FULL_WIDTH}]")
_IS_INVISIBLE = re.compile(f"[{_INVISIBLE}]")
_IS_SPACE = re.compile(f"[{_SPACES}]")
_IS_DASH = re.compile(f"[{_DASHES}]")

_DIGITS = re.compile(r"[0-9]+")


def plain(text: str) -> str:
    """Return `text` with digits, separators and full-width letters as ASCII, of equal length.

    Spaces of other widths become `SPACE`, what is invisible `INVISIBLE`. Anything else stays.
    """
    return text if text.isascii() else _ODD.sub(_plain_character, text)


def _plain_character(match: re.Match[str]) -> str:
    one = match[0]
    if one.isdigit():
        value = unicodedata.digit(one, -1)
        return str(value) if value >= 0 else one
    if _IS_INVISIBLE.match(one):
        return INVISIBLE
    if _IS_SPACE.match(one):
        return SPACE
    if _IS_DASH.match(one):
        return "-"
    return chr(ord(one) - 0xFEE0)


def digit_groups(text: str) -> list[tuple[int, int]]:
    """Return `(start, end)` of each run of digits in a plain text."""
    return [match.span() for match in _DIGITS.finditer(text)]


def runs(
    text: str, groups: list[tuple[int, int]], gap: re.Pattern[str]
) -> Iterator[list[tuple[int, int]]]:
    """Join groups of digits into runs: neighbours with nothing but `gap` between them."""
    run: list[tuple[int, int]] = []
    for group in groups:
        if run and not gap.fullmatch(text, run[-1][1], group[0]):
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` is no part of a longer word, number or decimal fraction."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before and (before[-1].isalnum() or before[-1] in "_+"):
        return False
    if after and (after[0].isalnum() or after[0] == "_"):
        return False
    return not (
        (len(before) == 2 and before[1] == "." and before[0].isdigit())
        or (len(after) == 2 and after[0] == "." and after[1].isdigit())
    )
