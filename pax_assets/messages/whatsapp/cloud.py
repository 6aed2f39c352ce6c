"""WhatsApp Cloud API webhook payloads to messages and channel events.

One POST carries several entries, changes and messages, in any order, and since 2026 a person may
have no phone number in it at all, only a `user_id`. What people wrote, shared or chose becomes a
message; what happened to messages (statuses, reactions, edits, deletions, calls, errors) becomes
a channel event.

Choices: `account` is the business number (`display_phone_number`, else `phone_number_id`);
`sender` is the phone number where there is one, else the `user_id`; content types other than text
are `whatsapp/<type>`. The reading of each type is in `whatsapp_content`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from pax_assets.messages.addresses import whatsapp_number
from pax_assets.messages.arrival import Arrival, UnusableError
from pax_assets.messages.json.documents import JsonDocument
from pax_assets.messages.json.values import Json, as_dict, as_list, as_token, canonical
from pax_assets.messages.message import (
    ChannelEvent,
    Direction,
    Message,
    Record,
    conversation_key,
)
from pax_assets.messages.timestamps import Moment, read_moment
from pax_assets.messages.whatsapp.cloud_content import event_of, note_of, read_content

PROVIDER = "whatsapp_cloud"

_VALUE_KEYS = ("metadata", "contacts", "messages", "statuses", "errors", "calls")


@dataclass(frozen=True, slots=True)
class _Change:
    """What the records of one change share."""

    account: str
    phone_number_id: str | None
    waba_id: str | None
    contacts: tuple[Json, ...]
    has_errors: bool


def is_payload(value: Json) -> bool:
    """Say whether a JSON object is a webhook payload, or the bare `value` of a change."""
    if value.get("object") == "whatsapp_business_account":
        return True
    if value.get("messaging_product") == "whatsapp":
        return any(isinstance(value.get(key), (dict, list)) for key in _VALUE_KEYS)
    if "object" in value:
        # The same envelope from another of Meta's products.
        return False
    return isinstance(value.get("changes"), list) or any(
        "changes" in as_dict(entry) for entry in as_list(value.get("entry"))
    )


def records(value: Json, path: str, document: JsonDocument, arrival: Arrival) -> Iterator[Record]:
    """Yield one record for each message, status, error and other notice in a payload."""
    count = 0
    for waba_id, change_path, change in _changes(value, path):
        notice = as_dict(change)
        body = as_dict(notice.get("value")) if "value" in notice else notice
        shared = _shared(body, waba_id)
        for item_path, item, kind, direction in _items(body, shared, change_path):
            count += 1
            yield _outcome(item, kind, direction, shared, document.position(item_path), arrival)
    if not count:
        yield _outcome(
            value, "notice", "unknown", _shared({}, None), document.position(path), arrival
        )


def _changes(value: Json, path: str) -> Iterator[tuple[str | None, str, object]]:
    prefix = f"{path}." if path else ""
    if isinstance(value.get("entry"), list):
        for number, item in enumerate(as_list(value["entry"])):
            entry, place = as_dict(item), f"{prefix}entry[{number}]"
            if not as_list(entry.get("changes")):
                yield None, place, item
            for index, change in enumerate(as_list(entry.get("changes"))):
                yield as_token(entry.get("id")), f"{place}.changes[{index}].", change
    elif isinstance(value.get("changes"), list):
        for index, change in enumerate(as_list(value["changes"])):
            yield as_token(value.get("id")), f"{prefix}changes[{index}].", change
    elif "messaging_product" in value:
        yield None, prefix, value


def _shared(body: Json, waba_id: str | None) -> _Change:
    metadata = as_dict(body.get("metadata"))
    number_id = as_token(metadata.get("phone_number_id"))
    shown = as_token(metadata.get("display_phone_number"))
    return _Change(
        account=whatsapp_number(shown) if shown else number_id or waba_id or "",
        phone_number_id=number_id,
        waba_id=waba_id,
        contacts=tuple(as_dict(contact) for contact in as_list(body.get("contacts"))),
        has_errors=bool(as_list(body.get("errors"))),
    )


def _items(body: Json, shared: _Change, path: str) -> Iterator[tuple[str, object, str, Direction]]:
    """Yield path, record, kind of list and direction of everything that a change carries."""
    found = False
    lists: tuple[tuple[str, str, Direction], ...] = (
        ("messages", "message", "inbound"),
        ("message_echoes", "message", "outbound"),
        ("statuses", "status", "unknown"),
        ("errors", "error", "unknown"),
        ("calls", "call", "unknown"),
    )
    for key, kind, direction in lists:
        for number, item in enumerate(as_list(body.get(key))):
            found = True
            yield f"{path}{key}[{number}]", item, kind, direction
    for first, history in enumerate(as_list(body.get("history"))):
        for second, thread in enumerate(as_list(as_dict(history).get("threads"))):
            for number, item in enumerate(as_list(as_dict(thread).get("messages"))):
                found = True
                place = f"{path}history[{first}].threads[{second}].messages[{number}]"
                sent_by = as_token(as_dict(item).get("from"))
                ours = sent_by is not None and whatsapp_number(sent_by) == shared.account
                yield place, item, "message", "outbound" if ours else "inbound"
    if not found:
        # An account update, a template's review, a field that is newer than this parser.
        yield path.rstrip("."), body, "notice", "unknown"


def _outcome(
    item: object,
    kind: str,
    direction: Direction,
    shared: _Change,
    position: str,
    arrival: Arrival,
) -> Record:
    def convert() -> Record:
        if not isinstance(item, dict):
            raise UnusableError(
                "not_an_object", f"a JSON {type(item).__name__} in place of a {kind}"
            )
        record = as_dict(item)
        if kind == "message":
            return _message(record, direction, shared, position, arrival)
        event = "system" if kind == "notice" else kind
        if kind == "status" and as_token(record.get("type")) == "call":
            event = "call"
        about = as_token(record.get("id")) if kind in ("status", "call") else None
        return _event(record, event, about, None, shared, position, arrival)

    return arrival.outcome(position, item, convert)


def _event(
    record: Json,
    kind: str,
    about: str | None,
    actor: str | None,
    shared: _Change,
    position: str,
    arrival: Arrival,
) -> ChannelEvent:
    moment = read_moment(record.get("timestamp"))
    note = note_of(record) if kind == "error" else None
    party = next(
        (
            text
            for key in (
                "recipient_participant_id",
                "recipient_id",
                "recipient_user_id",
                "from",
                "from_user_id",
            )
            if (text := as_token(record.get(key)))
        ),
        None,
    )
    return ChannelEvent(
        channel=arrival.channel,
        provider=PROVIDER,
        kind=kind,
        account=shared.account,
        position=position,
        sha256=sha256(canonical(record)).hexdigest(),
        provider_message_id=about,
        occurred_at=moment.at if moment else None,
        actor=actor or (whatsapp_number(party) if party else None),
        payload=record if note is None else {**record, "pax_note": note},
    )


def _message(
    record: Json, direction: Direction, shared: _Change, position: str, arrival: Arrival
) -> Record:
    sender, contact = _sender(record, direction, shared)
    event = event_of(record, has_errors=shared.has_errors)
    if event is not None:
        kind, about = event
        return _event(record, kind, about, sender or None, shared, position, arrival)
    message_id = as_token(record.get("id"))
    if message_id is None:
        raise UnusableError("no_id", "the message has no id; land the payload as it was received")
    content = read_content(record)
    if content is None:
        kind = as_token(record.get("type")) or "message"
        raise UnusableError("no_body", f"the {kind} has no body of its own")
    group = as_token(record.get("group_id"))
    other = as_token(record.get("to"))
    if direction == "outbound":
        recipients = (whatsapp_number(other),) if other else ()
    else:
        recipients = (shared.account,) if shared.account else ()
    parties = [group] if group else [party for party in (sender, *recipients) if party]
    moment = read_moment(record.get("timestamp")) or Moment(arrival.received_at, "received")
    context = as_dict(record.get("context"))
    return Message(
        channel=arrival.channel,
        provider=PROVIDER,
        source_kind="webhook",
        account=shared.account,
        provider_message_id=message_id,
        conversation_id=conversation_key(arrival.channel, shared.account, parties or [message_id]),
        sender=sender,
        recipients=recipients,
        direction=direction,
        sent_at=moment.at,
        text=content.text,
        position=position,
        sha256=sha256(canonical(record)).hexdigest(),
        sent_at_precision=moment.precision,
        zone_assumed=moment.zone_assumed,
        received_at=arrival.received_at,
        content_type=content.content_type,
        attachments=content.attachments,
        reply_to=as_token(context.get("id")),
        source_metadata=_metadata(record, contact, sender, group, shared, content.metadata),
    )


def _sender(record: Json, direction: Direction, shared: _Change) -> tuple[str, Json]:
    """Return who sent a message, and what the payload's contacts say of that person."""
    number = as_token(record.get("from"))
    user = as_token(record.get("from_user_id")) or as_token(record.get("user_id"))
    contact: Json = {}
    if direction == "inbound":
        for candidate in shared.contacts:
            if (number and as_token(candidate.get("wa_id")) == number) or (
                user and as_token(candidate.get("user_id")) == user
            ):
                contact = candidate
                break
        else:
            # A payload with one contact means the sender, whatever ids it gives.
            if len(shared.contacts) == 1:
                contact = shared.contacts[0]
        if number is None and user is None:
            number, user = as_token(contact.get("wa_id")), as_token(contact.get("user_id"))
    if direction == "outbound" and number is None:
        return shared.account, contact
    return whatsapp_number(number) if number else user or "", contact


def _metadata(
    record: Json,
    contact: Json,
    sender: str,
    group: str | None,
    shared: _Change,
    content: Json,
) -> Json:
    profile, context = as_dict(contact.get("profile")), as_dict(record.get("context"))
    name = as_token(profile.get("name"))
    metadata: Json = {
        "type": as_token(record.get("type")),
        "names": {sender: name} if name and sender else None,
        "username": as_token(profile.get("username")),
        "user_id": as_token(record.get("from_user_id")) or as_token(contact.get("user_id")),
        "parent_user_id": as_token(record.get("from_parent_user_id"))
        or as_token(contact.get("parent_user_id")),
        "wa_id": as_token(contact.get("wa_id")),
        "phone_number_id": shared.phone_number_id,
        "waba_id": shared.waba_id,
        "group_id": group,
        "context": context or None,
        "referral": record.get("referral"),
        "identity": record.get("identity"),
        "errors": record.get("errors"),
        **content,
    }
    return {key: value for key, value in metadata.items() if value is not None}
