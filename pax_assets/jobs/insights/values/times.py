"""A time expression against the moment at which it was written: an instant, or a span of time.

Calendar arithmetic is done on the sender's wall clock and converted to UTC at the end, so that
"tomorrow at 5" is 5 o'clock also where the clocks change in the night. What the words leave open
is decided by plain rules, and `assumed` names each rule that was needed.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from pax_assets.jobs.insights.values.expression import Clock, Expression
from pax_assets.jobs.insights.values.time_grammar import read_expression
from pax_assets.jobs.insights.values.time_words import PARTS
from pax_assets.jobs.insights.values.zones import zone_of

_DAY = timedelta(days=1)
# A date without a year that lies no further back than this is the past one.
_RECENT = timedelta(days=61)
_PART_STARTS = 12  # from here on unsaid halves of the day follow "afternoon" or "evening"
_NIGHT_STARTS = 18  # from here on a part of the day goes on after midnight
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
    """Return what `text` means in a message sent at `sent_at`, in the `zone` of its sender.

    `zone` is an IANA name or an offset, as `zones.sender_zone` returns it.
    `date_order` (dmy, mdy, ymd) reads 03/02; where it is empty such a date is None, and so is
    everything that is not understood completely.
    """
    said = read_expression(text)
    if said is None:
        return None
    try:
        return _Resolver(sent_at, zone_of(said.zone or zone), date_order).value(said)
    except (ValueError, OverflowError):
        # The 31st of February, or a year that no calendar has.
        return None


class _Resolver:
    """One moment of writing; `value` answers for an expression."""

    def __init__(self, sent_at: datetime, zone: tzinfo, date_order: str) -> None:
        self._zone = zone
        self._order = date_order
        self._now = sent_at.astimezone(zone).replace(tzinfo=None)
        self._today = self._now.date()
        self._assumed: list[str] = []

    def value(self, said: Expression) -> TimeValue | None:
        kind = said.day[0] if said.day else ""
        if kind in ("offset", "within", "now", "rest"):
            found = self._moving(said)
        elif not _names_day(said):
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
        if said.zone and "/" in said.zone:
            # A region's clock was named by letters, which other regions use as well.
            self._assumed.append("zone_name")
        if said.clock is not None:
            self._note_clock_change(start)
            if end is not None:
                self._note_clock_change(end)
        starts, ends = self._utc(start), None if end is None else self._utc(end)
        if ends is not None and ends <= starts:
            # In the hour that the clocks skip, or of "within 0 hours".
            return None
        return TimeValue(
            starts,
            ends,
            precision,
            said.bound,
            ",".join(dict.fromkeys(self._assumed)) or None,
        )

    def _utc(self, wall: datetime) -> datetime:
        return wall.replace(tzinfo=self._zone).astimezone(UTC)

    def _note_clock_change(self, wall: datetime) -> None:
        """Where the clocks change, an hour is skipped or comes twice: the first one counts."""
        first, second = (
            wall.replace(tzinfo=self._zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1)
        )
        if first != second:
            self._assumed.append("repeated_hour" if first > second else "skipped_hour")

    def _moving(self, said: Expression) -> tuple[datetime, datetime | None, str] | None:
        """From the moment of writing on: "in two hours", "now", "later today"."""
        kind, amount, unit = (*(said.day or ("", 0)), "", "")[:3]
        midnight = datetime.combine(self._today + _DAY, time())
        if kind == "within":
            # All of the time up to where "in" would lead.
            found = self._moving(replace(said, day=("offset", amount, unit)))
            if found is None or said.clock or said.part:
                return None
            start, end, precision = found
            return self._now, start if end is None else end, precision
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
        start = midnight + self._since_midnight(said.clock, said)
        end = None
        if said.clock_end is not None:
            end = midnight + self._since_midnight(said.clock_end, said)
            if end <= start:
                end += timedelta(hours=12)
            if end <= start:
                return None
        today = not _names_day(said) or said.day == ("relative", 0)
        if today and start.date() > first and start - _DAY > self._now:
            # At half past midnight, "tonight at 1" is in half an hour.
            start, end = start - _DAY, None if end is None else end - _DAY
        return start, end, said.clock.precision

    def _since_midnight(self, clock: Clock, said: Expression) -> timedelta:
        hour, unsure = clock.hour, not clock.sure and clock.hour <= 12
        starts = 0 if said.part is None else PARTS[said.part][0]
        if starts >= _NIGHT_STARTS and (hour % 12 < 4 if unsure else hour < 6):
            # "tonight at 1" is of the night, and so is "tonight at 5am".
            self._assumed.append("after_midnight")
            hour = hour % 12 + 24
        elif unsure and starts >= _PART_STARTS:
            hour += 12 if hour < 12 else 0
        elif unsure and said.part is None and hour != 12:
            self._assumed.append("half_of_day")
            hour += 12 if hour < 7 else 0
        elif hour == 24 and not clock.sure and starts < _NIGHT_STARTS and _names_day(said):
            # "tomorrow midnight" might be the one that begins the day.
            self._assumed.append("end_of_day")
        return timedelta(hours=hour, minutes=clock.minute)

    def _days(self, said: Expression) -> tuple[date, date, str] | None:
        """First day, the day after the last one, and the precision."""
        days = self._whole_days(said)
        if days is None or said.edge is None:
            return days
        first, end, unit = days
        if said.edge == "day":
            return days if end - first == _DAY else None
        return self._edge_of(said.edge, first, end, unit)

    def _whole_days(self, said: Expression) -> tuple[date, date, str] | None:
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
            case "period", "week", int(which) if said.weekday is not None:
                monday, _, _ = self._period("week", which)
                return self._one(monday + _DAY * said.weekday)
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
            return self._one(self._today + _DAY * which) if edge == "end" else None
        return self._edge_of(edge, *self._period(unit, which))

    def _edge_of(self, edge: str, start: date, end: date, unit: str) -> tuple[date, date, str]:
        if edge == "end":
            return self._one(end - _DAY * (3 if unit == "week" else 1))
        if edge == "middle":
            # Somewhere in it: no rule would be right half the time.
            self._assumed.append("about")
            return start, end, unit
        return self._one(start)


def _names_day(said: Expression) -> bool:
    return said.day is not None or said.weekday is not None


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
