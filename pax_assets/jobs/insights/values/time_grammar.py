"""What a time expression says, before anybody knows when it was written.

An expression is read piece by piece, and all of it: "5 of us tomorrow" is not a time because
"tomorrow" is one. Whatever is not understood to its last character is `None`, and stays text:
a wrong time in a table is worse than none. Reading does not depend on the message, so that the
same words are read once and resolved often (`times`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MONTH_OF = {name[:n]: i for i, name in enumerate(_MONTHS, 1) for n in (3, len(name))} | {"sept": 9}
WEEKDAY_OF = {name[:n]: i for i, name in enumerate(_WEEKDAYS) for n in (3, len(name))} | {
    "tues": 1,
    "weds": 2,
    "thur": 3,
    "thurs": 3,
}
_NUMBERS = {
    word: number
    for number, word in enumerate(
        [
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ],
        1,
    )
} | {"a": 1, "an": 1}
# How people write them in a hurry.
_RELATIVE_DAYS = {
    "today": 0, "2day": 0, "tomorrow": 1, "tmrw": 1, "tmr": 1, "tmw": 1, "tomoz": 1, "2moro": 1,
    "tomorow": 1, "tommorow": 1, "tommorrow": 1, "2morrow": 1, "yesterday": -1,
    "the day after tomorrow": 2, "day after tomorrow": 2,
    "the day before yesterday": -2, "day before yesterday": -2,
}  # fmt: skip
_UNITS = {
    "min": "minute", "mins": "minute", "minute": "minute", "minutes": "minute",
    "h": "hour", "hr": "hour", "hrs": "hour", "hour": "hour", "hours": "hour",
    "day": "day", "days": "day", "week": "week", "weeks": "week", "wk": "week", "wks": "week",
    "month": "month", "months": "month", "year": "year", "years": "year",
}  # fmt: skip
_BOUNDS = {
    "by": "by", "before": "before", "until": "until", "till": "until", "til": "until",
    "after": "after", "since": "since", "from": "since",
}  # fmt: skip
_WHICH = {
    "next": 1, "nxt": 1, "this": 0, "the": 0, "current": 0, "last": -1, "past": -1, "previous": -1,
}  # fmt: skip
PARTS = {
    "morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 30),
    "lunchtime": (12, 14), "lunch": (12, 14),
}  # fmt: skip

_MAX_LENGTH = 60
_SAYINGS = frozenset({"24/7", "9/11", "50/50"})


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day. `sure` is false where morning or afternoon was not said."""

    hour: int
    minute: int = 0
    precision: str = "hour"
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Expression:
    """What was said, in slots; None where nothing was.

    `day` is a kind and its numbers: ("relative", 1), ("weekday", 4, 1), ("date", y, m, d),
    ("days", y, m, first, last), ("month", y, m), ("numeric", a, b, y), ("ordinal", d),
    ("period", unit, which), ("edge", edge, unit, which), ("quarter", q, y), ("year", y),
    ("weekdays", first, last) or ("offset", amount, unit). `bound` is one of by, before, until,
    after, since; `loose` says "around", "early", "-ish".
    """

    bound: str | None = None
    day: tuple[int | str | None, ...] | None = None
    weekday: int | None = None
    part: str | None = None
    clock: Clock | None = None
    clock_end: Clock | None = None
    zone: str | None = None
    loose: bool = False
    # What has to stand beside bare numbers, so that they are hours: "relative" or "day".
    needs: str = ""


def _any(words: Mapping[str, object]) -> str:
    return "|".join(sorted((re.escape(w).replace(r"\ ", " ") for w in words), key=len)[::-1])


_MONTH, _WEEKDAY = f"(?P<month>{_any(MONTH_OF)})\\.?", f"(?:{_any(WEEKDAY_OF)})\\.?"
_AMPM = r"(?:[ap]\.?m\.?)"
_TO = r"\s*(?:-|–|—|to|and|until|till|til)\s*"
_HOUR = r"\d{1,2}(?:[:.h]\d{2})?"
_ORDINAL = r"(?:st|nd|rd|th)"
_WHICH_RE = r"(?P<which>next|nxt|this|the|current|last|past|previous|coming)"

