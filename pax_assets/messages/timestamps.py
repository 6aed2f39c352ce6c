"""When a message was sent, from whatever its source calls a time.

Sources write ISO 8601 with and without a zone, epoch seconds, milliseconds and finer, or RFC 2822
dates; broken clocks write the year 1 or 60000. A reader gets UTC, how exact it is, whether the
zone was a guess, and by whose clock it was written; or `None`, and then the time of arrival stands
in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from pax_assets.messages.message import Precision

# Outside these years a value is a sentinel (epoch 0, Go's year 1) or a broken clock.
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_US = int(EARLIEST.timestamp()) * 1_000_000
_LATEST_US = int(LATEST.timestamp()) * 1_000_000
# The year 9999, "never" in many systems: taken for a finer unit it would be 11 January 1978.
_NEVER_FROM_US, _NEVER_TO_US = 253_370_764_800_000, 253_402_300_800_000
_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,12})?")
_ISO = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})"
    r"(?:[T _]?([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"[ ]*(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?",
    re.IGNORECASE,
)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
# `Thu, 24 Aug 2023 05:01:45 +0000 (UTC)`
_USUAL_RFC2822 = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, +)?([0-9]{{1,2}}) +({'|'.join(_MONTHS)}) +([12][0-9]{{3}})"
    r" +([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r" +([+-])([01][0-9]|2[0-3])([0-5][0-9])(?: .*)?"
)
_MONTH_NUMBER = {name: number for number, name in enumerate(_MONTHS, 1)}


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in UTC, how exact its source was, and the zone that was assumed for it, if any.

    `utc_offset` is how far the writer's clock was ahead of UTC, such as "+05:30"; None unless
    the source says so.
    """

    at: datetime
    precision: Precision
    zone_assumed: str | None = None
    utc_offset: str | None = None


def read_moment(value: object) -> Moment | None:
    """Read a JSON value as a time; `None` where it is none, or lies outside 1971 to 2200.

    Numbers are epoch seconds, milli-, micro- or nanoseconds by their magnitude. A time without
    a zone is taken as UTC, and `zone_assumed` says so. `Z` and `+00:00` are what programs write,
    wherever the people are: such a time has no `utc_offset`.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _from_epoch(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if not 4 <= len(text) <= 100:
        return None
    if _NUMBER.fullmatch(text):
        moment = _from_epoch(float(text) if "." in text else int(text))
        if moment is not None:
            return moment
    found = _ISO.fullmatch(text)
    moment = _from_iso(found) if found else read_rfc2822(text)
    if moment is not None and moment.utc_offset == "+00:00":
        return replace(moment, utc_offset=None)
    return moment


def read_rfc2822(text: str) -> Moment | None:
    """Read a mail date such as `Thu, 24 Aug 2023 05:01:45 +0000`; `None` where it is none.

    `+0000` is a clock in Greenwich; `-0000`, `GMT` and `Z` only say that the time is in UTC.
    """
    if len(text) > 200:
        return None
    usual = _USUAL_RFC2822.fullmatch(text)
    try:
        # The standard library takes five times as long, for it expects anything.
        at = _from_usual(usual) if usual else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # `-0000`, no zone and a zone that nobody knows give a naive time.
    if at.tzinfo is None:
        # `-0000` is surely UTC, and surely not said to be the sender's zone.
        return _bounded(at.replace(tzinfo=UTC), "second", None if "-0000" in text else "UTC")
    if usual:
        _, _, _, _, _, _, sign, hours, minutes = usual.groups()
        return _bounded(at, "second", None, f"{sign}{hours}:{minutes}")
    ahead = at.utcoffset()
    return _bounded(at, "second", None, _written(ahead) if ahead or "+00" in text else None)


def _from_usual(found: re.Match[str]) -> datetime:
    """Return the time that `parsedate_to_datetime` gives, in UTC; naive for the zone `-0000`."""
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    at = datetime(
        int(year),
        _MONTH_NUMBER[month],
        int(day),
        int(hour),
        int(minute),
        int(second),
        tzinfo=UTC if ahead or sign == "+" else None,
    )
    return at - ahead if sign == "+" else at + ahead


def _written(ahead: timedelta | None) -> str | None:
    """Return an offset as in `+05:30`."""
    if ahead is None:
        return None
    hours, minutes = divmod(abs(ahead) // timedelta(minutes=1), 60)
    return f"{'-' if ahead < timedelta() else '+'}{hours:02}:{minutes:02}"


def _bounded(
    at: datetime, precision: Precision, zone_assumed: str | None, utc_offset: str | None = None
) -> Moment | None:
    try:
        utc = at.astimezone(UTC)
    except OverflowError:
        return None
    if not EARLIEST <= utc < LATEST:
        return None
    return Moment(utc, precision, zone_assumed, utc_offset)


def _from_epoch(value: int | float) -> Moment | None:
    # `not <` also refuses NaN.
    if not 0 < value < 1e19:
        return None
    precision: Precision
    if value < 1e11:
        micros = value * 1_000_000 if isinstance(value, int) else round(value * 1e6)
        whole = micros % 1_000_000 == 0
        precision = "second" if whole else "microsecond" if micros % 1000 else "millisecond"
    elif value < 1e14:
        micros, precision = round(value * 1000), "millisecond"
    elif value < 1e17:
        micros, precision = round(value), "microsecond"
    else:
        micros, precision = int(value) // 1000, "microsecond"
    if value >= 1e11 and _NEVER_FROM_US <= micros < _NEVER_TO_US:
        return None
    if not _EARLIEST_US <= micros < _LATEST_US:
        return None
    return Moment(_EPOCH + timedelta(microseconds=micros), precision)


def _from_iso(found: re.Match[str]) -> Moment | None:
    year, month, day, hour, minute, second, fraction, zone_text = found.groups()
    precision: Precision
    if hour is None:
        precision = "day"
    elif second is None:
        precision = "minute"
    elif fraction is None:
        precision = "second"
    else:
        precision = "millisecond" if len(fraction) <= 3 else "microsecond"
    zone = _zone(zone_text)
    try:
        at = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            min(int(second or 0), 59) if second == "60" else int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
            tzinfo=zone or UTC,
        )
    except ValueError:
        return None
    is_stated = zone is not None or (zone_text or "+")[0] not in "+-"
    ahead = zone.utcoffset(None) if zone else None
    return _bounded(at, precision, None if is_stated else "UTC", _written(ahead))


def _zone(text: str | None) -> timezone | None:
    if text is None or text[0] not in "+-":
        return None
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    # `timezone` refuses a full day and more; such an offset is a typing error and UTC assumed.
    if minutes >= 24 * 60:
        return None
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
