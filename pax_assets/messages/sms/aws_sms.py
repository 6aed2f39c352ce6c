"""AWS End User Messaging: two-way SMS, and what became of the messages that we sent.

The payload of a received SMS has no time of its own: the SNS envelope has it, and where a topic
delivers raw there is none, so the time of arrival stands in with precision `received`.

Choices: `account` is `destinationNumber`, our own number; `reply_to` is the message that AWS says
the sender answered (`previousPublishedMessageId`). Events of a configuration set (`TEXT_DELIVERED`
and their like) are channel events of kind `status`.
"""

from __future__ import annotations

from hashlib import sha256

from pax_assets.messages.addresses import phone
from pax_assets.messages.arrival import Arrival, UnusableError
from pax_assets.messages.json.values import Json, as_text, as_token, canonical
from pax_assets.messages.message import ChannelEvent, Message, Record, conversation_key
from pax_assets.messages.timestamps import Moment, read_moment

PROVIDER = "aws_sms"

_KEYS = ("originationNumber", "destinationNumber", "messageBody", "inboundMessageId")
_IN_COLUMNS = (*_KEYS, "previousPublishedMessageId")
_EVENTS = ("TEXT_", "MEDIA_", "VOICE_", "RCS_")


def is_payload(value: Json) -> bool:
    """Say whether a JSON object is a received SMS, or an event about a sent one."""
    named = "originationNumber" in value or "inboundMessageId" in value
    return (named and sum(key in value for key in _KEYS) > 1) or _is_event(value)


def _is_event(value: Json) -> bool:
    kind = value.get("eventType")
    return isinstance(kind, str) and kind.startswith(_EVENTS) and "messageId" in value


def record(payload: Json, envelope: Json, position: str, arrival: Arrival) -> Record:
    """Return the record of one payload; `envelope` is the SNS notification, empty where raw.

    Raises `UnusableError` for a payload without the fields that a message needs.
    """
    digest = sha256(canonical(payload)).hexdigest()
    if _is_event(payload):
        return _event(payload, digest, position, arrival)
    identifier = as_token(payload.get("inboundMessageId"))
    if identifier is None:
        raise UnusableError("no_id", "the SMS has no inboundMessageId; land what SNS delivered")
    body = as_text(payload.get("messageBody"))
    if body is None:
        raise UnusableError("no_text", "the SMS has no messageBody; land what SNS delivered")
    sender, account = (
        _number(payload, "originationNumber", arrival),
        _number(payload, "destinationNumber", arrival),
    )
    if not sender or not account:
        code, key = (
            ("no_recipient", "destinationNumber") if sender else ("no_sender", "originationNumber")
        )
        raise UnusableError(code, f"the SMS has no {key}; land what SNS delivered")
    moment = read_moment(envelope.get("Timestamp")) or Moment(arrival.received_at, "received")
    return Message(
        channel=arrival.channel,
        provider=PROVIDER,
        source_kind="webhook",
        account=account,
        provider_message_id=identifier,
        conversation_id=conversation_key(arrival.channel, account, [sender, account]),
        sender=sender,
        recipients=(account,),
        direction="inbound",
        sent_at=moment.at,
        text=body,
        position=position,
        sha256=digest,
        sent_at_precision=moment.precision,
        zone_assumed=moment.zone_assumed,
        received_at=arrival.received_at,
        reply_to=as_token(payload.get("previousPublishedMessageId")),
        source_metadata={
            key: value
            for key, value in payload.items()
            if key not in _IN_COLUMNS and value is not None
        },
    )


def _event(payload: Json, digest: str, position: str, arrival: Arrival) -> ChannelEvent:
    moment = read_moment(payload.get("eventTimestamp"))
    return ChannelEvent(
        channel=arrival.channel,
        provider=PROVIDER,
        kind="call" if str(payload["eventType"]).startswith("VOICE_") else "status",
        account=_number(payload, "originationPhoneNumber", arrival),
        position=position,
        sha256=digest,
        provider_message_id=as_token(payload.get("messageId")),
        occurred_at=moment.at if moment else None,
        actor=_number(payload, "destinationPhoneNumber", arrival) or None,
        payload=payload,
    )


def _number(payload: Json, key: str, arrival: Arrival) -> str:
    return phone(as_token(payload.get(key)) or "", arrival.default_region)
