"""Why a path that somebody named takes nothing in.

A run of named objects looks at those that are there and of its day, and leaves the others: the
landing sensor names what it saw, and an object may be gone by then. To a person who mistyped a
path the same silence says that all is well.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pax_assets.lake import landing

_EXAMPLE = "sms/2026-01-05/a.jsonl"


def unmatched(landing_root: str, channel: str, day: str, paths: Sequence[str]) -> dict[str, str]:
    """Return those of `paths` that a run of `channel` and `day` would not look at, with the reason.

    In the order given.
    """
    found = {o.path: o.day for o in landing.objects_at(landing_root, channel, paths)}
    today = datetime.now(UTC).date().isoformat()
    wrong: dict[str, str] = {}
    for path in paths:
        if path not in found:
            wrong[path] = _absent(landing_root, channel, path)
        elif found[path] is None and day != today:
            wrong[path] = (
                "lies in no day's folder and counts for the day on which it is first seen: name "
                f"--day {today}, or move it to {channel}/{day}/"
            )
        elif found[path] not in (None, day):
            wrong[path] = f"counts for its folder's day: name --day {found[path]}"
    return wrong


def _absent(landing_root: str, channel: str, path: str) -> str:
    if not path.startswith(f"{channel}/"):
        return (
            f"is none of channel {channel}: paths are those below the landing folder, such as "
            f"{_EXAMPLE.replace('sms', channel, 1)}"
        )
    if not landing.is_object(path.removeprefix(f"{channel}/")):
        return "is hidden or half-written by its name, and no object yet"
    return f"there is no such object below {landing_root}"
