"""A time expression against the moment at which it was written: an instant, or a span of time.

Calendar arithmetic is done on the sender's wall clock and converted to UTC at the end, so that
"tomorrow at 5" is 5 o'clock also where the clocks change in the night. What the words leave open
is decided by plain rules, and `assumed` names each rule that was needed.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pax_assets.jobs.insights.values.time_grammar import PARTS, Clock, Expression, read_expression

_DAY = timedelta(days=1)
# A date without a year that lies no further back than this is the past one.
_RECENT = timedelta(days=61)
_PART_STARTS = 12  # from here on unsaid halves of the day follow "afternoon" or "evening"
_EARLIEST, _LATEST = date(1971, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True, slots=True)
class TimeValue:
    """What an expression means, in UTC.

    `start` and, for anything longer than an instant, `end` (exclusive). `precision` is minute,
    hour, part_of_day, day, weekend, week, month, quarter or year. `bound` is by, before, until,
    after, since or None. `assumed` are the rules that decided what was not said, by commas.
    """

    start: datetime
    end: datetime | None
    precision: str
    bound: str | None
    assumed: str | None


def time_value(text: str, sent_at: datetime, zone: str, date_order: str = "") -> TimeValue | None:
    """Return what `text` means in a message sent at `sent_at`, in the IANA `zone` of its sender.

    `date_order` (dmy, mdy, ymd) reads 03/02; where it is empty such a date is None, and so is
    everything that is not understood completely.
    """
    said = read_expression(text)
    if said is None:
        return None
    try:
        return _Resolver(sent_at, _zone(said.zone or zone), date_order).value(said)
    except (ValueError, OverflowError):
        # The 31st of February, or a year that no calendar has.
        return None


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


class _Resolver:
    """One moment of writing; `value` answers for an expression."""

    def __init__(self, sent_at: datetime, zone: ZoneInfo, date_order: str) -> None:
        self._zone = zone
        self._order = date_order
        self._now = sent_at.astimezone(zone).replace(tzinfo=None)
        self._today = self._now.date()
        self._assumed: list[str] = []

    def value(self, said: Expression) -> TimeValue | None:
        kind = said.day[0] if said.day else ""
        if kind in ("offset", "now", "rest"):
            found = self._moving(said)
        elif said.day is None and said.weekday is None:
            found = self._clock_alone(said)
        else:
            days = self._days(said)
            found = None if days is None else self._in_days(days, said)
        if found is None:
            return None
        start, end, precision = found
        if not _EARLIEST <= start.date() < _LATEST:
            return None
        if said.loose:
            self._assumed.append("about")
        return TimeValue(
            self._utc(start),
            None if end is None else self._utc(end),
            precision,
            said.bound,
            ",".join(dict.fromkeys(self._assumed)) or None,
        )

    def _utc(self, wall: datetime) -> datetime:
        return wall.replace(tzinfo=self._zone).astimezone(UTC)

    def _moving(self, said: Expression) -> tuple[datetime, datetime | None, str] | None:
        """From the moment of writing on: "in two hours", "now", "later today"."""
        kind, amount, unit = (*(said.day or ("", 0)), "", "")[:3]
        midnight = datetime.combine(self._today + _DAY, time())
        if kind == "rest":
            return None if said.clock else (self._now, midnight, "day")
        if kind == "now":
            return (self._now, None, "minute") if not (said.clock or said.part) else None
        count = amount if isinstance(amount, int) else 0
        if unit in ("minute", "hour"):
            if said.clock or said.part or said.weekday is not None:
                return None
            # Arithmetic on hours is of elapsed time, not of the wall clock.
            moved = self._utc(self._now) + timedelta(
                minutes=count if unit == "minute" else 60 * count
            )
            wall = moved.astimezone(self._zone).replace(tzinfo=None)
            return wall.replace(second=0, microsecond=0), None, str(unit)
        if said.weekday is not None:
            # "in a week, Friday" could be two days.
            return None
        if unit in ("day", "week"):
            day = self._today + _DAY * count * (7 if unit == "week" else 1)
        else:
            day = _months_on(self._today, count * (12 if unit == "year" else 1))
        if unit in ("month", "year"):
            self._assumed.append("same_day")
        return self._in_days((day, day + _DAY, "day"), said)

    def _clock_alone(self, said: Expression) -> tuple[datetime, datetime | None, str] | None:
        if said.clock is None:
            return None
        # "at 9 in the evening" of an afternoon is today's, at noon of an afternoon tomorrow's.
        self._assumed.append("coming")
        found = self._in_days((self._today, self._today + _DAY, "day"), said)
        if found is None:
            return None
        start, end, precision = found
        reached = start if end is None else end
        grain = timedelta(minutes=1) if precision == "minute" else timedelta(hours=1)
        if reached + grain <= self._now:
            start += _DAY
            end = None if end is None else end + _DAY
        return start, end, precision

    def _in_days(
        self, days: tuple[date, date, str], said: Expression
    ) -> tuple[datetime, datetime | None, str] | None:
        """A time of day, or a part of it, on what must then be one day."""
        first, last, precision = days
        midnight = datetime.combine(first, time())
        if said.clock is None and said.part is None:
            return midnight, datetime.combine(last, time()), precision
        if last - first != _DAY:
            return None
        if said.clock is None:
            begins, ends = PARTS[said.part or ""]
            return (
                midnight + timedelta(hours=begins),
                midnight + timedelta(hours=ends),
                "part_of_day",
            )
        start = midnight + self._since_midnight(said.clock, said.part)
        if said.clock_end is None:
            return start, None, said.clock.precision
        end = midnight + self._since_midnight(said.clock_end, said.part)
        if end <= start:
            end += timedelta(hours=12)
        return (start, end, said.clock.precision) if start < end else None

    def _since_midnight(self, clock: Clock, part: str | None) -> timedelta:
        hour = clock.hour
        if not clock.sure and hour <= 12:
            late = part is not None and PARTS[part][0] >= _PART_STARTS
            if late and hour < 12:
                hour += 12
            elif part is None and hour != 12:
                self._assumed.append("half_of_day")
                hour += 12 if hour < 7 else 0
        return timedelta(hours=hour, minutes=clock.minute)

    def _days(self, said: Expression) -> tuple[date, date, str] | None:
        """First day, the day after the last one, and the precision."""
        if said.day is None:
            return self._weekday(said.weekday, None)
        kind, *numbers = said.day
        match kind, *numbers:
            case "relative", int(ahead):
                return self._one(self._today + _DAY * ahead)
            case "weekday", int(day), which:
                return self._weekday(day, which)
            case "weekdays", int(first), int(last):
                start, _, _ = self._weekday(first, None)
                return start, start + _DAY * ((last - first) % 7 + 1), "day"
            case "date", year, int(month), int(day):
                return self._date(year, month, day, said.weekday)
            case "days", year, int(month), int(first), int(last):
                found = self._date(year, month, first, None)
                if found is None or last <= first:
                    return None
                return found[0], found[0].replace(day=last) + _DAY, "day"
            case "numeric", int(a), int(b), year:
                return self._numeric(a, b, year, said.weekday)
            case "ordinal", int(day):
                return self._ordinal(day, said.weekday)
            case "month", year, int(month), which:
                return self._month(year, month, which)
            case "quarter", int(quarter), year:
                return self._quarter(quarter, year)
            case "year", int(year):
                return date(year, 1, 1), date(year + 1, 1, 1), "year"
            case "period", str(unit), int(which):
                return self._period(unit, which)
            case "edge", str(edge), str(unit), int(which):
                return self._edge(edge, unit, which)
        return None

    def _one(self, day: date) -> tuple[date, date, str]:
        return day, day + _DAY, "day"

    def _weekday(self, weekday: int | None, which: object) -> tuple[date, date, str]:
        """A bare weekday is the coming one, never today; "next" is next week's."""
        monday = self._today - _DAY * self._today.weekday()
        weekday = weekday or 0
        if which is None:
            self._assumed.append("coming")
            ahead = (weekday - self._today.weekday() - 1) % 7 + 1
            return self._one(self._today + _DAY * ahead)
        if which == -1:
            back = (self._today.weekday() - weekday - 1) % 7 + 1
            return self._one(self._today - _DAY * back)
        return self._one(monday + _DAY * (7 * (1 if which == 1 else 0) + weekday))

    def _date(
        self, year: object, month: int, day: int, weekday: int | None
    ) -> tuple[date, date, str] | None:
        """A date without a year is the coming one, or the past one of the last two months."""
        if isinstance(year, int):
            found = date(year, month, day)
            return self._one(found) if weekday in (None, found.weekday()) else None
        self._assumed.append("year")
        candidates = [
            found
            for year in range(self._today.year - 1, self._today.year + (9 if day == 29 else 2))
            if (found := _real_date(year, month, day)) is not None
        ]
        if weekday is not None:
            # The weekday decides the year; one that fits in none of them contradicts the date.
            fitting = [found for found in candidates if found.weekday() == weekday]
            nearest = min(fitting, key=lambda d: abs(d - self._today), default=None)
        else:
            # At worst a leap day that is years ahead.
            near = [found for found in candidates if found >= self._today - _RECENT]
            nearest = min(near, default=None)
        return None if nearest is None else self._one(nearest)

    def _numeric(
        self, a: int, b: int, year: object, weekday: int | None
    ) -> tuple[date, date, str] | None:
        """21/03 says itself which is the day, 03/02 does not: a setting has to."""
        if a > 12 >= b or a == b:
            day, month = a, b
        elif b > 12 >= a:
            day, month = b, a
        elif self._order == "dmy":
            day, month = a, b
        elif self._order in ("mdy", "ymd"):
            day, month = b, a
        else:
            return None
        return self._date(year, month, day, weekday)

    def _ordinal(self, day: int, weekday: int | None) -> tuple[date, date, str] | None:
        """ "the 5th": the coming one; with a weekday, the next month where it falls on one."""
        self._assumed.append("coming")
        for ahead in range(13):
            first = _months_on(self._today.replace(day=1), ahead)
            found = _real_date(first.year, first.month, day)
            if found and found >= self._today and weekday in (None, found.weekday()):
                return self._one(found)
        return None

    def _month(self, year: object, month: int, which: object) -> tuple[date, date, str]:
        if not isinstance(year, int):
            year = self._today.year
            if which == -1:
                year -= month >= self._today.month
            elif which == 1:
                year += month <= self._today.month
            elif which is None:
                self._assumed.append("coming")
                year += month < self._today.month
        first = date(year, month, 1)
        return first, _months_on(first, 1), "month"

    def _quarter(self, quarter: int, year: object) -> tuple[date, date, str]:
        if not isinstance(year, int):
            self._assumed.append("coming")
            year = self._today.year + (quarter < (self._today.month + 2) // 3)
        first = date(year, 3 * quarter - 2, 1)
        return first, _months_on(first, 3), "quarter"

    def _period(self, unit: str, which: int) -> tuple[date, date, str]:
        monday = self._today - _DAY * self._today.weekday()
        if unit == "week":
            start = monday + 7 * which * _DAY
            return start, start + 7 * _DAY, unit
        if unit == "weekend":
            start = monday + (7 * which + 5) * _DAY
            return start, start + 2 * _DAY, unit
        months = {"month": 1, "quarter": 3, "year": 12}[unit]
        first_month = (self._today.month - 1) // months * months + 1
        first = _months_on(date(self._today.year, first_month, 1), which * months)
        return first, _months_on(first, months), unit

    def _edge(self, edge: str, unit: str, which: int) -> tuple[date, date, str] | None:
        """The first or the last day of a period; of a week, its last working day."""
        if unit == "day":
            # The day may end with office hours or at midnight: it is this day in any case.
            return self._one(self._today) if edge == "end" else None
        start, end, _ = self._period(unit, which)
        if edge == "end":
            return self._one(end - _DAY * (3 if unit == "week" else 1))
        if edge == "middle":
            # Somewhere in it: no rule would be right half the time.
            self._assumed.append("about")
            return start, end, unit
        return self._one(start)


def _real_date(year: int, month: int, day: int) -> date | None:
    if not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return date(year, month, day)


def _months_on(day: date, months: int) -> date:
    """The same day of another month, or the last one that it has."""
    month = day.year * 12 + day.month - 1 + months
    year, month = divmod(month, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))
