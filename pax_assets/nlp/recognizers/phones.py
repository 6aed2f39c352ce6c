"""Phone numbers, through `phonenumbers` (Google's rules, which change every month).

Its matcher is used on stretches that hold enough digits, never on a whole text: on one it copies
the rest of the text at each time stamp, gives up after 65,535 failures without saying so, and
costs 26 µs where there is nothing to find.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache

from pax_assets.nlp.recognizers.plain import runs
from pax_assets.nlp.recognizers.spans import Recognized

# What phonenumbers accepts between two groups of digits, at most four of it.
_GAP = re.compile(
    "[-x\u2010-\u2015\u2212\u30fc\uff0d-\uff0f \u00a0\u00ad\u200b\u2060\u3000()\uff08\uff09"
    "\uff3b\uff3d.\\[\\]/~\u2053\u223c\uff5e]{0,4}"
)
_MIN_DIGITS = 7
# A longer stretch is a list or a table. It is taken apart where one number may end and the next
# begin, as the matcher does where it fails, which costs it 50 µs a character.
_LONG = 100
# A bracket opens a number, but not behind a country code: "+49 (0)30".
_OPENS = "".join(rf"(?<!\+{'[0-9]' * n}{blank})" for n in (1, 2, 3) for blank in ("", " "))
_BETWEEN = re.compile(rf"(?=\+)|{_OPENS}(?=[(\[])|/|[ \u00a0]{{2,}}|[ \u00a0]-|-[ \u00a0]")
_SPACE = re.compile("[ \u00a0]")
_BEFORE, _AFTER = 10, 24
# `INV-4155552671`, `#4155552671`, `id=4155552671`, but not `Tel-4155552671`.
_PART_OF_AN_ID = re.compile(r"(?:[^\W\d]-|[#_=])\Z")
_PHONE_WORD = re.compile(
    r"(?:tel|phone|fone?|mob|mobile|cell|fax|ph|call|sms|txt|text)-\Z", re.IGNORECASE
)
_IP_ADDRESS = re.compile(r"[(\[]?[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_VERSION = re.compile(r"\b(?:v|ver|version|release|build)[ .]*\Z", re.IGNORECASE)
_MINUTES = re.compile(r"[0-9]:[0-5][0-9]\Z")
_HOUR = re.compile(r"[0-9]{1,2}:[0-5][0-9](?![0-9])")
_COLUMNS = re.compile("[ \u00a0]{3}")
_FRACTION = re.compile(r"\.[0-9]")


def phone_numbers(
    text: str, groups: list[tuple[int, int]], region: str, cards: Sequence[int] = ()
) -> Iterator[Recognized]:
    """Find phone numbers that are valid where they claim to be, in a plain text.

    A number without `+` is read as one of `region`. `value` is E.164, with `;ext=` where an
    extension is written. In a stretch of more than 100 characters of digits and punctuation,
    numbers are those between brackets, slashes, dashes and plus signs, or without any space.
    `cards`, in order, are where numbers begin that no phone number may reach into.
    """
    least = _least_digits(region)
    for whole in runs(text, groups, _GAP):
        run = _without_times(text, whole)
        start, end = run[0][0], run[-1][1]
        digits = sum(last - first for first, last in run)
        written = "+" in text[max(0, start - 4) : end]
        if digits < (_MIN_DIGITS if written else least):
            continue
        behind = end + _AFTER if run[-1] == whole[-1] else end
        if (next_card := bisect_left(cards, end)) < len(cards):
            behind = min(behind, cards[next_card])
        if end - start <= _LONG:
            yield from _in_stretch(text, start, end, behind, region)
            continue
        for first, last in _pieces(text, max(0, start - 4), end):
            if sum(map(str.isdigit, text[first:last])) >= _MIN_DIGITS:
                limit = last if last < end else behind
                yield from _in_stretch(text, first, last, limit, region)


def _without_times(text: str, run: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Leave out minutes in front, as in "at 10:00 415 555 2671", and an hour behind."""
    if len(run) > 1 and _MINUTES.match(text, max(0, run[0][0] - 2), run[0][1]):
        run = run[1:]
    if len(run) > 1 and _HOUR.match(text, run[-1][0]):
        run = run[:-1]
    return run


@lru_cache(maxsize=256)
def _least_digits(region: str) -> int:
    """Return how many digits a number of `region` has at least, country code left out."""
    import phonenumbers

    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    lengths = metadata.general_desc.possible_length if metadata and metadata.general_desc else ()
    return max(_MIN_DIGITS, min(lengths, default=_MIN_DIGITS))


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a long stretch where numbers may end; a piece that is still long, at each space."""
    for first, last in _cut(text, start, end, _BETWEEN):
        if last - first <= _LONG:
            yield first, last
        else:
            for word in _cut(text, first, last, _SPACE):
                if word[1] - word[0] <= _LONG:
                    yield word


def _cut(text: str, start: int, end: int, between: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for match in between.finditer(text, start, end):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if end > start:
        yield start, end


def _in_stretch(text: str, start: int, end: int, limit: int, region: str) -> Iterator[Recognized]:
    """Find the numbers that begin in `text[start:end]` and end, with an extension, by `limit`."""
    import phonenumbers

    # What stands before tells an id from a number; digits there are those of another number.
    offset = start
    while offset > max(0, start - _BEFORE) and not text[offset - 1].isdigit():
        offset -= 1
    for match in phonenumbers.PhoneNumberMatcher(text[offset:limit], region):
        first, last = match.start + offset, match.end + offset
        if last <= start or first >= end:
            continue
        international = text[first] in "+\uff0b"
        if not international and _is_other(text, first, last):
            continue
        value = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
        if match.number.extension:
            value += f";ext={match.number.extension}"
        name, score = ("phone_international", 1.0) if international else ("phone_national", 0.9)
        yield Recognized(first, last, "phone_number", value, name, score)


def _is_other(text: str, start: int, end: int) -> bool:
    """Whether a number without `+` is an id, a version, an IP address, columns or a sum."""
    before = text[max(0, start - 8) : start]
    return bool(
        (_PART_OF_AN_ID.search(before) and not _PHONE_WORD.search(before))
        or _VERSION.search(before)
        or _IP_ADDRESS.fullmatch(text, start, end)
        or _COLUMNS.search(text, start, end)
        or _FRACTION.match(text, end)
    )
