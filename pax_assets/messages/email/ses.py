"""Amazon SES: received mail with what SES thinks of it, and the fate of mail that we sent.

A notice of SES's SNS action holds the mail itself, one of its S3 action only says where the mail
lies. Both are read by `mail`, for one mail must be one message, whatever way it came.

Choices: text, ids and `account` are those that `mail` reads from the mail's own bytes, so that
the same mail landed as .eml has the same `message_id`. `account` is therefore the mailbox of the
delivery headers, which SES does not write, and mostly empty: SES announces a mail to several of
our mailboxes once, with all of them in `receipt.recipients`, and any choice among them would make
the id depend on the way. The envelope's recipients stay in `source_metadata["ses"]`, and stand in
where the mail names none. `sha256` is the digest of the mail. Mail that fails the spam or virus
check is still a message: the verdict says so. Mail that SES refused is a channel event, as are
bounces, complaints and deliveries; their `account` is the mailbox that sent.
"""

from __future__ import annotations

import base64
import binascii
import errno
from dataclasses import replace
from hashlib import sha256

from pax_assets.messages.addresses import mailboxes
from pax_assets.messages.arrival import MAX_RECORD_BYTES, Arrival, UnusableError
from pax_assets.messages.email import mail
from pax_assets.messages.email.mail_source import mail_start
from pax_assets.messages.json.values import Json, as_dict, as_list, as_text, as_token, canonical
from pax_assets.messages.message import ChannelEvent, Message, Record
from pax_assets.messages.timestamps import read_moment

PROVIDER = "aws_ses"

_SUBSCRIBED = "AmazonSnsSubscriptionSucceeded"
_VERDICTS = ("spam", "virus", "spf", "dkim", "dmarc")
# Actions by which SES itself ends a mail's way; all others hand it on.
_ENDS = ("BOUNCE", "STOP")


def is_notification(value: Json) -> bool:
    """Say whether a JSON object is a notice of SES: mail received, or the fate of mail sent."""
    about_mail = isinstance(value.get("mail"), dict)
    if isinstance(value.get("receipt"), dict):
        return about_mail
    kind = value.get("notificationType", value.get("eventType"))
    return kind == _SUBSCRIBED or (isinstance(kind, str) and about_mail)


def record(notice: Json, envelope: Json, position: str, arrival: Arrival) -> Record:
    """Return the record of one notice; `envelope` is the SNS notification, empty where raw.

    Raises `UnusableError` where the mail is not in the notice and cannot be had.
    """
    kind = as_token(notice.get("notificationType")) or as_token(notice.get("eventType"))
    receipt = as_dict(notice.get("receipt"))
    if kind == _SUBSCRIBED:
        return _event("handshake", notice, envelope, position, arrival)
    action = (as_token(as_dict(receipt.get("action")).get("type")) or "").upper()
    if (kind != "Received" and not receipt) or action in _ENDS:
        return _event("status", notice, envelope, position, arrival)
    content = _content(notice, arrival)
    try:
        return _received(mail.message(content, arrival, position), notice)
    except UnusableError:
        if not as_dict(receipt.get("action")).get("kmsKeyArn"):
            raise
        raise UnusableError(
            "content_encrypted",
            "SES encrypted the stored mail with a key of yours; store it with S3's own encryption",
        ) from None


def _received(message: Message, notice: Json) -> Message:
    receipt, about = as_dict(notice.get("receipt")), as_dict(notice.get("mail"))
    envelope_to = tuple(dict.fromkeys(_addresses(receipt.get("recipients"))))
    metadata: Json = message.source_metadata | {"ses": _ses_metadata(receipt, about)}
    sent_at, precision = message.sent_at, message.sent_at_precision
    if precision == "received":
        moment = read_moment(receipt.get("timestamp")) or read_moment(about.get("timestamp"))
        if moment is not None:
            sent_at, precision = moment.at, moment.precision
            metadata["date_source"] = "ses_receipt"
    return replace(
        message,
        provider=PROVIDER,
        source_kind="webhook",
        direction="inbound",
        recipients=message.recipients or envelope_to,
        sent_at=sent_at,
        sent_at_precision=precision,
        source_metadata=metadata,
    )


