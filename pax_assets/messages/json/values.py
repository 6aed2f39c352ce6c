"""Typed access to JSON that nobody has validated.

Providers and data teams send `null` where a list is promised and a number where a string is.
Reading every value through these functions turns such surprises into an absent value instead of
an exception in the middle of an object.
"""

from __future__ import annotations

import json
from typing import cast

# Nested deeper than this a record is junk or an attack, and everything downstream that walks it
# recursively (`json.dumps` among them) could fail.
MAX_DEPTH = 64

Json = dict[str, object]


def as_dict(value: object) -> Json:
    """Return `value` where it is a JSON object, else an empty one."""
    return cast(Json, value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """Return `value` where it is a JSON array, else an empty one."""
    return cast(list[object], value) if isinstance(value, list) else []


def as_text(value: object) -> str | None:
    """Return a string as it is and a number as its digits; `None` for everything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def as_token(value: object) -> str | None:
    """Return an identifier or a name: `as_text` without surrounding space; `None` where empty."""
    text = as_text(value)
    return (text.strip() or None) if text is not None else None


def is_too_deep(value: object, limit: int = MAX_DEPTH) -> bool:
    """Say whether `value` nests more than `limit` arrays and objects; without recursion."""
    level = [value]
    for _ in range(limit + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(cast(Json, item).values())
            elif isinstance(item, list):
                below.extend(cast(list[object], item))
        level = [item for item in below if isinstance(item, (dict, list))]
        if not level:
            return False
    return True


def canonical(value: object) -> bytes:
    """Return `value` as canonical JSON: sorted keys, no spaces, ASCII.

    A value that nests too deep to be written gives its outermost keys only.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        keys = list(as_dict(value))
        text = json.dumps({"too_deep": True, "keys": keys}, separators=(",", ":"))
    return text.encode("ascii")
