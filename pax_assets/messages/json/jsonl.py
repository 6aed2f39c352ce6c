"""JSON records as data teams hold them: one object a line, fields by many names.

A warehouse export, a vendor's dump and a colleague's script agree on `message_id, text,
timestamp` and on little else. This parser knows the common names of each field, takes what it
can use and keeps the rest in `source_metadata`; only a record without any text is refused.

Choices: `account` is what the record says, else empty; a stated thread id is hashed with channel
and account into `conversation_id` (the original stays in `source_metadata`); a record whose time
is absent or unreadable takes the time of arrival with precision `received`; the offset of a local
time is kept as `source_metadata["utc_offset"]`, unless the record says one itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

from pax_assets.messages.addresses import mailboxes, phone, whatsapp_number
from pax_assets.messages.arrival import Arrival, UnusableError
from pax_assets.messages.email.mail import thread_key
from pax_assets.messages.json.values import Json, as_dict, as_list, as_text, as_token
from pax_assets.messages.message import (
    Attachment,
    Direction,
    Message,
    conversation_key,
    derived_provider_id,
)
from pax_assets.messages.timestamps import Moment, read_moment

# The names of each field, the best first: where a record has several, the first with a value
# counts and the others stay in `source_metadata`.
FIELD_NAMES = {
    "id": "message_id provider_message_id id msg_id external_id guid uuid sid",
    "text": "text body content message message_body message_text body_text text_body msg",
    "time": (
        "timestamp sent_at date_sent sent created_at date_created created date datetime time ts "
        "timestamp_ms received_at"
    ),
    "sender": (
        "from sender from_number sender_number from_address sender_address from_email "
        "sender_email author sender_id"
    ),
    "recipients": (
        "to recipients recipient to_number recipient_number to_address to_email receiver"
    ),
    "cc": "cc",
    "bcc": "bcc",
    "sender_name": "sender_name from_name author_name profile_name contact_name",
    "subject": "subject",
    "thread": "conversation_id thread_id chat_id conversation thread",
    "account": "account account_number mailbox inbox",
    "direction": "direction",
    "attachments": "attachments media attachment",
    "language": "language lang",
    "provider": "provider",
    "reply_to": "in_reply_to reply_to_id reply_to_message_id quoted_message_id reply_to",
    "content_type": "content_type mime_type",
}
_RANKED = {
    name: (field, rank)
    for field, names in FIELD_NAMES.items()
    for rank, name in enumerate(names.split())
}
_DIRECTIONS: dict[str, Direction] = {
    "inbound": "inbound",
    "incoming": "inbound",
    "in": "inbound",
    "received": "inbound",
    "outbound": "outbound",
    "outgoing": "outbound",
    "out": "outbound",
    "sent": "outbound",
}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\s.-]+")
_SPLIT = re.compile(r"[,;]")
# A number in the spelling that all get.
_E164 = re.compile(r"\+[0-9]{7,15}")
_MAX_KEY = 64

Ordinals = dict[str, int]


@lru_cache(maxsize=4096)
def _field_of(key: str) -> tuple[str, int] | None:
    """Return field and rank of a record's key, in snake case, camel case or with spaces."""
    return _RANKED.get(_SEPARATORS.sub("_", _CAMEL.sub("_", key.strip())).lower())


def message(
    record: Json, raw: bytes, position: str, arrival: Arrival, ordinals: Ordinals
) -> Message:
    """Return the message of one JSON object; raise `UnusableError` where it has no text.

    `raw` are the bytes whose digest stands for the record. `ordinals` belongs to the object and
    counts records without an id that are equal in everything else.
    """
    fields, rest = _sorted_fields(record)
    text = _text(fields)
    attachments = _attachments(fields.get("attachments"))
    if text is None:
        if not attachments and as_token(fields.get("subject")) is None:
            accepted = ", ".join(FIELD_NAMES["text"].split())
            raise UnusableError("no_text", f"the record holds no text under any of: {accepted}")
        text = ""
    names: dict[str, str] = {}
    account = next(iter(parties(fields.get("account"), arrival, {})), "")
    sender = next(iter(parties(fields.get("sender"), arrival, names)), "")
    stated_name = as_token(fields.get("sender_name"))
    if sender and stated_name:
        names.setdefault(sender, stated_name)
    recipients = tuple(
        dict.fromkeys(
            party
            for field in ("recipients", "cc", "bcc")
            for party in parties(fields.get(field), arrival, names)
        )
    )
    time = fields.get("time")
    moment = read_moment(time)
    if moment is None:
        moment = Moment(arrival.received_at, "received")
        if time is not None:
            rest["unread_timestamp"] = time
    if moment.utc_offset is not None:
        rest.setdefault("utc_offset", moment.utc_offset)
    thread, reply_to = as_token(fields.get("thread")), _reply_to(fields, arrival)
    provider_id = as_token(fields.get("id"))
    if arrival.channel == "email":
        provider_id = provider_id.strip("<> ") or None if provider_id else None
    if provider_id is None:
        provider_id = _derived_id(
            (thread or " ".join(recipients), _local_time(time, arrival), sender, text), ordinals
        )
    if thread is not None:
        conversation = conversation_key(arrival.channel, account, [f"thread:{thread}"])
        rest["conversation_id"] = thread
    elif arrival.channel == "email":
        conversation = thread_key(reply_to or provider_id)
    else:
        # Without any party each message stands alone: one huge conversation would be wrong.
        named = [party for party in (sender, *recipients) if party]
        conversation = conversation_key(arrival.channel, account, named or [provider_id])
    if names:
        rest["names"] = names
    return Message(
        channel=arrival.channel,
        provider=as_token(fields.get("provider")) or "jsonl",
        source_kind="export",
        account=account,
        provider_message_id=provider_id,
        conversation_id=conversation,
        sender=sender,
        recipients=recipients,
        direction=direction(fields.get("direction"), account, sender, recipients),
        sent_at=moment.at,
        text=text,
        position=position,
        sha256=hashlib.sha256(raw).hexdigest(),
        sent_at_precision=moment.precision,
        zone_assumed=moment.zone_assumed,
        received_at=arrival.received_at,
        subject=as_text(fields.get("subject")),
        content_type=as_token(fields.get("content_type")) or "text/plain",
        attachments=attachments,
        reply_to=reply_to,
        language=as_token(fields.get("language")),
        source_metadata=rest,
    )


