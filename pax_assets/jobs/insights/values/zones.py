"""Whose clock a message's words go by.

A message keeps the instant at which it was sent, not the sender's wall clock. The zone is, in this
order: the offset that the message kept; the zone that was assumed when its local time was read (the
words were written by that clock); the only zone of the sender's telephone number; the default.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_OFFSET = re.compile(r"([+-])(\d{2}):?([0-5]\d)")
# Kiritimati is 14 hours ahead; what is further from UTC is a typing error.
_MAX_OFFSET = timedelta(hours=14)


def sender_zone(
    sender: str | None,
    sent_at: datetime,
    zone_assumed: str | None,
    source_metadata: str | None,
    default_zone: str,
) -> tuple[str, str]:
    """Return a zone and where it is from: offset, assumed, phone_number or default.

    An offset is one that `source_metadata` holds as `utc_offset`, such as "+02:00"; the fixed zone
    of its hours stands for it. There is none for half hours: they stay "+05:30".
    """
    if source_metadata and '"utc_offset"' in source_metadata:
        zone = _fixed(source_metadata)
        if zone:
            return zone, "offset"
    if zone_assumed and _known(zone_assumed):
        return zone_assumed, "assumed"
    if sender and sender.startswith("+"):
        zone = _zone_of_number(sender, sent_at)
        if zone:
            return zone, "phone_number"
    return default_zone, "default"


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """Return the zone of an IANA name, or of an offset such as "+05:30"; else raise ValueError."""
    found = _OFFSET.fullmatch(name)
    if not found:
        return ZoneInfo(name)
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
    if ahead > _MAX_OFFSET:
        raise ValueError(f"no zone is {name} from UTC")
    return timezone(ahead if found[1] == "+" else -ahead)


def _fixed(source_metadata: str) -> str | None:
    try:
        found = _OFFSET.fullmatch(str(json.loads(source_metadata).get("utc_offset")))
    except (ValueError, AttributeError):
        return None
    if not found:
        return None
    sign, hours, minutes = found[1], int(found[2]), int(found[3])
    if minutes:
        zone = f"{sign}{hours:02}:{minutes:02}"
    else:
        # POSIX counts westwards: Etc/GMT-2 is two hours ahead of UTC.
        zone = f"Etc/GMT{'-' if sign == '+' else '+'}{hours}" if hours else "Etc/UTC"
    return zone if _known(zone) else None


@lru_cache(maxsize=1024)
def _known(zone: str) -> bool:
    try:
        zone_of(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _zone_of_number(number: str, at: datetime) -> str | None:
    """The number's zone, if all its zones show the same time at that instant."""
    zones = [zone for zone in _zones_of_number(number) if _known(zone)]
    times = {at.astimezone(ZoneInfo(zone)).utcoffset() for zone in zones}
    return min(zones) if len(times) == 1 else None


@lru_cache(maxsize=65536)
def _zones_of_number(number: str) -> tuple[str, ...]:
    # Its metadata takes a while to load.
    import phonenumbers
    from phonenumbers import timezone

    try:
        return tuple(timezone.time_zones_for_number(phonenumbers.parse(number)))
    except phonenumbers.NumberParseException:
        return ()
