"""Twilio's REST message resource, single or in list pages, to messages.

Choices: `account` is our own number: `to` of an inbound message, `from` of an outbound one (the
messaging service or the Twilio account where the sender is not known yet). The addresses decide
the channel, because one Twilio list mixes SMS and WhatsApp (`whatsapp:+...`). A failed outbound
message is still a message, its status is in `source_metadata`; one that was never sent
(scheduled, canceled, or queued without a sender) is a channel event of kind `draft`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

from pax_assets.messages.addresses import phone
from pax_assets.messages.arrival import Arrival, UnusableError
from pax_assets.messages.json.documents import JsonDocument
from pax_assets.messages.json.values import Json, as_dict, as_list, as_text, as_token, canonical
from pax_assets.messages.message import (
    Attachment,
    Channel,
    ChannelEvent,
    Direction,
    Message,
    Record,
    conversation_key,
)
from pax_assets.messages.timestamps import Moment, read_moment

PROVIDER = "twilio"

_SID = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")
_PAGE_KEYS = ("page", "page_size", "first_page_uri", "next_page_uri", "previous_page_uri")
_NEVER_SENT = ("scheduled", "canceled")
_NOT_YET_SENT = ("accepted", "queued")
# Twilio allows ten; a number beyond is nonsense and must not become as many rows.
MAX_MEDIA = 100
# Everything else of the resource says something about it that has no column of its own.
_IN_COLUMNS = ("sid", "from", "to", "body", "direction", "date_sent")


def is_message_resource(value: Json) -> bool:
    """Say whether a JSON object is one Twilio message."""
    sid = value.get("sid")
    return isinstance(sid, str) and bool("account_sid" in value or _SID.fullmatch(sid))


def is_message_list(value: Json) -> bool:
    """Say whether a JSON object is a page of Twilio messages."""
    items = value.get("messages")
    if not isinstance(items, list):
        return False
    return any(key in value for key in _PAGE_KEYS) or any(
        is_message_resource(as_dict(item)) for item in as_list(items)[:10]
    )


def channel_of(raw_from: str | None, raw_to: str | None, landed: Channel) -> Channel:
    """Return the channel that Twilio's addresses name; `landed` where there is no address."""
    stated = [raw for raw in (raw_from, raw_to) if raw]
    if any(raw.lower().startswith("whatsapp:") for raw in stated):
        return "whatsapp"
    return "sms" if stated else landed


def records(value: Json, path: str, document: JsonDocument, arrival: Arrival) -> Iterator[Record]:
    """Yield one record for each message of a page, or for the single message that `value` is."""
    if is_message_list(value):
        for number, item in enumerate(as_list(value["messages"])):
            place = f"{path}.messages[{number}]" if path else f"messages[{number}]"
            yield _outcome(item, document.position(place), arrival)
    else:
        yield _outcome(value, document.position(path), arrival)


def _outcome(item: object, position: str, arrival: Arrival) -> Record:
    return arrival.outcome(position, item, lambda: _record(item, position, arrival))


def _record(item: object, position: str, arrival: Arrival) -> Record:
    if not isinstance(item, dict):
        raise UnusableError("not_an_object", f"a JSON {type(item).__name__} in a list of messages")
    resource = as_dict(item)
    sid = as_token(resource.get("sid"))
    if sid is None:
        raise UnusableError("no_id", "the message has no sid; export it as Twilio's API returns it")
    if "body" not in resource and "num_media" not in resource:
        # Twilio's calls, recordings and media have a sid and an account too.
        raise UnusableError(
            "not_a_message", "a Twilio resource without a body; land the Messages list only"
        )
    raw_from, raw_to = as_token(resource.get("from")), as_token(resource.get("to"))
    region = arrival.default_region
    sender = phone(raw_from, region) if raw_from else ""
    recipients = (phone(raw_to, region),) if raw_to else ()
    direction = _direction(resource)
    service = _service(resource)
    account = (
        (recipients[0] if recipients else service)
        if direction == "inbound"
        else (sender or service)
    )
    channel = channel_of(raw_from, raw_to, arrival.channel)
    status = (as_token(resource.get("status")) or "").lower()
    digest = sha256(canonical(resource)).hexdigest()
    moment = _moment(resource)
    if status in _NEVER_SENT or (status in _NOT_YET_SENT and not sender):
        return ChannelEvent(
            channel=channel,
            provider=PROVIDER,
            kind="draft",
            account=account,
            position=position,
            sha256=digest,
            provider_message_id=sid,
            occurred_at=moment.at if moment else None,
            actor=sender or None,
            payload=resource,
        )
    moment = moment or Moment(arrival.received_at, "received")
    return Message(
        channel=channel,
        provider=PROVIDER,
        source_kind="rest",
        account=account,
        provider_message_id=sid,
        conversation_id=conversation_key(
            channel, account, [party for party in (sender, *recipients) if party] or [sid]
        ),
        sender=sender,
        recipients=recipients,
        direction=direction,
        sent_at=moment.at,
        text=as_text(resource.get("body")) or "",
        position=position,
        sha256=digest,
        sent_at_precision=moment.precision,
        zone_assumed=moment.zone_assumed,
        received_at=arrival.received_at,
        attachments=_media(resource),
        source_metadata={
            key: value
            for key, value in resource.items()
            if key not in _IN_COLUMNS and value is not None
        },
    )


def _direction(resource: Json) -> Direction:
    word = (as_token(resource.get("direction")) or "").lower()
    if word.startswith("inbound"):
        return "inbound"
    return "outbound" if word.startswith("outbound") else "unknown"


def _service(resource: Json) -> str:
    keys = ("messaging_service_sid", "account_sid")
    return next((text for key in keys if (text := as_token(resource.get(key)))), "")


def _moment(resource: Json) -> Moment | None:
    for key in ("date_sent", "date_created", "date_updated"):
        moment = read_moment(resource.get(key))
        if moment is not None:
            return moment
    return None


def _media(resource: Json) -> tuple[Attachment, ...]:
    count = as_token(resource.get("num_media")) or ""
    if not count.isascii() or not count.isdigit() or len(count) > 4:
        return ()
    folder = as_token(as_dict(resource.get("subresource_uris")).get("media"))
    return tuple(
        Attachment(kind="media", id=f"{folder}#{number}" if folder else None)
        for number in range(min(int(count), MAX_MEDIA))
    )
