"""Where a sender's name ends and a message begins, on a line that may hold several colons.

`Kunde: Müller: hallo` is either a message of `Kunde` or one of a contact saved as `Kunde:
Müller`. One line does not tell. WhatsApp's own sentences do, for nobody writes `Müller: <Media
omitted>`; so does a first word that is always followed by the same second one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from pax_assets.messages.whatsapp.chat_content import read_body
from pax_assets.messages.whatsapp.chat_headers import MARKS
from pax_assets.messages.whatsapp.chat_notices import notice_kind

_MAX_NAME = 128
_MAX_LEARNED = 5_000
# A name that is seen this often, never without its second part, has two parts.
_OFTEN = 3
_MAX_PARTS = 4
_QUOTE = re.compile('["“„«»「『]')


class Names:
    """Splits lines of one file; `split` is pure, and remembers the names that it saw."""

    def __init__(self, with_colon: Iterable[str] = ()) -> None:
        self._long = tuple(sorted(set(with_colon), key=len, reverse=True))
        self._known = lru_cache(maxsize=4096)(self._look_up)

    def split(self, line: str) -> tuple[str | None, str]:
        """Return the sender (`None` for a notice by the app) and what the sender wrote."""
        first, colon, body = line.partition(": ")
        if not colon:
            if line.endswith(":") and len(line) <= _MAX_NAME:
                # An empty message, from whose line an editor cut the last space.
                return line[:-1], ""
            return None, line
        is_name, longer = self._known(first)
        if not is_name:
            return None, line
        for name in longer:
            if line.startswith(f"{name}: "):
                return name, line[len(name) + 2 :]
        return first, body

    def _look_up(self, first: str) -> tuple[bool, tuple[str, ...]]:
        longer = tuple(name for name in self._long if name.startswith(f"{first}: "))
        return is_name(first), longer


def is_name(text: str) -> bool:
    """Say whether what precedes a colon can be a name, rather than `Ann named the group "A`."""
    if not text or len(text) > _MAX_NAME:
        return False
    return not (_QUOTE.search(text) and notice_kind(text) != "other")


def learn_names(lines: Iterable[str]) -> Names:
    """Return how to split lines such as these (without their headers)."""
    tails: dict[str, list[str]] = {}
    learned = 0
    for line in lines:
        first, colon, body = line.partition(": ")
        if not colon or not is_name(first) or learned >= _MAX_LEARNED:
            continue
        learned += 1
        tails.setdefault(first, []).append(body)
    found: set[str] = set()
    for first, bodies in tails.items():
        found |= _names_of(first, bodies)
    return Names(found)


def _names_of(first: str, bodies: list[str]) -> set[str]:
    """Return the names that begin with `first` and a colon, if all `bodies` agree that they do."""
    if any(": " not in body for body in bodies):
        return set()
    sure = {name for body in bodies if (name := _before_marker(body))}
    if sure and all(any(body.startswith(f"{name}: ") for name in sure) for body in bodies):
        return {f"{first}: {name}" for name in sure}
    seconds = {body.partition(": ")[0] for body in bodies}
    if len(bodies) < _OFTEN or len(seconds) > 1 or len(next(iter(seconds))) > _MAX_NAME // 2:
        return set()
    if any(read_body(body).content_type != "text/plain" for body in bodies):
        return set()
    return {f"{first}: {second}" for second in seconds}


def _before_marker(body: str) -> str | None:
    """Return what precedes a sentence of the app's own in `body`, where it follows a colon."""
    end = 0
    for _ in range(_MAX_PARTS):
        end = body.find(": ", end)
        if end < 0:
            return None
        tail = body[end + 2 :]
        if (tail[:1] in MARKS and tail) or _is_marker(tail):
            return body[:end]
        end += 2
    return None


def _is_marker(text: str) -> bool:
    read = read_body(text)
    return read.event is not None or read.identity == "\0"
