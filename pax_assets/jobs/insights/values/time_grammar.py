"""What a time expression says, before anybody knows when it was written.

An expression is read piece by piece, and all of it: "5 of us tomorrow" is not a time because
"tomorrow" is one. Whatever is not understood to its last character is `None`, and stays text:
a wrong time in a table is worse than none. Reading does not depend on the message, so that the
same words are read once and resolved often (`times`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from functools import lru_cache

from pax_assets.jobs.insights.values.clock_pieces import CLOCKS, Group, stamped, with_clock
from pax_assets.jobs.insights.values.expression import Expression
from pax_assets.jobs.insights.values.time_pieces import AMPM, PIECES
from pax_assets.jobs.insights.values.time_words import (
    BOUNDS,
    MONTH_OF,
    NUMBERS,
    ORDINALS,
    REGIONS,
    RELATIVE_DAYS,
    UNITS,
    WEEKDAY_OF,
    WHICH,
)

_MAX_LENGTH = 60
_SAYINGS = frozenset({"24/7", "9/11", "50/50"})
_DATES = frozenset({"date", "numeric", "ordinal"})
# What has an end of its own, and what ends as a day does.
_EDGED = frozenset({"month", "quarter", "year"})
_ENDING = _DATES | {"relative", "weekday", "period", "edge"}
_SHORT = {"eow": ("end", "week"), "eom": ("end", "month")}


@lru_cache(maxsize=65536)
def read_expression(text: str) -> Expression | None:
    """Return what an expression says, or None where not all of it is understood as a time."""
    if not text or len(text) > _MAX_LENGTH or text.strip() in _SAYINGS:
        return None
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().replace("’", "'").split())
    folded = folded.strip(" ,.;:!?'\"")
    # "a.m." keeps its dots, and so does "17.6.".
    if re.search(rf"\d\.\d{{1,2}}$|\b{AMPM[:-1]}$)", folded) and text.rstrip().endswith("."):
        folded += "."
    return _read(folded, 0, Expression(), "", 40)


def _read(text: str, at: int, so_far: Expression, before: str, left: int) -> Expression | None:
    """Read `text` from `at` on; the first way of reading all of it counts."""
    while at < len(text) and text[at] == " ":
        at += 1
    if at == len(text):
        return _finished(so_far)
    if left == 0:
        return None
    for name, pattern in PIECES:
        found = pattern.match(text, at)
        if not found:
            continue
        more = _with_piece(name, found.groupdict(), so_far, before)
        if more is not None:
            whole = _read(text, found.end(), more, name, left - 1)
            if whole is not None:
                return whole
    return None


def _finished(said: Expression) -> Expression | None:
    """Return what all of a text says, None where that is no time."""
    kind = said.day[0] if said.day else ""
    if said.edge == "day":
        if said.weekday is None and not kind:
            # The day may end with office hours or at midnight: it is this day in any case.
            return replace(said, day=("relative", 0))
        return said if not kind or kind in _ENDING else None
    if said.edge and kind not in _EDGED:
        return None
    if said.needs == "relative":
        return said if kind == "relative" else None
    if said.needs:
        return said if kind or said.weekday is not None else None
    # A part of the day alone is none: "Morning" greets.
    return said if kind or said.clock is not None or said.weekday is not None else None


def _with_piece(name: str, group: Group, said: Expression, before: str) -> Expression | None:
    """Add a piece to what was said; None where its slot is taken or it makes no sense."""
    if name in ("filler", "at"):
        return said
    if name == "loosely":
        return replace(said, loose=True)
    if name == "bound":
        return None if said.bound else replace(said, bound=BOUNDS[group["bound"] or ""])
    if name == "zone":
        return replace(said, zone=_zone(group)) if said.clock and not said.zone else None
    if name in ("eod", "edgeof"):
        return None if said.edge else replace(said, edge=group.get("edge") or _edge(name))
    if name == "timestamp":
        return _with_timestamp(group, said)
    if name in CLOCKS:
        return with_clock(name, group, said, before)
    if name in ("part", "thispart", "tonight", "lastnight"):
        return _with_part(name, group, said)
    if name == "weekday" and group["which"] is None and group["after"] is None:
        number = WEEKDAY_OF[(group["weekday"] or "").rstrip(".")]
        if said.weekday is not None or (said.day and not _has_weekdays(said.day)):
            return None
        return replace(said, weekday=number)
    day = _day(name, group)
    if day is None or said.day is not None:
        return None
    if said.weekday is not None and not _has_weekdays(day):
        return None
    if day[0] == "within":
        if said.bound:
            return None
        return replace(said, day=day, bound="until")
    loose = said.loose or bool(group.get("loose"))
    return replace(said, day=day, loose=loose)


def _has_weekdays(day: tuple[int | str | None, ...]) -> bool:
    """Whether a weekday beside a day says more of it: "Friday, the 5th", "Monday next week"."""
    return day[0] in _DATES or day[:2] == ("period", "week")


def _edge(name: str) -> str:
    return "day" if name == "eod" else "end"


def _zone(group: Group) -> str:
    if group["sign"]:
        return f"{group['sign']}{group['hours']:0>2}:{group['minutes'] or '00'}"
    return REGIONS.get(group["zone"] or "", "UTC")


def _with_timestamp(group: Group, said: Expression) -> Expression | None:
    zone = group["zone"]
    if group["t"] == " " and (zone is None or (zone[0] == "-" and not group["s"])):
        # A date and a time, which may be the first one of "09:00-10:00".
        return None
    clock = stamped(group)
    if clock is None or said.day or said.clock or said.zone or said.weekday is not None:
        return None
    if zone == "z":
        zone = "UTC"
    elif zone:
        digits = zone[1:].replace(":", "").ljust(4, "0")
        zone = f"{zone[0]}{digits[:2]}:{digits[2:]}"
    return replace(said, day=_day("iso", group), clock=clock, zone=zone)


def _year(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if len(text) == 4 else 2000 + int(text)


def _day(name: str, group: Group) -> tuple[int | str | None, ...] | None:
    """The `day` of a piece that names one, as in `Expression`."""
    year = _year(group.get("y"))
    which = group.get("which")
    number = None if which is None else WHICH.get(which, 1)
    match name:
        case "iso" | "dotted":
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
            named = group["q"] or ORDINALS[group["qq"] or ""]
            return ("quarter", int(named), year)
        case "year":
            return ("year", year)
        case "offset" | "past":
            return _offset(group)
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
            return ("relative", RELATIVE_DAYS[group["word"] or ""])
        case "ordinal":
            return ("ordinal", int(group["d"] or 0))
    return None


def _offset(group: Group) -> tuple[int | str | None, ...] | None:
    """ "in two hours", "within 3 days", "an hour and a half ago"."""
    amount, unit = group["n"] or "", UNITS[group["unit"] or ""]
    halves = [bool(group["half"]), bool(group["halved"]), amount.startswith("half")]
    count = 0 if halves[2] else int(amount) if amount.isdigit() else NUMBERS[amount]
    more = group["more"]
    if any(halves) or more:
        # Half a week is some day of it.
        if unit != "hour" or sum(halves) > 1:
            return None
        minutes = 0 if not more else int(more) if more.isdigit() else NUMBERS[more]
        count, unit = 60 * count + 30 * sum(halves) + minutes, "minute"
    if unit == "fortnight":
        count, unit = 2 * count, "week"
    kind = "within" if group.get("within") else "offset"
    return (kind, -count if group.get("way") == "ago" else count, unit)


def _with_part(name: str, group: Group, said: Expression) -> Expression | None:
    part = group.get("part") or ("night" if name == "lastnight" else "evening")
    if said.part is not None:
        return None
    if name == "part":
        return replace(said, part="lunchtime" if part == "lunch" else part)
    if said.day is not None or said.weekday is not None:
        return None
    return replace(said, part=part, day=("relative", -1 if name == "lastnight" else 0))