def fields_of(keys: Iterable[str]) -> dict[str, str]:
    """Return, for each field of `FIELD_NAMES` that occurs, the key that states it best."""
    best: dict[str, tuple[int, str]] = {}
    for key in keys:
        ranked = _field_of(key) if len(key) <= _MAX_KEY else None
        if ranked is not None and (ranked[0] not in best or ranked[1] < best[ranked[0]][0]):
            best[ranked[0]] = (ranked[1], key)
    return {field: key for field, (_, key) in best.items()}


def _sorted_fields(record: Json) -> tuple[Json, Json]:
    """Split a record into the fields that are known (best name wins) and everything else."""
    chosen = fields_of(key for key, value in record.items() if value is not None)
    used = set(chosen.values())
    fields = {field: record[key] for field, key in chosen.items()}
    rest = {key: value for key, value in record.items() if key not in used and value is not None}
    return fields, rest


def _text(fields: Json) -> str | None:
    value = fields.get("text")
    if isinstance(value, dict):
        nested = as_dict(value)
        value = next((nested[key] for key in ("body", "text", "content") if key in nested), None)
    text = as_text(value)
    if text is None and value is not None:
        raise UnusableError(
            "text_not_text",
            f"the text of the record is a JSON {type(value).__name__}, not a string",
        )
    return text


def parties(value: object, arrival: Arrival, names: dict[str, str]) -> list[str]:
    """Return the addresses that a value names (a string, an object, or a list of those)."""
    if isinstance(value, list):
        return [party for item in as_list(value) for party in parties(item, arrival, names)]
    if isinstance(value, dict):
        person = as_dict(value)
        keys = ("number", "phone", "email", "address", "wa_id", "id")
        raw = next((person[key] for key in keys if as_token(person.get(key))), None)
        found = parties(as_token(raw), arrival, names)
        name = as_token(person.get("name"))
        if name and len(found) == 1:
            names.setdefault(found[0], name)
        return found
    text = as_token(value)
    if text is None:
        return []
    if arrival.channel == "email":
        pairs = mailboxes(text)
        names.update({address: name for name, address in pairs if name})
        return [address for _, address in pairs]
    if _E164.fullmatch(text):
        return [text]
    spelled = [part.strip() for part in _SPLIT.split(text) if part.strip()]
    if arrival.channel == "whatsapp":
        return [whatsapp_number(part) for part in spelled]
    return [phone(part, arrival.default_region) for part in spelled]


def _reply_to(fields: Json, arrival: Arrival) -> str | None:
    value = as_token(fields.get("reply_to"))
    if value is None or arrival.channel != "email":
        return value
    return value.strip("<> ") or None


def direction(value: object, account: str, sender: str, recipients: tuple[str, ...]) -> Direction:
    """Return which way a message went: as stated, else by where the account stands in it."""
    word = (as_token(value) or "").lower().partition("-")[0]
    if word in _DIRECTIONS:
        return _DIRECTIONS[word]
    if account and account == sender:
        return "outbound"
    return "inbound" if account and account in recipients else "unknown"


def _local_time(time: object, arrival: Arrival) -> str:
    stated = as_token(time)
    # Without id and time only the day of arrival keeps two equal messages of two days apart.
    return stated if stated is not None else arrival.received_at.date().isoformat()


def _derived_id(key: tuple[str, str, str, str], ordinals: Ordinals) -> str:
    first = derived_provider_id(*key, ordinal=0)
    ordinal = ordinals.get(first, 0)
    ordinals[first] = ordinal + 1
    return first if ordinal == 0 else derived_provider_id(*key, ordinal=ordinal)


def _attachments(value: object) -> tuple[Attachment, ...]:
    items = as_list(value) if isinstance(value, list) else [value]
    found: list[Attachment] = []
    for item in items:
        if isinstance(item, dict):
            entry = as_dict(item)
            mime = _one_of(entry, "mime", "mime_type", "content_type", "type")
            found.append(
                Attachment(
                    kind=_one_of(entry, "kind") or (mime or "file").partition("/")[0],
                    id=_one_of(entry, "id", "url", "uri"),
                    mime=mime,
                    sha256=_one_of(entry, "sha256"),
                    filename=_one_of(entry, "filename", "file_name", "name"),
                )
            )
        elif (name := as_token(item)) is not None:
            found.append(Attachment(kind="file", id=name))
    return tuple(found)


def _one_of(entry: Json, *keys: str) -> str | None:
    return next((text for key in keys if (text := as_token(entry.get(key)))), None)
