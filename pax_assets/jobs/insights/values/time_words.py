"""The words that times are made of, and how people spell them in a hurry."""

from __future__ import annotations

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
NUMBERS = {
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
# Of "ten to five"; any other number of minutes is said as one.
SPOKEN_MINUTES = {
    "five": 5, "ten": 10, "quarter": 15, "a quarter": 15, "twenty": 20, "twenty five": 25,
    "twenty-five": 25, "half": 30,
}  # fmt: skip
RELATIVE_DAYS = {
    "today": 0, "2day": 0, "tomorrow": 1, "tmrw": 1, "tmr": 1, "tmw": 1, "tomoz": 1, "2moro": 1,
    "tomorow": 1, "tommorow": 1, "tommorrow": 1, "2morrow": 1, "yesterday": -1,
    "the day after tomorrow": 2, "day after tomorrow": 2,
    "the day before yesterday": -2, "day before yesterday": -2,
}  # fmt: skip
UNITS = {
    "min": "minute", "mins": "minute", "minute": "minute", "minutes": "minute",
    "h": "hour", "hr": "hour", "hrs": "hour", "hour": "hour", "hours": "hour",
    "day": "day", "days": "day", "week": "week", "weeks": "week", "wk": "week", "wks": "week",
    "fortnight": "fortnight", "fortnights": "fortnight",
    "month": "month", "months": "month", "year": "year", "years": "year",
}  # fmt: skip
BOUNDS = {
    "by": "by", "before": "before", "until": "until", "till": "until", "til": "until",
    "after": "after", "since": "since", "from": "since",
}  # fmt: skip
WHICH = {
    "next": 1, "nxt": 1, "this": 0, "the": 0, "current": 0, "last": -1, "past": -1, "previous": -1,
}  # fmt: skip
# Hours from midnight on.
PARTS = {
    "morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 30),
    "lunchtime": (12, 14), "lunch": (12, 14),
}  # fmt: skip
ORDINALS = {
    "1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "first": 1, "second": 2, "third": 3, "fourth": 4,
}  # fmt: skip
UTC_NAMES = ("utc", "gmt", "z")
# The clocks of a region, for nobody changes the "S" of EST in summer. Those that mean as much
# elsewhere (IST) or are English words (WEST) are left out.
REGIONS = {
    "est": "America/New_York", "edt": "America/New_York", "et": "America/New_York",
    "cst": "America/Chicago", "cdt": "America/Chicago", "ct": "America/Chicago",
    "mst": "America/Denver", "mdt": "America/Denver", "mt": "America/Denver",
    "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles", "pt": "America/Los_Angeles",
    "bst": "Europe/London", "cet": "Europe/Berlin", "cest": "Europe/Berlin",
    "eet": "Europe/Helsinki", "eest": "Europe/Helsinki",
}  # fmt: skip
