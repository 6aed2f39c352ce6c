"""Which entity types are times, sums or addresses, and which roles say what, in any corpus.

Labels differ between corpora, so every usual spelling is listed here, as `names` does for people
and organisations.
"""

from __future__ import annotations

from functools import lru_cache

_TIMES = frozenset({"time", "date", "datetime", "date_time", "timex", "timex3", "when", "day"})
_SUMS = frozenset({"money", "monetary", "amount_of_money", "price", "sum", "amount", "cost"})
_PHONES = frozenset({"phone_number", "phone", "telephone", "telephone_number", "tel", "mobile"})
_MAILS = frozenset({"email_address", "email", "e_mail", "mail", "mail_address"})
_PLACES = frozenset(
    {"place", "location", "venue", "destination", "origin", "where", "address", "loc", "gpe"}
)
_ITEMS = frozenset(
    {"item", "items", "product", "object", "goods", "thing", "theme", "artifact", "service"}
)


@lru_cache(maxsize=4096)
def _spelled(label: str) -> str:
    return label.casefold().replace("-", "_").replace(" ", "_")


def is_time(kind: str) -> bool:
    """Whether an entity type or a role means a time."""
    return _spelled(kind) in _TIMES


def is_sum(kind: str) -> bool:
    """Whether an entity type or a role means a sum of money."""
    return _spelled(kind) in _SUMS


def is_phone(kind: str) -> bool:
    """Whether an entity type means a telephone number."""
    return _spelled(kind) in _PHONES


def is_mail(kind: str) -> bool:
    """Whether an entity type means a mail address."""
    return _spelled(kind) in _MAILS


def is_address(kind: str) -> bool:
    """Whether an entity type means something by which a participant is reached."""
    return is_phone(kind) or is_mail(kind)


def is_place(kind: str) -> bool:
    """Whether a role or an entity type means a place."""
    return _spelled(kind) in _PLACES


def is_item(kind: str) -> bool:
    """Whether a role or an entity type means what is asked for, sold or delivered."""
    return _spelled(kind) in _ITEMS