# In order: what is longer comes before what it begins with.
_PATTERNS = {
    "iso": r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?:t(?=\d{2}:))?",
    "dotted": r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4}|\d{2})?",
    "numeric": r"(?P<a>\d{1,2})/(?P<b>\d{1,2})(?:/(?P<y>\d{4}|\d{2}))?",
    "dmy": rf"(?:the )?(?P<d>\d{{1,2}}){_ORDINAL}?(?:{_TO}(?P<e>\d{{1,2}}){_ORDINAL}?)?"
    rf"\s*(?:of )?{_MONTH}(?:,? ?(?P<y>\d{{4}}))?",
    "mdy": rf"{_MONTH} ?(?:the )?(?P<d>\d{{1,2}}){_ORDINAL}?"
    rf"(?:\s*(?:-|–|to)\s*(?P<e>\d{{1,2}}){_ORDINAL}?)?(?![:\d])(?:,? (?P<y>\d{{4}}))?",
    "month": rf"(?:{_WHICH_RE} )?{_MONTH}(?:,? (?P<y>\d{{4}}))?",
    "quarter": r"(?:q(?P<q>[1-4])|(?P<qq>1st|2nd|3rd|4th|first|second|third|fourth) quarter)"
    r"(?:,? (?:of )?(?P<y>\d{4}))?",
    "offset": rf"(?:in|within) (?P<n>\d{{1,3}}|half an?|{_any(_NUMBERS)}) ?(?P<unit>{_any(_UNITS)})"
    r"(?: time)?",
    "past": rf"(?P<n>\d{{1,3}}|half an?|{_any(_NUMBERS)}) ?(?P<unit>{_any(_UNITS)}) "
    r"(?P<way>ago|from now|from today)",
    "edge": r"(?:the )?(?P<edge>end|start|beginning|middle) of (?:(?P<which>the|this|next|last) )?"
    r"(?P<unit>day|week|month|quarter|year)|(?P<short>eod|eow|eom|cob)",
    "period": rf"(?:(?P<loose>early|mid|late|later|sometime) )?{_WHICH_RE} "
    r"(?P<unit>weekend|week|wk|month|quarter|year)",
    "later": r"later (?:on )?today",
    "weekend": r"weekend",
    "weekdays": rf"(?P<first>{_WEEKDAY}){_TO}(?P<last>{_WEEKDAY})",
    "weekday": rf"(?:{_WHICH_RE} )?(?P<weekday>{_WEEKDAY})(?P<after> week)?",
    "relative": rf"(?P<word>{_any(_RELATIVE_DAYS)})",
    "tonight": r"tonight|tonite|2nite|this night",
    "lastnight": r"last night",
    "thispart": r"this (?P<part>morning|afternoon|evening|lunchtime)",
    "range": rf"(?:between |from )?(?P<one>{_HOUR})\s?(?P<am>{_AMPM})?{_TO}"
    rf"(?P<two>{_HOUR})\s?(?P<pm>{_AMPM})?(?: ?uhr)?(?![./:]?\d)",
    "spoken": rf"(?P<how>half past|quarter past|quarter to) (?P<h>\d{{1,2}}|{_any(_NUMBERS)})"
    rf"(?: ?(?P<am>{_AMPM}))?",
    "clock": rf"(?P<h>\d{{1,2}})(?:[:.](?P<min>\d{{2}})(?::\d{{2}})?)?\s?(?P<am>{_AMPM})",
    "oclock": rf"(?P<h>\d{{1,2}}|{_any(_NUMBERS)}) ?o'?clock(?: ?(?P<am>{_AMPM}))?",
    "hhmm": r"(?P<h>\d{1,2})(?::|h)(?P<min>\d{2})(?::\d{2})?h?|(?P<hh>\d{1,2})h(?!\w)",
    "ordinal": rf"(?:the )?(?P<d>\d{{1,2}}){_ORDINAL}",
    "year": r"(?P<y>20\d{2})",
    "bare": rf"(?P<h>\d{{1,2}}|{_any(_NUMBERS)})(?:ish)?",
    "noon": r"(?P<word>noon|midday|midnight)",
    "part": rf"(?:in the |at )?(?P<part>{_any(PARTS)})",
    "now": r"(?:right )?now",
    "zone": r"utc|gmt|z",
    "bound": rf"(?P<bound>{_any(_BOUNDS)})",
    "loosely": r"around|about|approx(?:imately)?\.?|roughly|~|ca\.?|or so|ish|early|late|mid",
    "at": r"at|@|kl\.?",
    "filler": r"on|the|of|in|sharp|during|,|-|–|\(|\)",
}
_PIECES = [
    (name, re.compile(rf"(?:{pattern})(?!\w)" if name not in {"loosely", "filler"} else
                      rf"(?:{pattern})(?=\W|\d|$)"))
    for name, pattern in _PATTERNS.items()
]  # fmt: skip


