"""The pieces of a time expression, as patterns of folded text; `time_grammar` joins them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pax_assets.jobs.insights.values.time_words import (
    BOUNDS,
    MONTH_OF,
    NUMBERS,
    ORDINALS,
    PARTS,
    REGIONS,
    RELATIVE_DAYS,
    SPOKEN_MINUTES,
    UNITS,
    UTC_NAMES,
    WEEKDAY_OF,
)


def _any(words: Iterable[str]) -> str:
    return "|".join(sorted((re.escape(w).replace(r"\ ", " ") for w in words), key=len)[::-1])


AMPM = r"(?:[ap]\.?m\.?)"
_MONTH, _WEEKDAY = f"(?P<month>{_any(MONTH_OF)})\\.?", f"(?:{_any(WEEKDAY_OF)})\\.?"
_NUMBER = _any(NUMBERS)
_TO = r"\s*(?:-|–|—|to|and|until|till|til)\s*"
_END = r"(?:(?:12 ?)?(?:noon|midday|midnight)|\d{1,2}(?:[:.h]\d{2})?)"
_ORDINAL = r"(?:st|nd|rd|th)"
_WHICH_RE = r"(?P<which>next|nxt|this|the|current|last|past|previous|coming)"
# "an hour and a half", "2.5 hours", "an hour and 20 minutes"
_AMOUNT = (
    rf"(?P<n>\d{{1,3}}|half(?: an?)?|{_NUMBER})(?P<half> and a half|\.5)? ?(?P<unit>{_any(UNITS)})"
    rf"(?P<halved> and a half)?(?: ?(?:and )?(?P<more>\d{{1,2}}|{_NUMBER}) ?min(?:ute)?s?)?"
)

# In order: what is longer comes before what it begins with.
_PATTERNS = {
    "timestamp": r"(?P<y>\d{4})-?(?P<m>\d{2})-?(?P<d>\d{2})(?P<t>[t ])(?P<h>\d{2}):?(?P<min>\d{2})"
    r"(?P<s>:?\d{2}(?:[.,]\d{1,9})?)? ?(?P<zone>z|[+-]\d{2}(?::?\d{2})?)?",
    "iso": r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})",
    "dotted": r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4}|\d{2})?",
    "numeric": r"(?P<a>\d{1,2})/(?P<b>\d{1,2})(?:/(?P<y>\d{4}|\d{2}))?",
    "dmy": rf"(?:the )?(?P<d>\d{{1,2}}){_ORDINAL}?(?:{_TO}(?P<e>\d{{1,2}}){_ORDINAL}?)?"
    rf"\s*(?:of )?{_MONTH}(?:,? ?(?P<y>\d{{4}}))?",
    "mdy": rf"{_MONTH} ?(?:the )?(?P<d>\d{{1,2}}){_ORDINAL}?"
    rf"(?:\s*(?:-|–|to)\s*(?P<e>\d{{1,2}}){_ORDINAL}?)?(?![:\d])(?:,? (?P<y>\d{{4}}))?",
    "month": rf"(?:{_WHICH_RE} )?{_MONTH}(?:,? (?P<y>\d{{4}}))?",
    "quarter": rf"(?:q(?P<q>[1-4])|(?P<qq>{_any(ORDINALS)}) quarter)(?:,? (?:of )?(?P<y>\d{{4}}))?",
    "offset": rf"(?:(?P<within>within (?:the )?(?:next )?|in (?:the )?next )|in ){_AMOUNT}"
    r"(?:(?:'s?)? time)?",
    "past": rf"{_AMOUNT} (?P<way>ago|from now|from today)",
    "eod": r"eod|cob|(?:the )?end of (?:the )?(?:business )?day|close of business",
    "edge": r"(?:the )?(?P<edge>end|start|beginning|middle) of (?:(?P<which>the|this|next|last) )?"
    r"(?P<unit>day|week|month|quarter|year)|(?P<short>eow|eom)",
    "edgeof": r"(?:the )?(?:(?P<edge>start|beginning|middle|end) of|(?P<bare>end))",
    "period": rf"(?:(?P<loose>early|mid|late|later|sometime) )?{_WHICH_RE} "
    r"(?P<unit>weekend|week|wk|month|quarter|year)",
    "later": r"later (?:on )?today",
    "weekend": r"weekend",
    "weekdays": rf"(?P<first>{_WEEKDAY}){_TO}(?P<last>{_WEEKDAY})",
    "weekday": rf"(?:{_WHICH_RE} )?(?P<weekday>{_WEEKDAY})(?P<after> week)?",
    "relative": rf"(?P<word>{_any(RELATIVE_DAYS)})",
    "tonight": r"tonight|tonite|2nite|this night",
    "lastnight": r"last night",
    "thispart": r"this (?P<part>morning|afternoon|evening|lunchtime)",
    "range": rf"(?:between |from )?(?P<one>{_END})\s?(?P<am>{AMPM})?{_TO}"
    rf"(?P<two>{_END})\s?(?P<pm>{AMPM})?(?: ?uhr)?(?![./:]?\d)",
    "spoken": rf"(?:(?P<how>{_any(SPOKEN_MINUTES)})(?: minutes)?|(?P<n>\d{{1,2}}) min(?:ute)?s?"
    rf"|(?P<past>\d{{1,2}})(?= past)) (?P<way>past|to) (?P<h>\d{{1,2}}|{_NUMBER})"
    rf"(?: ?o'?clock)?(?: ?(?P<am>{AMPM}))?",
    "clock": rf"(?P<h>\d{{1,2}})(?:[:.](?P<min>\d{{2}})(?::\d{{2}})?)?\s?(?P<am>{AMPM})"
    r"(?P<ish>ish)?",
    "oclock": rf"(?P<h>\d{{1,2}}|{_NUMBER}) ?o'?clock(?: ?(?P<am>{AMPM}))?",
    "uhr": r"(?P<h>\d{1,2})(?:[:.h](?P<min>\d{2}))? ?uhr",
    "hhmm": r"(?P<h>\d{1,2})(?::|h)(?P<min>\d{2})(?::\d{2})?h?(?P<ish>ish)?|(?P<hh>\d{1,2})h(?!\w)",
    "ordinal": rf"(?:the )?(?P<d>\d{{1,2}}){_ORDINAL}",
    "year": r"(?P<y>20\d{2})",
    "bare": rf"(?P<h>\d{{1,2}}|{_NUMBER})(?P<ish>ish)?",
    "noon": r"(?:12(?:[:.]00)? ?)?(?P<word>noon|midday|midnight)(?P<ish>ish)?",
    "part": rf"(?:in the |at )?(?P<part>{_any(PARTS)})",
    "now": r"(?:right )?now",
    "zone": rf"(?:utc|gmt) ?(?P<sign>[+-]) ?(?P<hours>\d{{1,2}})(?::?(?P<minutes>\d{{2}}))?"
    rf"|(?P<zone>{_any([*UTC_NAMES, *REGIONS])})",
    "bound": rf"(?P<bound>{_any(BOUNDS)})",
    "loosely": r"around|about|approx(?:imately)?\.?|roughly|~|ca\.?|or so|ish|early|late|mid",
    "at": r"at|@|kl\.?",
    "filler": r"on|the|of|in|sharp|during|,|-|–|\(|\)",
}
PIECES = [
    (name, re.compile(rf"(?:{pattern})(?!\w)" if name not in {"loosely", "filler"} else
                      rf"(?:{pattern})(?=\W|\d|$)"))
    for name, pattern in _PATTERNS.items()
]  # fmt: skip
