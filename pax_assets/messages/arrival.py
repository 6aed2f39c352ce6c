"""How an object arrived, and what becomes of the parts of it that are no message.

Every parser needs the same few facts (the channel, when the object came, which region a bare
phone number belongs to) and the same way out for a record that it cannot use. With both in one
place a bad record never stops a good one, and no parser invents its own error shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pax_assets.messages.json.values import MAX_DEPTH, canonical, is_too_deep
from pax_assets.messages.message import Channel, Quarantined, Record
from pax_assets.messages.options import ParseOptions
from pax_assets.messages.storable import storable

# A JSON document, a line or a mail above this is quarantined: decoding needs some ten times its
# size in memory. Providers stay far below (Cloud API 3 MB, mail servers 50 MB at most).
MAX_RECORD_BYTES = 64 * 1024 * 1024
# A quarantined record keeps this many of its bytes; the landed object keeps them all.
MAX_QUARANTINE_BYTES = 1024 * 1024


class UnusableError(Exception):
    """A record that cannot become a message: a stable `code` and a sentence for a person."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Arrival:
    """The facts of one landed object. `received_at` is timezone-aware UTC.

    `names` are its own name and those of the archives' members that lead to what is read. They
    decide no format and no id, but a chat export has its title nowhere else.
    """

    channel: Channel
    received_at: datetime
    options: ParseOptions = field(default_factory=ParseOptions)
    names: tuple[str, ...] = ()

    @property
    def default_region(self) -> str:
        """The region of phone numbers without a country code."""
        return self.options.default_region

    def quarantined(
        self, position: str, code: str, reason: str, payload: bytes | object
    ) -> Quarantined:
        """Keep `payload` (bytes, or a decoded JSON value) with the reason; at most 1 MiB of it."""
        kept = payload if isinstance(payload, bytes) else canonical(payload)
        if len(kept) > MAX_QUARANTINE_BYTES:
            reason = f"{reason} (the first {MAX_QUARANTINE_BYTES} of {len(kept)} bytes are kept)"
            kept = kept[:MAX_QUARANTINE_BYTES]
        return Quarantined(self.channel, position, code, reason, kept)

    def outcome(
        self,
        position: str,
        value: object,
        convert: Callable[[], Record],
        payload: bytes | None = None,
    ) -> Record:
        """Return what `convert` makes of one record, or the record quarantined.

        `value` is the record as decoded JSON, `payload` its own bytes where they are at hand.
        An exception that no parser foresaw ends here too: the record is kept with the
        exception's type, and the records after it are still read. The exception's text is left
        out, for it may quote the message.
        """
        kept = value if payload is None else payload
        if is_too_deep(value):
            reason = f"the record nests more than {MAX_DEPTH} levels; send it flat"
            return storable(self.quarantined(position, "json_too_deep", reason, kept))
        try:
            return storable(convert())
        except UnusableError as error:
            code, reason = error.code, error.reason
        except Exception as error:  # noqa: BLE001 - one bad record must not stop the others
            code, reason = (
                "parser_error",
                f"the parser failed with {type(error).__name__}; the record is kept, "
                "report it as a defect of the parser",
            )
        return storable(self.quarantined(position, code, reason, kept))