def _ses_metadata(receipt: Json, about: Json) -> Json:
    action = as_dict(receipt.get("action"))
    verdicts = {
        name: status
        for name in _VERDICTS
        if (status := as_token(as_dict(receipt.get(f"{name}Verdict")).get("status")))
    }
    kept: Json = {
        "message_id": as_token(about.get("messageId")),
        "timestamp": as_token(receipt.get("timestamp")) or as_token(about.get("timestamp")),
        "recipients": _addresses(receipt.get("recipients")),
        "mail_from": next(iter(_addresses(about.get("source"))), None),
        "verdicts": verdicts,
        "dmarc_policy": as_token(receipt.get("dmarcPolicy")),
        "headers_truncated": about.get("headersTruncated") is True,
        "processing_time_millis": receipt.get("processingTimeMillis"),
        "action": {key: value for key, value in action.items() if value},
    }
    return {key: value for key, value in kept.items() if value}


def _addresses(value: object) -> list[str]:
    items = as_list(value) if isinstance(value, list) else [value]
    return [
        address
        for item in items
        if (text := as_token(item)) is not None
        for _, address in mailboxes(text)
    ]


def _content(notice: Json, arrival: Arrival) -> bytes:
    """Return the mail of a notice, from the notice or from S3."""
    action = as_dict(as_dict(notice.get("receipt")).get("action"))
    content = as_text(notice.get("content"))
    if content is not None:
        return _inline(content, (as_token(action.get("encoding")) or "").upper())
    kind = as_token(action.get("type")) or "another"
    bucket, key = as_token(action.get("bucketName")), as_text(action.get("objectKey"))
    if bucket is None or not key:
        raise UnusableError(
            "no_content",
            f"the notice of SES's {kind} action holds no mail; land the notices of the rule's "
            "SNS action, or of its S3 action",
        )
    return _stored(bucket, key, arrival)


def _inline(content: str, encoding: str) -> bytes:
    plain = content.encode("utf-8", "surrogatepass")
    if encoding != "BASE64" and (encoding or mail_start(plain) is not None):
        return plain
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        if not encoding:
            return plain
        raise UnusableError(
            "content_not_base64", "the mail in the notice is not the base64 that it claims to be"
        ) from None


def _stored(bucket: str, key: str, arrival: Arrival) -> bytes:
    place = f"s3://{bucket}/{key}"[:1100]
    if arrival.options.fetch is None:
        raise UnusableError(
            "content_not_fetched",
            f"the mail lies at {place}, and nothing may be fetched here; allow it for this bucket "
            "and replay the record, or land the stored mail under email/",
        )
    try:
        return arrival.options.fetch(bucket, key)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise UnusableError(
                "record_too_large", f"the mail at {place} has more than {MAX_RECORD_BYTES} bytes"
            ) from None
        raise UnusableError(
            "content_not_fetched",
            f"the mail at {place} could not be read ({type(error).__name__}); see that it exists "
            "and that this lake may read the bucket, then replay the record",
        ) from None


def _event(
    kind: str, notice: Json, envelope: Json, position: str, arrival: Arrival
) -> ChannelEvent:
    about = as_dict(notice.get("mail"))
    if isinstance(notice.get("receipt"), dict):
        told = as_dict(notice["receipt"])
        ours, theirs = _addresses(told.get("recipients")), _addresses(about.get("source"))
    else:
        # The event's own object has its name: `bounce`, `complaint`, `deliveryDelay`.
        word = as_token(notice.get("notificationType")) or as_token(notice.get("eventType")) or ""
        told = as_dict(notice.get(word[:1].lower() + word[1:]))
        ours, theirs = _addresses(about.get("source")), _recipients(told, about)
    times = (told.get("timestamp"), about.get("timestamp"), envelope.get("Timestamp"))
    moment = next((found for value in times if (found := read_moment(value))), None)
    return ChannelEvent(
        channel=arrival.channel,
        provider=PROVIDER,
        kind=kind,
        account=ours[0] if ours else "",
        position=position,
        sha256=sha256(canonical(notice)).hexdigest(),
        provider_message_id=_rfc_id(about) or as_token(about.get("messageId")),
        occurred_at=moment.at if moment else None,
        # One event may be about several people: then all are in the payload, none is the actor.
        actor=theirs[0] if len(theirs) == 1 else None,
        payload=notice,
    )


def _recipients(told: Json, about: Json) -> list[str]:
    for key in ("bouncedRecipients", "complainedRecipients", "delayedRecipients", "recipients"):
        found = [
            address
            for item in as_list(told.get(key))
            for address in _addresses(as_dict(item).get("emailAddress") or item)
        ]
        if found:
            return found
    return _addresses(about.get("destination"))


def _rfc_id(about: Json) -> str | None:
    identifier = as_token(as_dict(about.get("commonHeaders")).get("messageId"))
    return identifier.strip("<> ") or None if identifier else None
