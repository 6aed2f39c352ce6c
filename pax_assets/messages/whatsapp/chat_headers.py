"""The header that begins each message of a WhatsApp chat export, in every form that phones write.

A phone formats date and time as its language and region do, in digits of their script, with
invisible direction marks and no-break spaces between them. Nothing says which form a file has,
but a file has one: a line in another form is text that somebody pasted, and stays text.

The forms are those of Unicode's CLDR (dates of length "short", times of length "short" or
"medium") in the app's frames: Android `date, time - `, iPhone `[date, time] `, old ones without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

# Direction marks, and a byte order mark in the middle of files that were joined.
MARKS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"

_M = f"[{MARKS}]*"
_SPACE = "[ \t\u00a0\u2007\u2009\u202f\u3000]"
_SEPARATORS = "[./\\-年년]"
# Commas, a language's "at" (`klo`, `à`), the day period where it stands before the time.
_BETWEEN = rf"((?:[.,،日일{MARKS}]|{_SPACE})[^\d\n\[\]<>@:/]{{0,24}})"
_CLOCK = rf"(\d{{1,2}})(?:[:.]|{_SPACE}?h{_SPACE}?)(\d{{2}})(?:[:.](\d{{2}}))?{_M}"
_PERIOD = rf"(?:{_SPACE}*([^\d\n\[\]<>:،,\s\-–—][^\d\n\[\]<>:\-–—]{{0,23}}?))?{_M}"
# Where nothing separates the time from the name, only these two are no part of the name.
_LATIN_PERIOD = rf"(?:{_SPACE}*([AaPp]\.?{_SPACE}?[Mm]\.?)(?={_SPACE}))?"
_FRAMES = (
    (rf"{_M}\[{_M}", _PERIOD, rf"\]{_SPACE}?"),
    (_M, _PERIOD, rf"{_SPACE}+[-–—]{_SPACE}"),
    (_M, _PERIOD, rf":{_SPACE}"),
    (_M, _LATIN_PERIOD, rf"{_SPACE}+(?![-–—\[]{_SPACE})"),
)
# The last frame is none: what precedes it in a log is a date as well, but no `name: `.
_BARE = 3


@lru_cache(maxsize=64)
def _pattern(frame: int, separator: str, *, time_first: bool) -> re.Pattern[str]:
    """Return the pattern of headers in a frame whose dates have `separator` (a class or one)."""
    start, period, end = _FRAMES[frame]
    spaced = f"{_M}{_SPACE}?{{}}{_SPACE}?{_M}"
    first = spaced.format(f"({separator})")
    second = spaced.format("[./\\-月월]")
    number = r"(\d{4}|\d{1,2})"
    date = f"{number}{first}{number}{second}{number}"
    if time_first:
        return re.compile(f"{start}{_CLOCK}{_PERIOD}(?:[,،]{_SPACE}*|{_SPACE}+){date}{end}")
    return re.compile(f"{start}{date}{_BETWEEN}{_CLOCK}{period}{end}")


# Day periods of CLDR without spaces, dots and case: whether they lie after noon.
_BEFORE_NOON = """
am|vorm|vm|fm|ap|fh|dop|de|pg|md|öö|sa|ص|صباحا|قظ|पूर्वाह्न|पू|सुबह|পূর্বাহ্ণ|সকাল|πμ|дп|проб
преподне|ก่อนเที่ยง|上午|凌晨|清晨|早上|午前|오전|inthemorning
"""
_AFTER_NOON = """
pm|nachm|nm|em|ip|eh|odp|du|ptg|pd|ös|ch|م|مساء|بظ|अपराह्न|दोपहर|शाम|অপরাহ্ণ|বিকাল|μμ|пп|слоб
поподне|หลังเที่ยง|下午|晚上|中午|午後|오후|intheafternoon|intheevening|atnight|noon
"""
_NO_LETTER = re.compile(r"\W+")


def _letters(period: str) -> str:
    return _NO_LETTER.sub("", period).casefold()


_PERIODS = {
    _letters(word): after_noon
    for words, after_noon in ((_BEFORE_NOON, False), (_AFTER_NOON, True))
    for word in re.split(r"[|\n]", words)
    if word
}


class Hour(NamedTuple):
    """A header's date and hour as they stand there: what is year, month or day is open.

    The first three are numbers as digits; `hour` may be of 12 or of 24, `period` and `between`
    hold the day period, if there is one.
    """

    first: str
    middle: str
    last: str
    between: str | None
    hour: str
    period: str | None

    @property
    def date(self) -> tuple[str, str, str]:
        """The three numbers of the date."""
        return self[:3]


@dataclass(frozen=True, slots=True)
class HeaderForm:
    """One frame, one order of date and time and one separator: the form of a whole file.

    `pattern` matches at the start of a line; where the match ends the message begins.
    """

    pattern: re.Pattern[str]
    time_first: bool

    def hour(self, found: re.Match[str]) -> Hour:
        """Return date and hour of a match."""
        if self.time_first:
            hour, _, _, period, first, _, middle, last = found.groups()
            return Hour(first, middle, last, None, hour, period)
        first, _, middle, last, between, hour, _, _, period = found.groups()
        return Hour(first, middle, last, between, hour, period)

    def clock(self, found: re.Match[str]) -> tuple[tuple[object, ...], str, str | None]:
        """Return a key that headers of the same hour share, the minute, and the second if any."""
        if self.time_first:
            return self.hour(found), found[2], found[3]
        minute, second, period = found.group(7, 8, 9)
        return (found.string[: found.start(7)], period), minute, second


def header_form(line: str) -> HeaderForm | None:
    """Return the form of the header that `line` begins with; `None` where it has none."""
    for time_first in (False, True):
        for frame in range(2 if time_first else len(_FRAMES)):
            found = _pattern(frame, _SEPARATORS, time_first=time_first).match(line)
            if found is None or (frame == _BARE and ": " not in line[found.end() :]):
                continue
            separator = re.escape(found[6 if time_first else 2])
            form = HeaderForm(_pattern(frame, separator, time_first=time_first), time_first)
            if hour_of_day(form.hour(found)) is not None and int(form.clock(found)[1]) < 60:
                return form
    return None


def hour_of_day(stamp: Hour) -> int | None:
    """Return the hour from 0 to 23; `None` where a header's look-alike has none."""
    return _hour(int(stamp.hour), stamp.period, stamp.between)


def _hour(hour: int, period: str | None, between: str | None) -> int | None:
    """Return the hour of a 24-hour clock; `None` where there is none."""
    if hour > 24:
        return None
    if period is not None:
        after_noon = _PERIODS.get(_letters(period))
        if after_noon is None:
            return None
    else:
        after_noon = _period_before(between) if between and len(between) > 2 else None
    if after_noon is None or hour > 12:
        return hour % 24
    return hour % 12 + (12 if after_noon else 0)


def _period_before(between: str) -> bool | None:
    """Return the day period that East Asian languages write before the time, if there is one."""
    return _PERIODS.get(_letters(between.lstrip("日일")))
