"""Day, month and year of a chat export's dates, decided once for the whole file.

`03/04/25` is read in two ways by two halves of the world, and the file does not say which. One
line cannot tell, but a file mostly can: a 13th month does not exist, time does not run backwards,
days change more often than months. A file that shows nothing is not guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pax_assets.messages.options import DateOrder
from pax_assets.messages.timestamps import EARLIEST, LATEST
from pax_assets.messages.whatsapp.chat_headers import HeaderForm, Hour, hour_of_day

Date = tuple[str, str, str]
# Where year, month and day stand among the three numbers of a date.
FieldOrder = tuple[int, int, int]

_FIRST_YEAR = 2009  # WhatsApp's
_BUDDHIST_ERA = 543
_CACHED_HOURS = 4096


def decide_order(
    dates: Sequence[Date], preferred: DateOrder | None, latest_year: int
) -> FieldOrder | None:
    """Return the order of the dates of one file; `None` where neither they nor `preferred` say.

    `dates` are in the file's order. Evidence in this order, the first that speaks decides: a
    number above 12, dates that would run backwards, the number that changes more often; then
    `preferred`. A year of four digits shows itself; one of two digits is last unless only the
    first number is a year from 2009 to `latest_year`.
    """
    changes = [date for date, _ in groupby(dates)]
    numbers = [(int(first), int(middle), int(last)) for first, middle, last in changes]
    year = _year_place(changes, numbers, preferred, latest_year)
    first, second = (place for place in (0, 1, 2) if place != year)
    month_first, day_first = (year, first, second), (year, second, first)
    above = _more(_above_12(numbers, first), _above_12(numbers, second))
    if above:
        return day_first if above > 0 else month_first
    if year == 0:
        # Nobody writes year, day, month unless the file itself says so.
        return month_first
    backwards = _more(_backwards(numbers, month_first), _backwards(numbers, day_first))
    often = backwards or _more(_varies(numbers, first), _varies(numbers, second))
    if often:
        return day_first if often > 0 else month_first
    if preferred is None or preferred == "ymd":
        return None
    return day_first if preferred == "dmy" else month_first


def _more(one: int, other: int) -> int:
    return (one > other) - (one < other)


def _above_12(numbers: Sequence[tuple[int, int, int]], place: int) -> int:
    return sum(date[place] > 12 for date in numbers)


def _backwards(numbers: Sequence[tuple[int, int, int]], order: FieldOrder) -> int:
    """Count the dates before their predecessor, if `order` were the file's."""
    year, month, day = order
    keys = [(date[year], date[month], date[day]) for date in numbers]
    return sum(after < before for before, after in pairwise(keys))


def _varies(numbers: Sequence[tuple[int, int, int]], place: int) -> int:
    return sum(after[place] != before[place] for before, after in pairwise(numbers))


def _year_place(
    dates: Sequence[Date],
    numbers: Sequence[tuple[int, int, int]],
    preferred: DateOrder | None,
    latest_year: int,
) -> int:
    long = Counter(place for date in dates for place in (2, 0, 1) if len(date[place]) == 4)
    if long:
        return long.most_common(1)[0][0]
    last, first = (
        all(_FIRST_YEAR <= 2000 + date[place] <= latest_year for date in numbers)
        for place in (2, 0)
    )
    if last == first:
        return 0 if preferred == "ymd" else 2
    return 2 if last else 0


class LocalTime(NamedTuple):
    """A header's time: as the phone's wall clock showed it, and in UTC.

    `at` is `None` where it lies outside the years that messages can be from. `doubt` says that
    the wall clock showed this time twice (`ambiguous`: the earlier one is taken) or never
    (`skipped`: read by the clock before the change), when summer time ended or began.
    """

    text: str
    at: datetime | None
    has_seconds: bool
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class _LocalHour:
    """An hour of a file's clock. `start` is its beginning in UTC where the clock runs evenly."""

    text: str
    local: datetime
    start: datetime | None


class NoHeaderError(Exception):
    """What looked like a header has no time of day: it is text."""


class WallClock:
    """Reads the headers of one file, whose order of date and whose zone are known."""

    def __init__(self, form: HeaderForm, order: FieldOrder, zone: str) -> None:
        self._form = form
        self._order = order
        self._zone = ZoneInfo(zone)
        # Chats have their messages by the hour; a minute has one or two.
        self._hours: dict[tuple[object, ...], _LocalHour | None] = {}

    def read(self, found: re.Match[str]) -> LocalTime | None:
        """Return the time of a header that the form matched; `None` where no calendar has it.

        Raises `NoHeaderError` where it is no time of day.
        """
        key, minute, second = self._form.clock(found)
        try:
            hour = self._hours[key]
        except KeyError:
            hour = self._remember(key, self._read_hour(self._form.hour(found)))
        minutes, seconds = int(minute), 0 if second is None else min(int(second), 59)
        if minutes > 59:
            raise NoHeaderError
        if hour is None:
            return None
        text = f"{hour.text}:{minutes:02}"
        if second is not None:
            text = f"{text}:{seconds:02}"
        if hour.start is not None:
            at = hour.start + timedelta(0, minutes * 60 + seconds)
            return LocalTime(text, at, second is not None)
        local = hour.local.replace(minute=minutes, second=seconds)
        return LocalTime(text, self._utc(local), second is not None, self._doubt(local))

    def _remember(self, key: tuple[object, ...], hour: _LocalHour | None) -> _LocalHour | None:
        if len(self._hours) >= _CACHED_HOURS:
            self._hours.clear()
        self._hours[key] = hour
        return hour

    def _read_hour(self, stamp: Hour) -> _LocalHour | None:
        hour = hour_of_day(stamp)
        if hour is None:
            raise NoHeaderError
        year, month, day = (int(stamp.date[place]) for place in self._order)
        if len(stamp.date[self._order[0]]) < 4:
            year += 2000
        elif 2400 <= year < 2800:
            year -= _BUDDHIST_ERA
        try:
            local = datetime(year, month, day, hour)
        except ValueError:
            return None
        text = local.isoformat(timespec="hours")
        end = local.replace(minute=59, second=59)
        offsets = {
            time.replace(tzinfo=self._zone, fold=fold).utcoffset()
            for time in (local, end)
            for fold in (0, 1)
        }
        start = self._utc(local) if len(offsets) == 1 else None
        return _LocalHour(text, local, start)

    def _utc(self, local: datetime) -> datetime | None:
        try:
            at = local.replace(tzinfo=self._zone).astimezone(UTC)
        except OverflowError:
            return None
        return at if EARLIEST <= at < LATEST else None

    def _doubt(self, local: datetime) -> str | None:
        first = local.replace(tzinfo=self._zone).utcoffset()
        second = local.replace(tzinfo=self._zone, fold=1).utcoffset()
        if first is None or second is None or first == second:
            return None
        return "ambiguous" if first > second else "skipped"
