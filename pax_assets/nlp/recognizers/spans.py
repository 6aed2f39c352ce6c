"""What a recognizer returns, and which of two that overlap is kept.

One digit run can be a card number, a tracking number and hold a phone number. Each recognizer
says what it sees, alone; the choice is made here, once.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

# Where two spans have the same length, the type that comes first here is kept: first what does
# most harm if it is taken for something else, last what is proved least.
TYPES = (
    "iban",
    "card_number",
    "email_address",
    "url",
    "order_number",
    "tracking_number",
    "phone_number",
)
_RANK = {name: rank for rank, name in enumerate(TYPES)}


@dataclass(frozen=True, slots=True)
class Recognized:
    """A typed span `text[start:end]`, in code points, that the rule `recognizer` found.

    `value` is the one spelling under which equal things are equal. `score` is 1.0 where a check
    digit, a registry or an unmistakable grammar speaks for it, and lower where words around it do.
    """

    start: int
    end: int
    type: str
    value: str | None
    recognizer: str
    score: float = 1.0


def without_overlaps(found: Iterable[Recognized]) -> list[Recognized]:
    """Return those that stand, in text order.

    Of spans that overlap the longest stands, then the first type of `TYPES`, then the surer, then
    the earlier one. n log n for n spans.
    """
    ordered = sorted(found, key=attrgetter("start"))
    kept: list[Recognized] = []
    cluster: list[Recognized] = []
    end = 0
    for one in ordered:
        if cluster and one.start >= end:
            kept += _standing(cluster)
            cluster = []
        cluster.append(one)
        end = max(end, one.end) if len(cluster) > 1 else one.end
    return kept + _standing(cluster)


def _standing(cluster: list[Recognized]) -> list[Recognized]:
    if len(cluster) < 2:
        return cluster
    kept: list[Recognized] = []
    for one in sorted(cluster, key=_precedence):
        at = bisect_right(kept, one.start, key=attrgetter("start"))
        free_before = at == 0 or kept[at - 1].end <= one.start
        if free_before and (at == len(kept) or one.end <= kept[at].start):
            insort(kept, one, key=attrgetter("start"))
    return kept


def _precedence(one: Recognized) -> tuple[int, int, float, int, str]:
    rank = _RANK.get(one.type, len(_RANK))
    return one.start - one.end, rank, -one.score, one.start, one.recognizer
