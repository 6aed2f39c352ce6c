"""Times of day as they are said: "5pm", "ten to five", "10pm to 2am"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from pax_assets.jobs.insights.values.expression import Clock, Expression
from pax_assets.jobs.insights.values.time_words import NUMBERS, SPOKEN_MINUTES

Group = Mapping[str, str | None]

CLOCKS = frozenset({"range", "spoken", "clock", "oclock", "uhr", "hhmm", "bare", "noon"})
# The half of the day in which the other end of a range lies, from and to noon and midnight.
_AFTER = {"noon": "pm", "midday": "pm", "midnight": "am"}
_BEFORE = {"noon": "am", "midday": "am", "midnight": "pm"}
_MINUTES = re.compile(r"[:.h](\d{2})")


def with_clock(name: str, group: Group, said: Expression, before: str) -> Expression | None:
    """Add a time of day to what was said; None where one was said already, or it is none.

    `before` is the name of the piece before it.
    """
    if said.clock is not None:
        return None
    if name == "range":
        return _with_range(group, said)
    if name == "spoken":
        return _with_spoken(group, said)
    loose = said.loose or bool(group.get("ish"))
    if name == "noon":
        midnight = group["word"] == "midnight"
        return replace(said, clock=Clock(24, sure=False) if midnight else Clock(12), loose=loose)
    needs = said.needs
    hour_text = group.get("h") or group.get("hh") or ""
    hour = _number(hour_text)
    if name == "bare":
        certain = before in ("at", "loosely", "bound") or group["ish"]
        needs = "" if certain else "relative"
    if group.get("hh") and hour <= 12:
        # "2h" lasts two hours; "tomorrow 9h" is nine o'clock.
        if hour < 7:
            return None
        needs = "" if before == "at" else "day"
    precise = "minute" if group.get("min") else "hour"
    written = bool(group.get("min") and ((len(hour_text) == 2 and hour_text < "10") or hour > 12))
    clock = _clock(hour, int(group.get("min") or 0), group.get("am"), precise, written or hour > 12)
    return None if clock is None else replace(said, clock=clock, needs=needs, loose=loose)


def stamped(group: Group) -> Clock | None:
    """Return the time of day of a timestamp; None where it is none."""
    return _clock(int(group["h"] or 0), int(group["min"] or 0), None, "minute", True)


def _number(text: str) -> int:
    """Return the hour that a numeral or a word says; 99 for what is none."""
    if text.isdigit():
        return int(text)
    return NUMBERS[text] if text in NUMBERS and text not in ("a", "an") else 99


def _with_spoken(group: Group, said: Expression) -> Expression | None:
    how, way = group["how"], group["way"]
    if way == "to" and how not in ("quarter", "a quarter") and said.bound == "since":
        # "from ten to five" lasts seven hours.
        return None
    minutes = SPOKEN_MINUTES[how] if how else int(group["n"] or group["past"] or 0)
    if not 0 < minutes < (30 if way == "to" else 60):
        return None
    hour, minute = _number(group["h"] or ""), minutes
    if way == "to":
        hour, minute = hour - 1 or 12, 60 - minutes
    clock = _clock(hour, minute, group["am"], "minute", hour > 12)
    return None if clock is None else replace(said, clock=clock)


def _with_range(group: Group, said: Expression) -> Expression | None:
    one, two = group["one"] or "", group["two"] or ""
    first_half = group["am"] or _BEFORE.get(_word(two)) or _word(one)
    last_half = group["pm"] or _AFTER.get(_word(one)) or _word(two)
    minutes = bool(_MINUTES.search(one) or _MINUTES.search(two))
    # "10-12" is anything; "10-12 am", "10:00-12:00", "from 9 to 5 on Monday" are times.
    certain = bool(first_half or last_half or minutes)
    precise = "minute" if minutes else "hour"
    first = _end(one, first_half or last_half, precise, 0)
    last = _end(two, last_half, precise, 24)
    if first is None or last is None:
        return None
    if not first_half and _time(first) >= _time(last) >= (12, 0):
        # "11 to 2pm" begins in the morning.
        first = replace(first, hour=first.hour - 12)
    if not first_half and last_half and _time(last) <= _time(first) < (12, 0):
        # "10 to 2am" begins in the evening.
        first = replace(first, hour=first.hour + 12)
    next_day = last.hour + 24 if certain and first.hour >= 12 > last.hour else None
    if not last_half and _time(last) <= _time(first):
        last = replace(last, hour=last.hour + 12)
    if next_day and _time(last) <= _time(first):
        # "10pm to 2am"; what ends before it begins and is not in the night is no range.
        last = replace(last, hour=next_day)
    if not (0, 0) <= _time(first) < _time(last) or last.hour > (next_day or 24):
        return None
    return replace(said, clock=first, clock_end=last, needs="" if certain else "day")


def _word(text: str) -> str:
    return next((word for word in _AFTER if text.endswith(word)), "")


def _time(clock: Clock) -> tuple[int, int]:
    return clock.hour, clock.minute


def _end(text: str, half: str | None, precision: str, midnight: int) -> Clock | None:
    """Return one end of a range, in which midnight is this hour."""
    word = _word(text)
    if word:
        return Clock(midnight if word == "midnight" else 12, 0, precision)
    hour, _, minute = _MINUTES.sub(r":\1", text).partition(":")
    return _clock(int(hour), int(minute or 0), half, precision, False)


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