@lru_cache(maxsize=65536)
def read_expression(text: str) -> Expression | None:
    """Return what an expression says, or None where not all of it is understood as a time."""
    if not text or len(text) > _MAX_LENGTH or text.strip() in _SAYINGS:
        return None
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().replace("’", "'").split())
    folded = folded.strip(" ,.;:!?'\"")
    # "a.m." keeps its dots, and so does "17.6.".
    if re.search(rf"\d\.\d{{1,2}}$|\b{_AMPM[:-1]}$)", folded) and text.rstrip().endswith("."):
        folded += "."
    return _read(folded, 0, Expression(), "", 40)


def _read(text: str, at: int, so_far: Expression, before: str, left: int) -> Expression | None:
    """Read `text` from `at` on; the first way of reading all of it counts."""
    while at < len(text) and text[at] == " ":
        at += 1
    if at == len(text):
        return so_far if _is_time(so_far) else None
    if left == 0:
        return None
    for name, pattern in _PIECES:
        found = pattern.match(text, at)
        if not found:
            continue
        more = _with_piece(name, found, so_far, before)
        if more is not None:
            whole = _read(text, found.end(), more, name, left - 1)
            if whole is not None:
                return whole
    return None


def _is_time(said: Expression) -> bool:
    if said.needs == "relative":
        return said.day is not None and said.day[0] == "relative"
    if said.needs:
        return said.day is not None or said.weekday is not None
    # A part of the day alone is none: "Morning" greets.
    return said.day is not None or said.clock is not None or said.weekday is not None


def _with_piece(
    name: str, found: re.Match[str], said: Expression, before: str
) -> Expression | None:
    """Add a piece to what was said; None where its slot is taken or it makes no sense."""
    group = found.groupdict()
    if name in ("filler", "at"):
        return said
    if name == "loosely":
        return replace(said, loose=True)
    if name == "bound":
        return None if said.bound else replace(said, bound=_BOUNDS[group["bound"]])
    if name == "zone":
        return replace(said, zone="UTC") if said.clock and not said.zone else None
    if name in _CLOCKS:
        return _with_clock(name, group, said, before)
    if name in ("part", "thispart", "tonight", "lastnight"):
        return _with_part(name, group, said)
    if name == "weekday" and group["which"] is None and group["after"] is None:
        number = WEEKDAY_OF[group["weekday"].rstrip(".")]
        if said.weekday is not None or (said.day and said.day[0] not in _DATES):
            return None
        return replace(said, weekday=number)
    day = _day(name, group)
    if day is None or said.day is not None:
        return None
    if said.weekday is not None and day[0] not in _DATES:
        return None
    loose = said.loose or bool(group.get("loose"))
    return replace(said, day=day, loose=loose)


_DATES = frozenset({"date", "numeric", "ordinal"})
_CLOCKS = frozenset({"range", "spoken", "clock", "oclock", "hhmm", "bare", "noon"})
_ORDINALS = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "first": 1, "second": 2, "third": 3} | {
    "fourth": 4
}
_SHORT = {"eod": ("end", "day"), "cob": ("end", "day"), "eow": ("end", "week")} | {
    "eom": ("end", "month")
}


