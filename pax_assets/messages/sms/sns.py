"""Amazon SNS: the envelope around what AWS services tell us, opened or thrown away.

The same payload arrives in an envelope with a time and a topic, or bare where the topic delivers
raw, over HTTPS, SQS or Firehose. Who reads a payload should not have to know which.

Choices: a subscription's confirmation, its end, and the note by which SES tries a topic out are
channel events of kind `handshake`. A message keeps the envelope's id, topic and subject in
`source_metadata`, but not its signature and its unsubscribe link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

from pax_assets.messages.arrival import Arrival, UnusableError
from pax_assets.messages.email import ses
from pax_assets.messages.json.documents import JsonDocument, documents, sha256_source
from pax_assets.messages.json.values import (
    MAX_DEPTH,
    Json,
    as_dict,
    as_text,
    as_token,
    canonical,
    is_too_deep,
)
from pax_assets.messages.message import Channel, ChannelEvent, Message, Record
from pax_assets.messages.sms import aws_sms
from pax_assets.messages.timestamps import read_moment

PROVIDER = "aws_sns"

_HANDSHAKES = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
_TYPES = ("Notification", *_HANDSHAKES)
_ENVELOPE_KEYS = ("TopicArn", "MessageId", "SubscribeURL")
_KEPT = ("MessageId", "TopicArn", "Subject", "MessageAttributes")
_TRIAL = "Successfully validated SNS topic"


@dataclass(frozen=True, slots=True)
class _Payload:
    """What may be inside: its name, how its keys show it, where it lands, who reads it."""

    name: str
    recognises: Callable[[Json], bool]
    channel: Channel
    record: Callable[[Json, Json, str, Arrival], Record]


_PAYLOADS = (
    _Payload("a two-way SMS of AWS", aws_sms.is_payload, "sms", aws_sms.record),
    _Payload("a notification of Amazon SES", ses.is_notification, "email", ses.record),
)


def is_envelope(value: Json) -> bool:
    """Say whether a JSON object is what SNS posts: a notification, or a handshake."""
    return value.get("Type") in _TYPES and any(key in value for key in _ENVELOPE_KEYS)


def is_raw_payload(value: Json) -> bool:
    """Say whether a JSON object is a payload that a topic with raw delivery sent."""
    return any(payload.recognises(value) for payload in _PAYLOADS)


def records(value: Json, path: str, document: JsonDocument, arrival: Arrival) -> Iterator[Record]:
    """Yield the one record of an envelope or of a raw payload."""
    position = document.position(path)

    def convert() -> Record:
        if is_envelope(value):
            return _of_envelope(value, position, arrival)
        return _of_payload(value, {}, position, arrival)

    yield arrival.outcome(position, value, convert, payload=sha256_source(document, value))


def _of_envelope(envelope: Json, position: str, arrival: Arrival) -> Record:
    text = as_text(envelope.get("Message"))
    if envelope["Type"] in _HANDSHAKES or (text or "").startswith(_TRIAL):
        return _handshake(envelope, position, arrival)
    if text is None:
        raise UnusableError(
            "no_message", "the SNS notification has no Message; land what SNS delivered"
        )
    found = list(documents(text.encode("utf-8", "surrogatepass")))
    inner = found[0] if len(found) == 1 else None
    if not isinstance(inner, JsonDocument) or not isinstance(inner.value, dict):
        raise UnusableError(
            "unknown_notification",
            "the Message of the SNS notification is no JSON object; "
            "only two-way SMS and SES notifications are read",
        )
    if is_too_deep(inner.value):
        raise UnusableError("json_too_deep", f"the notification nests more than {MAX_DEPTH} levels")
    return _of_payload(as_dict(inner.value), envelope, position, arrival)


def _of_payload(payload: Json, envelope: Json, position: str, arrival: Arrival) -> Record:
    kind = next((kind for kind in _PAYLOADS if kind.recognises(payload)), None)
    if kind is None:
        raise UnusableError(
            "unknown_notification",
            "the SNS notification is neither a two-way SMS nor a notification of SES; "
            "subscribe this landing place to their topics only",
        )
    if kind.channel != arrival.channel:
        raise UnusableError("wrong_channel", f"this is {kind.name}; land it under {kind.channel}/")
    record = kind.record(payload, envelope, position, arrival)
    kept = {key: envelope[key] for key in _KEPT if envelope.get(key)}
    if isinstance(record, Message) and kept:
        return replace(record, source_metadata=record.source_metadata | {"sns": kept})
    return record


def _handshake(envelope: Json, position: str, arrival: Arrival) -> ChannelEvent:
    moment = read_moment(envelope.get("Timestamp"))
    return ChannelEvent(
        channel=arrival.channel,
        provider=PROVIDER,
        kind="handshake",
        account="",
        position=position,
        sha256=sha256(canonical(envelope)).hexdigest(),
        occurred_at=moment.at if moment else None,
        actor=as_token(envelope.get("TopicArn")),
        payload=envelope,
    )
