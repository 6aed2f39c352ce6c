"""Twilio's webhook requests to messages and delivery statuses.

Twilio posts a message as a form (`application/x-www-form-urlencoded`), the only provider here
that does; an object holds one form, or one form a line. Twilio adds parameters without notice,
so whatever has no column is kept in `source_metadata` under Twilio's own name.

Choices: `account` is the number that was written to and every id follows the rules of
`twilio_rest`, so that a message that came by webhook and again in a REST list is one message. A
form carries no time: `sent_at` is the time of arrival with precision `received`. A form that names
a status other than received is a callback about a message of our own: a channel event. Where a
WhatsApp message has no body, its button or its place is the text, as in `whatsapp_content`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import parse_qsl

from pax_assets.messages.addresses import phone
from pax_assets.messages.arrival import MAX_RECORD_BYTES, Arrival, UnusableError
from pax_assets.messages.email.mail_source import mail_start
from pax_assets.messages.message import (
    Attachment,
    Channel,
    ChannelEvent,
    Message,
    Record,
    conversation_key,
)
from pax_assets.messages.sms.twilio_rest import MAX_MEDIA, PROVIDER, channel_of
from pax_assets.messages.source import Line, Source

_NAME = rb"[\w.%+\[\]-]+"
_FIRST_LINE = re.compile(rb"\s*" + _NAME + rb"=\S*[ \t]*(?:[\r\n]|\Z)")
_NAMES_SID = re.compile(
    rb"^[ \t]*(?:" + _NAME + rb"=[^&\s]*&)*(?:MessageSid|SmsMessageSid|SmsSid)=", re.MULTILINE
)
_SIDS = ("MessageSid", "SmsMessageSid", "SmsSid")
_RECEIVED = ("received", "receiving")
_IN_COLUMNS = ("From", "To", "Body", "OriginalRepliedMessageSid", *_SIDS)
# Forms have some forty parameters, three hundred with all media.
_MAX_PARAMETERS = 1000
_MAX_MEDIA_DIGITS = 4
_LOST_PLUS = re.compile(r"\A((?:[a-z]+:)?) (?=[0-9])", re.IGNORECASE)
_CUT_ESCAPE = re.compile(rb"%[0-9A-Fa-f]?\Z")

Form = dict[str, str]


def is_form(head: bytes, _: Arrival) -> bool:
    """Say whether an object begins with a form and holds one that names a Twilio message."""
    return bool(_FIRST_LINE.match(head) and _NAMES_SID.search(head) and mail_start(head) is None)


def records(source: Source, arrival: Arrival) -> Iterator[Record]:
    """Yield one record for each line of an object that is not blank."""
    for line in source.lines():
        if not line.whole:
            reason = f"the line has {line.size} bytes, the bound is {MAX_RECORD_BYTES}"
            yield arrival.quarantined(f"line {line.number}", "record_too_large", reason, line.data)
        elif line.data.strip():
            yield _outcome(line, arrival)


def _outcome(line: Line, arrival: Arrival) -> Record:
    data, position = line.data.strip(), f"line {line.number}"
    return arrival.outcome(position, None, lambda: _record(data, position, arrival), payload=data)


def _record(data: bytes, position: str, arrival: Arrival) -> Record:
    form, repeated = _parameters(data)
    sid = next((form[name].strip() for name in _SIDS if form.get(name, "").strip()), None)
    if sid is None:
        raise UnusableError(
            "no_id", "the form has no MessageSid; land the request's body as Twilio sent it"
        )
    raw_from, raw_to = _address(form, "From"), _address(form, "To")
    channel = channel_of(raw_from, raw_to, arrival.channel)
    if channel != arrival.channel or channel == "email":
        places = "sms/ or whatsapp/" if channel == "email" else f"{channel}/"
        raise UnusableError("wrong_channel", f"this is a Twilio form; land it under {places}")
    status = (form.get("MessageStatus") or form.get("SmsStatus") or "").strip().lower()
    if status and status not in _RECEIVED:
        return _status(form, sid, data, position, arrival)
    return _message(form, repeated, sid, data, position, arrival)


def _parameters(data: bytes) -> tuple[Form, dict[str, list[str]]]:
    """Return a form's parameters, and the further values of those that come more than once."""
    if _CUT_ESCAPE.search(data):
        raise UnusableError("form_truncated", "the form ends inside an escape; send it again")
    try:
        pairs = parse_qsl(
            data.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except UnicodeDecodeError:
        raise UnusableError(
            "invalid_utf8", "the form is not UTF-8; land the request's body as Twilio sent it"
        ) from None
    except ValueError:
        raise UnusableError(
            "too_many_parameters", f"the form has more than {_MAX_PARAMETERS} parameters"
        ) from None
    if b"=" not in data or not pairs:
        raise UnusableError(
            "not_a_form", "the line is no Twilio form; land one form a line, and nothing else"
        )
    form: Form = {}
    repeated: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in form:
            form[name] = value
        elif value != form[name]:
            repeated.setdefault(name, []).append(value)
    return form, repeated


def _address(form: Form, name: str) -> str:
    # A `+` that somebody did not escape is a space in a form.
    return _LOST_PLUS.sub(r"\1+", form.get(name, "")).strip()


def _status(form: Form, sid: str, data: bytes, position: str, arrival: Arrival) -> ChannelEvent:
    region = arrival.default_region
    sender, recipient = (phone(_address(form, name), region) for name in ("From", "To"))
    return ChannelEvent(
        channel=arrival.channel,
        provider=PROVIDER,
        kind="status",
        account=sender or form.get("MessagingServiceSid") or form.get("AccountSid") or "",
        position=position,
        sha256=sha256(data).hexdigest(),
        provider_message_id=sid,
        actor=recipient or None,
        payload=dict(form),
    )


def _message(
    form: Form,
    repeated: dict[str, list[str]],
    sid: str,
    data: bytes,
    position: str,
    arrival: Arrival,
) -> Message:
    region, channel = arrival.default_region, arrival.channel
    # Since 2026 a person on WhatsApp may have no number.
    sender = phone(_address(form, "From") or form.get("ExternalUserId", ""), region)
    account = phone(_address(form, "To"), region)
    for party, name, code in ((sender, "From", "no_sender"), (account, "To", "no_recipient")):
        if not party:
            raise UnusableError(code, f"the form has no {name}; it may be cut off, send it again")
    attachments, media_names = _media(form)
    metadata: dict[str, object] = {
        name: value
        for name, value in form.items()
        if value
        and name not in media_names
        and (name not in _IN_COLUMNS or (name in _SIDS and value.strip() != sid))
    }
    if form.get("ProfileName"):
        metadata["names"] = {sender: form["ProfileName"]}
    if repeated:
        metadata["repeated"] = repeated
    return Message(
        channel=channel,
        provider=PROVIDER,
        source_kind="webhook",
        account=account,
        provider_message_id=sid,
        conversation_id=conversation_key(channel, account, [sender, account]),
        sender=sender,
        recipients=(account,),
        direction="inbound",
        sent_at=arrival.received_at,
        text=_text(form),
        position=position,
        sha256=sha256(data).hexdigest(),
        sent_at_precision="received",
        received_at=arrival.received_at,
        content_type=_content_type(form, channel),
        attachments=attachments,
        reply_to=form.get("OriginalRepliedMessageSid") or None,
        source_metadata=metadata,
    )


def _text(form: Form) -> str:
    if form.get("Body") or form.get("ButtonText"):
        return form.get("Body") or form["ButtonText"]
    lines = [form[name] for name in ("Label", "Address") if form.get(name)]
    where = [form[name] for name in ("Latitude", "Longitude") if form.get(name)]
    return "\n".join(lines) or ",".join(where)


def _content_type(form: Form, channel: Channel) -> str:
    kind = form.get("MessageType", "").strip().lower()
    return (
        f"whatsapp/{kind}" if channel == "whatsapp" and kind not in ("", "text") else "text/plain"
    )


def _media(form: Form) -> tuple[tuple[Attachment, ...], set[str]]:
    """Return what the form carries beside its text, and the parameters that say so."""
    stated = form.get("NumMedia", "").strip()
    digits = stated.isascii() and stated.isdigit() and len(stated) <= _MAX_MEDIA_DIGITS
    count = min(int(stated), MAX_MEDIA) if digits else 0
    found: list[Attachment] = []
    names: set[str] = set()
    for number in range(MAX_MEDIA):
        pair = f"MediaUrl{number}", f"MediaContentType{number}"
        url, mime = (form.get(name) or None for name in pair)
        if number >= count and url is None and mime is None:
            break
        names.update(pair)
        kind = (mime or "media").partition("/")[0].strip().lower()
        found.append(Attachment(kind=kind or "media", id=url, mime=mime))
    return tuple(found), names