def _year(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if len(text) == 4 else 2000 + int(text)


def _day(name: str, group: Mapping[str, str | None]) -> tuple[int | str | None, ...] | None:
    """The `day` of a piece that names one, as in `Expression`."""
    year = _year(group.get("y"))
    which = group.get("which")
    number = None if which is None else _WHICH.get(which, 1)
    match name:
        case "iso":
            return ("date", year, int(group["m"] or 0), int(group["d"] or 0))
        case "dotted":
            return ("date", year, int(group["m"] or 0), int(group["d"] or 0))
        case "numeric":
            return ("numeric", int(group["a"] or 0), int(group["b"] or 0), year)
        case "dmy" | "mdy":
            month, first = MONTH_OF[group["month"] or ""], int(group["d"] or 0)
            if group["e"]:
                return ("days", year, month, first, int(group["e"]))
            return ("date", year, month, first)
        case "month":
            return ("month", year, MONTH_OF[group["month"] or ""], number)
        case "quarter":
            named = group["q"] or str(_ORDINALS[group["qq"] or ""])
            return ("quarter", int(named), year)
        case "year":
            return ("year", year)
        case "offset" | "past":
            back = group.get("way") == "ago"
            amount = (group["n"] or "").replace("half an", "0").replace("half a", "0")
            count = int(amount) if amount.isdigit() else _NUMBERS[amount]
            unit = _UNITS[group["unit"] or ""]
            if (group["n"] or "").startswith("half"):
                if unit != "hour":
                    return None
                count, unit = 30, "minute"
            return ("offset", -count if back else count, unit)
        case "edge":
            edge, unit = _SHORT.get(group["short"] or "", (group["edge"], group["unit"]))
            return ("edge", edge, unit, number or 0)
        case "period":
            unit = group["unit"]
            return ("period", "week" if unit == "wk" else unit, number)
        case "weekend":
            return ("period", "weekend", 0)
        case "later":
            return ("rest", 0)
        case "now":
            return ("now", 0)
        case "weekdays":
            first, last = (WEEKDAY_OF[(group[k] or "").rstrip(".")] for k in ("first", "last"))
            return ("weekdays", first, last)
        case "weekday":
            if which == "the":
                return None
            number = 1 if group["after"] else number
            if which == "coming":
                number = None
            return ("weekday", WEEKDAY_OF[(group["weekday"] or "").rstrip(".")], number)
        case "relative":
            return ("relative", _RELATIVE_DAYS[group["word"] or ""])
        case "ordinal":
            return ("ordinal", int(group["d"] or 0))
    return None


def _with_part(name: str, group: Mapping[str, str | None], said: Expression) -> Expression | None:
    part = group.get("part") or ("night" if name == "lastnight" else "evening")
    if said.part is not None:
        return None
    if name == "part":
        return replace(said, part="lunchtime" if part == "lunch" else part)
    if said.day is not None or said.weekday is not None:
        return None
    return replace(said, part=part, day=("relative", -1 if name == "lastnight" else 0))


def _with_clock(
    name: str, group: Mapping[str, str | None], said: Expression, before: str
) -> Expression | None:
    if said.clock is not None:
        return None
    if name == "noon":
        midnight = group["word"] == "midnight"
        return replace(said, clock=Clock(24 if midnight else 12))
    if name == "range":
        return _with_range(group, said)
    half = group.get("am")
    needs = said.needs
    minute = int(group.get("min") or 0)
    hour_text = group.get("h") or group.get("hh") or ""
    hour = int(hour_text) if hour_text.isdigit() else _NUMBERS.get(hour_text, 99)
    if hour_text in ("a", "an"):
        return None
    if name == "spoken":
        how = group["how"]
        hour, minute = (hour - 1, 45) if how == "quarter to" else (hour, 15)
        minute = 30 if how == "half past" else minute
    if name == "bare":
        needs = "" if before in ("at", "loosely", "bound") else "relative"
    precise = "minute" if group.get("min") or name == "spoken" else "hour"
    written = bool(group.get("min") and ((len(hour_text) == 2 and hour_text < "10") or hour > 12))
    clock = _clock(hour, minute, half, precise, written or hour > 12)
    return None if clock is None else replace(said, clock=clock, needs=needs)


def _with_range(group: Mapping[str, str | None], said: Expression) -> Expression | None:
    one, two = (re.split(r"[:.h]", group[key] or "") for key in ("one", "two"))
    first_half, last_half = group["am"], group["pm"]
    minutes = len(one) > 1 or len(two) > 1
    # "10-12" is anything; "10-12 am", "10:00-12:00", "from 9 to 5 on Monday" are times.
    needs = "" if first_half or last_half or minutes else "day"
    precise = "minute" if minutes else "hour"
    last = _clock(int(two[0]), int(two[1]) if len(two) > 1 else 0, last_half, precise, False)
    first = _clock(
        int(one[0]), int(one[1]) if len(one) > 1 else 0, first_half or last_half, precise, False
    )
    if first is None or last is None:
        return None
    if not first_half and (first.hour, first.minute) >= (last.hour, last.minute) >= (12, 0):
        # "11 to 2pm" begins in the morning.
        first = replace(first, hour=first.hour - 12)
    if not last_half and (last.hour, last.minute) <= (first.hour, first.minute):
        last = replace(last, hour=last.hour + 12)
    if not 0 <= first.hour < last.hour + (last.minute > first.minute) or last.hour > 24:
        return None
    return replace(said, clock=first, clock_end=last, needs=needs)


def _clock(hour: int, minute: int, half: str | None, precision: str, written: bool) -> Clock | None:
    if minute > 59:
        return None
    if half:
        if not 1 <= hour <= 12:
            return None
        return Clock(hour % 12 + (12 if half.startswith("p") else 0), minute, precision)
    if not 0 <= hour <= 24 or (hour == 24 and minute):
        return None
    if written or hour == 0:
        return Clock(hour, minute, precision)
    # Nobody meets at 4 in the night; `part` and the day decide where they say more.
    return Clock(hour, minute, precision, sure=False)
