"""One entrance for every landed object: what it is shows in its bytes.

Providers, gateways and people name files as they like, so a name or an extension decides
nothing here. Each format says by the object's first bytes whether it is one of its own; JSON is
cut into documents and each is recognised alone. Whatever is left is quarantined with a sentence
that says what would have been accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, cast

from pax_assets.messages.archives import containers
from pax_assets.messages.arrival import MAX_RECORD_BYTES, Arrival
from pax_assets.messages.email import mail, mbox
from pax_assets.messages.email.mail_source import mail_start
from pax_assets.messages.json import kinds
from pax_assets.messages.json.documents import JsonDocument, documents, looks_like_json
from pax_assets.messages.message import CHANNELS, Channel, Record
from pax_assets.messages.options import ParseOptions
from pax_assets.messages.sms import android_sms, twilio_form
from pax_assets.messages.source import Source
from pax_assets.messages.whatsapp import chat_export

_ACCEPTED = {
    "sms": (
        "backups of Android's SMS Backup & Restore, JSON Lines, Twilio's webhook forms or REST "
        "message list, or SMS of AWS in SNS"
    ),
    "whatsapp": (
        "WhatsApp Cloud API webhook payloads, WhatsApp chat exports, JSON Lines, Twilio's webhook "
        "forms or REST message list"
    ),
    "email": "RFC 5322 mail (.eml), mailboxes (mbox), JSON Lines or notifications of Amazon SES",
}


def parse(
    data: bytes | BinaryIO,
    channel: str,
    uri: str,
    *,
    received_at: datetime,
    options: ParseOptions = ParseOptions(),  # noqa: B008 - frozen
) -> Iterator[Record]:
    """Yield one `Message`, `ChannelEvent` or `Quarantined` for every record of an object.

    `data` are the object's bytes or a stream of them (read to its end, never closed), `channel`
    one of `CHANNELS`, `uri` where it lies (its last part may name a chat), `received_at` when it
    arrived (naive counts as UTC). No bytes make it raise, every string that it yields encodes to
    UTF-8, memory does not grow with the object, and the same arguments give the same records.
    Raises `ValueError` for a channel that does not exist, and what reading the stream raises.
    """
    if channel not in CHANNELS:
        raise ValueError(f"no such channel: {channel!r} (for {uri}); use one of {CHANNELS}")
    if received_at.tzinfo is None:
        received_at = received_at.replace(tzinfo=UTC)
    names = (uri.rsplit("/", 1)[-1],)
    arrival = Arrival(cast(Channel, channel), received_at.astimezone(UTC), options, names)
    return records(Source(data), arrival)


def records(source: Source, arrival: Arrival) -> Iterator[Record]:
    """Yield the records of one object, or of one member of an archive."""
    if not source.head.strip() and source.small() is not None and not source.head.strip():
        yield arrival.quarantined("object", "empty_object", "the object is empty", source.head)
        return
    for form in _FORMATS:
        if form.recognises(source.head, arrival):
            yield from form.records(source, arrival)
            return
    code, reason = "unknown_format", f"neither {_ACCEPTED[arrival.channel]}"
    if mail_start(source.head) is not None:
        code, reason = "wrong_channel", "this is mail; land it under email/"
    yield arrival.quarantined("object", code, reason, source.small() or source.head)


@dataclass(frozen=True, slots=True)
class _Format:
    """How a format shows in the first 64 KiB of an object, and who reads it."""

    recognises: Callable[[bytes, Arrival], bool]
    records: Callable[[Source, Arrival], Iterator[Record]]


def _is_mail(head: bytes, arrival: Arrival) -> bool:
    if arrival.channel != "email":
        return False
    if mail_start(head) is None:
        # Mail without a single header is quarantined by its parser, with the reason.
        return not looks_like_json(head)
    if head.lstrip()[:1] not in (b"{", b"["):
        return True
    # A stray brace before a mail, or JSON whose text quotes a mail's headers.
    return not isinstance(next(documents(head), None), JsonDocument)


def _mail_records(source: Source, arrival: Arrival) -> Iterator[Record]:
    data = source.small()
    if data is None:
        reason = f"the mail has more than {MAX_RECORD_BYTES} bytes"
        yield arrival.quarantined("object", "record_too_large", reason, source.head)
    else:
        yield from mail.records(data, arrival)


# The first that recognises the object reads it.
_FORMATS = (
    _Format(
        containers.is_container,
        lambda source, arrival: containers.records(source, arrival, records),
    ),
    _Format(containers.is_packed_otherwise, containers.packed_otherwise),
    _Format(android_sms.is_backup, android_sms.records),
    _Format(twilio_form.is_form, twilio_form.records),
    _Format(mbox.is_mbox, mbox.records),
    _Format(chat_export.is_chat_export, chat_export.records),
    _Format(_is_mail, _mail_records),
    _Format(lambda head, _: looks_like_json(head), kinds.records),
)
