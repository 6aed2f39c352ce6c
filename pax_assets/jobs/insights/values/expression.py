"""What was said of a time, in slots."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day. `sure` is false where morning or afternoon was not said.

    Of midnight, which is hour 24, `sure` is false where it may be the day's first hour as well.
    """

    hour: int
    minute: int = 0
    precision: str = "hour"
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Expression:
    """What was said; None where nothing was.

    `day` is a kind and its numbers: ("relative", 1), ("weekday", 4, 1), ("date", y, m, d),
    ("days", y, m, first, last), ("month", y, m), ("numeric", a, b, y), ("ordinal", d),
    ("period", unit, which), ("edge", edge, unit, which), ("quarter", q, y), ("year", y),
    ("weekdays", first, last), ("offset", amount, unit) or ("within", amount, unit). `bound` is one
    of by, before, until, after, since; `loose` says "around", "early", "-ish". `edge` is start,
    beginning, middle or end of the month, quarter or year that `day` is, or "day" for the end of
    the day that it is. `zone` is as `zones.zone_of` takes it.
    """

    bound: str | None = None
    day: tuple[int | str | None, ...] | None = None
    weekday: int | None = None
    part: str | None = None
    clock: Clock | None = None
    clock_end: Clock | None = None
    zone: str | None = None
    edge: str | None = None
    loose: bool = False
    # What has to stand beside bare numbers, so that they are hours: "relative" or "day".
    needs: str = ""
