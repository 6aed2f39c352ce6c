"""What a parser must be told, because no format says it.

A phone number without a country code, a wall-clock time without a zone, `03/04/2025`: guessing
differs from reader to reader, so the choice is made once, in the settings, and handed in here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

DateOrder = Literal["dmy", "mdy", "ymd"]


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """Choices for one lake. The same bytes with the same options give the same records.

    `default_region` is the ISO 3166 region of phone numbers without a country code,
    `default_zone` the IANA zone of times without one, `date_order` the order of day and month in
    chat exports that do not show it themselves (None: such an export is quarantined).
    `fetch(bucket, key)` returns the bytes of an S3 object that a notification names, at most
    `limits.MAX_RECORD_BYTES` of it, and raises `OSError`; None where nothing may be fetched. It
    must be a module-level function: worker processes receive it by name.
    """

    default_region: str = "US"
    default_zone: str = "UTC"
    date_order: DateOrder | None = None
    fetch: Callable[[str, str], bytes] | None = None
