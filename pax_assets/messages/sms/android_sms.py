"""Backups of Android's "SMS Backup & Restore": SMS, MMS and call logs, with hardly an id in them.

Choices: `account` is empty, for the format names none, and so are our own number as sender and as
recipient. A conversation is the other parties' numbers, so that an SMS and an MMS with the same
person meet. Without a provider's id a message's id is derived from conversation, date, sender and
text: in the next, larger backup it is the same message. A draft is a channel event of kind
`draft`, what waits in the outbox or the queue a `status`, what failed an `error`, a call a
`call`. The backup itself is one `system` event: what it says of itself beside what was read.

After https://www.synctech.com.au/sms-backup-restore/fields-in-xml-backup-files/ (its XSD).
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from pax_assets.messages.arrival import MAX_RECORD_BYTES, Arrival, UnusableError
from pax_assets.messages.json.values import Json, canonical
from pax_assets.messages.message import (
    ChannelEvent,
    Direction,
    Message,
    Record,
    conversation_key,
    derived_provider_id,
)
from pax_assets.messages.sms.android_bytes import MAX_TAG_BYTES
from pax_assets.messages.sms.android_mms import Content, parties, read_mms
from pax_assets.messages.sms.android_xml import BrokenXml, Element, Entry, Root, entries
from pax_assets.messages.source import Source
from pax_assets.messages.timestamps import LATEST, Moment

PROVIDER = "sms_backup_restore"

_ROOT = re.compile(rb"(?:<\?[^>]*+>\s*+|<!--[^>]*+>\s*+|<![^>]*+>\s*+)*+<(?:smses|calls)[\s/>]")
_DIGITS = re.compile(r"-?[0-9]{1,20}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIRECTIONS: dict[str, Direction] = {"1": "inbound", "2": "outbound"}
_EVENTS = {"3": "draft", "4": "status", "5": "error", "6": "status"}
# An MMS that only announces another, or reports on one (OMA MMS encapsulation, 7.3.30).
_MMS_REPORTS = ("130", "131", "133", "134", "135", "136")
_IN_COLUMNS = {
    "sms": ("address", "body", "date", "type", "subject"),
    "mms": ("address", "date", "msg_box", "sub", "m_id"),
}
_NO_CONTACT = "(Unknown)"
# As milliseconds these would be the phone's first three years, 1970 to 1973.
_SECONDS_BELOW = 100_000_000_000
# The first SMS was sent on 3 December 1992; what is older comes from a broken clock.
_EARLIEST_MS = int(datetime(1992, 12, 3, tzinfo=UTC).timestamp()) * 1000
_LATEST_MS = int(LATEST.timestamp()) * 1000
# Messages without an id that are equal in everything stand together in a backup: so many are
# remembered, and memory does not grow with the backup.
_EQUALS_KEPT = 20_000

_Ordinals = OrderedDict[str, int]


def is_backup(head: bytes, arrival: Arrival) -> bool:
    """Say whether an object is a backup, or on the SMS channel any XML."""
    start = head.lstrip()
    if not start.startswith(b"<"):
        return False
    is_xml = arrival.channel == "sms" and start.startswith((b"<?xml", b"<!DOCTYPE"))
    return is_xml or bool(_ROOT.match(start))


def records(source: Source, arrival: Arrival) -> Iterator[Record]:
    """Yield the records of a backup: those of its entries, then the event of the backup itself."""
    if arrival.channel != "sms":
        reason = "this is a backup of SMS; land it under sms/"
        yield arrival.quarantined("object", "wrong_channel", reason, source.head)
        return
    root = None
    ordinals: _Ordinals = OrderedDict()
    read: Counter[str] = Counter()
    for item in entries(source.stream()):
        if isinstance(item, Root):
            root = item
        elif isinstance(item, BrokenXml):
            read["broken"] += 1
            yield arrival.quarantined(item.position, item.code, item.reason, item.raw)
        else:
            read[item.element.tag[:80]] += 1
            yield _outcome(item, arrival, ordinals)
    if root is not None:
        yield arrival.outcome(
            root.tag, root.attributes, lambda: _backup_event(root, dict(read), arrival)
        )


def _outcome(entry: Entry, arrival: Arrival, ordinals: _Ordinals) -> Record:
    value = _value(entry)
    return arrival.outcome(entry.position, value, lambda: _record(entry, value, arrival, ordinals))


def _value(entry: Entry) -> Json:
    """Return an entry as JSON: its attributes, the tags inside it, digests for large values."""
    value: Json = {**entry.element.attributes, **_digests(entry.element)}
    inside: dict[str, list[object]] = {}
    for element in entry.inner:
        inside.setdefault(f"<{element.tag}>", []).append(
            {**element.attributes, **_digests(element)}
        )
    return {**value, **inside}


def _digests(element: Element) -> Json:
    return {
        name: {"sha256": large.sha256, "size": large.size} for name, large in element.large.items()
    }


def _record(entry: Entry, value: Json, arrival: Arrival, ordinals: _Ordinals) -> Record:
    if entry.is_too_large or any(
        element.large.keys() - {"data"} for element in (entry.element, *entry.inner)
    ):
        raise UnusableError(
            "record_too_large",
            f"the entry has more than {MAX_RECORD_BYTES} bytes beside its media, or one value of "
            f"more than {MAX_TAG_BYTES}; export it apart",
        )
    tag = entry.element.tag
    stated = {key: text for key, text in entry.element.attributes.items() if text != "null"}
    if tag == "call":
        return _event("call", stated.get("number"), stated, value, entry, arrival)
    if tag not in ("sms", "mms"):
        raise UnusableError("unknown_element", "a backup has no such entry; its values are kept")
    box = stated.get("type" if tag == "sms" else "msg_box", "")
    reports = tag == "mms" and stated.get("m_type") in _MMS_REPORTS
    kind = "status" if reports else _EVENTS.get(box)
    if kind is not None:
        return _event(kind, stated.get("address"), stated, value, entry, arrival)
    if box not in _DIRECTIONS:
        raise UnusableError(
            "unknown_message_type",
            f"the {tag} is neither received, sent, a draft, waiting nor failed",
        )
    return _message(entry, stated, _DIRECTIONS[box], _digest(value), arrival, ordinals)


def _message(
    entry: Entry,
    stated: dict[str, str],
    direction: Direction,
    digest: str,
    arrival: Arrival,
    ordinals: _Ordinals,
) -> Message:
    inbound, region = direction == "inbound", arrival.default_region
    others = parties(stated.get("address"), region)
    if entry.element.tag == "sms":
        content = Content(
            text=stated.get("body", ""),
            sender=others[0] if inbound and others else "",
            recipients=() if inbound else others,
        )
        provider_id, subject = None, stated.get("subject")
    else:
        content = read_mms(entry, inbound=inbound, default_region=region)
        provider_id, subject = stated.get("m_id") or stated.get("tr_id"), stated.get("sub")
    in_columns = _IN_COLUMNS[entry.element.tag]
    rest: Json = {key: text for key, text in stated.items() if key not in in_columns}
    rest.update(content.other)
    if len(others) == 1 and stated.get("contact_name", _NO_CONTACT) != _NO_CONTACT:
        rest["names"] = {others[0]: rest.pop("contact_name")}
    date = stated.get("date")
    moment = _moment(date)
    if moment is None:
        moment = Moment(arrival.received_at, "received")
        rest["unread_timestamp"] = date
    # Without any party each message stands alone: one huge conversation would be wrong.
    named = others or tuple(party for party in (content.sender, *content.recipients) if party)
    key = (" ".join(named), date or "", content.sender, content.text)
    provider_id = provider_id or _derived_id(key, ordinals)
    return Message(
        channel=arrival.channel,
        provider=PROVIDER,
        source_kind="export",
        account="",
        provider_message_id=provider_id,
        conversation_id=conversation_key(arrival.channel, "", named or (provider_id,)),
        sender=content.sender,
        recipients=content.recipients,
        direction=direction,
        sent_at=moment.at,
        text=content.text,
        position=entry.position,
        sha256=digest,
        sent_at_precision=moment.precision,
        received_at=arrival.received_at,
        subject=subject,
        attachments=content.attachments,
        source_metadata=rest,
    )


def _event(
    kind: str,
    address: str | None,
    stated: dict[str, str],
    value: Json,
    entry: Entry,
    arrival: Arrival,
) -> ChannelEvent:
    moment = _moment(stated.get("date"))
    return ChannelEvent(
        channel=arrival.channel,
        provider=PROVIDER,
        kind=kind,
        account="",
        position=entry.position,
        sha256=_digest(value),
        provider_message_id=stated.get("m_id") or stated.get("tr_id"),
        occurred_at=moment.at if moment else None,
        actor="~".join(parties(address, arrival.default_region)) or None,
        payload=value,
    )


def _backup_event(root: Root, read: dict[str, int], arrival: Arrival) -> ChannelEvent:
    moment = _moment(root.attributes.get("backup_date"))
    payload: Json = {**root.attributes, "read": read}
    if root.attributes.get("count") not in (None, str(sum(read.values()))):
        payload["note"] = "the backup holds another number of entries than it states"
    return ChannelEvent(
        channel=arrival.channel,
        provider=PROVIDER,
        kind="system",
        account="",
        position=root.tag,
        sha256=_digest(payload),
        occurred_at=moment.at if moment else None,
        payload=payload,
    )


def _digest(value: Json) -> str:
    return sha256(canonical(value)).hexdigest()


def _moment(text: str | None) -> Moment | None:
    """Read epoch milliseconds, or what can only be seconds; None outside 1992 to 2200."""
    if text is None or not _DIGITS.fullmatch(text):
        return None
    number = int(text)
    milliseconds = number if abs(number) >= _SECONDS_BELOW else number * 1000
    if not _EARLIEST_MS <= milliseconds < _LATEST_MS:
        return None
    precision = "second" if milliseconds % 1000 == 0 else "millisecond"
    return Moment(_EPOCH + timedelta(milliseconds=milliseconds), precision)


def _derived_id(key: tuple[str, str, str, str], ordinals: _Ordinals) -> str:
    first = derived_provider_id(*key, ordinal=0)
    ordinal = ordinals.pop(first, 0)
    ordinals[first] = ordinal + 1
    if len(ordinals) > _EQUALS_KEPT:
        ordinals.popitem(last=False)
    return first if ordinal == 0 else derived_provider_id(*key, ordinal=ordinal)
