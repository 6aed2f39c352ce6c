"""RFC 5322 mail (`.eml`) to messages. No mail is lost for being ugly.

Real mail has folded and mangled headers, unknown charsets, no date and no id. Only bytes that
hold no mail header at all are refused; everything else becomes a message, with its oddities in
`source_metadata["defects"]`.

Quoted replies, forwards and signatures stay in the text; `source_metadata["spans"]` says where.
`source_metadata["utc_offset"]` is the Date header's: by the sender's clock, as no other header is.

Choices: `account` is the mailbox of the delivery headers (empty where there are none);
`conversation_id` is a hash of the thread's first Message-ID; a mail with a trace of transport
(Received, Delivered-To) is inbound, others have direction unknown. Parsing uses the `compat32`
policy with decoding of our own for the few headers that are needed: nine times as fast as
`email.policy.default`, and it never raises on a broken header.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message as MimeMail

from pax_assets.messages.addresses import mailboxes
from pax_assets.messages.arrival import MAX_RECORD_BYTES, Arrival, UnusableError
from pax_assets.messages.email.body import MailBody, declared
from pax_assets.messages.email.encoded_words import decode_words, unfold
from pax_assets.messages.email.mail_source import (
    blank_line,
    has_too_many_parts,
    mail_start,
    repaired,
)
from pax_assets.messages.email.quotes import MAX_SCANNED, MAX_SPANS, quote_spans
from pax_assets.messages.message import (
    Direction,
    Message,
    Record,
    conversation_key,
    derived_provider_id,
)
from pax_assets.messages.timestamps import Moment, read_rfc2822

PROVIDER = "rfc5322"

# Anchored: a line that is no header is passed over at once, however long it is.
_HEADER = re.compile(r"^([!-9;-~]+):(.*(?:\n[ \t].*)*)\n", re.MULTILINE)
_ID = re.compile(r"<([^<>]{1,998})>")
_REPLY_PREFIX = re.compile(r"\A(?i:\s*(?:re|fw|fwd|aw|wg|sv|vs|antw)\s*(?:\[\d+\])?\s*:)+\s*")
_ENVELOPE = re.compile(r"From (\S+)\s+(?:[A-Za-z]{3}\s+)?(.*)")
_DELIVERY = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to")
# Long threads: the root and the latest ids say enough.
_MAX_REFERENCES = 50

# By name in lower case; values as they were, folded lines and raw bytes (surrogate escapes) too.
Headers = dict[str, list[str]]


def records(data: bytes, arrival: Arrival) -> Iterator[Record]:
    """Yield the one record that a mail object is: a message, or the object quarantined."""
    yield arrival.outcome("object", None, lambda: message(data, arrival), payload=data)


def message(
    data: bytes,
    arrival: Arrival,
    position: str = "object",
    sha256: str | None = None,
    ordinals: dict[str, int] | None = None,
) -> Message:
    """Return the message that one mail is; raises `UnusableError`.

    `sha256` is the digest of the mail's own bytes, where `data` are not exactly those.
    `ordinals` counts mails of one object that have no id and are equal in all else.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise UnusableError(
            "record_too_large",
            f"the mail has {len(data)} bytes, the bound is {MAX_RECORD_BYTES}",
        )
    start = mail_start(data)
    if start is None:
        raise UnusableError(
            "not_mail", "no mail header in the object; land mail as it left the mail server (.eml)"
        )
    mail, body, defects = _parsed(data[start:])
    if start and data[:start].strip():
        defects.append("leading_junk")
    headers = _headers(mail)
    moment, date_source = _sent(headers, mail.get_unixfrom(), arrival)
    people = _People(headers, mail.get_unixfrom())
    subject = decode_words(unfold(headers["subject"][0])) if "subject" in headers else None
    references = _ids(headers, "references")
    parents = _ids(headers, "in-reply-to")
    thread = (references + parents)[:1]
    provider_id = _message_id(headers)
    if provider_id is None:
        topic = _REPLY_PREFIX.sub("", subject or "", count=1).strip().lower()
        conversation = thread[0] if thread else topic
        key = (conversation, _local_time(headers, arrival), people.sender, body.text)
        provider_id = _derived_id(key, {} if ordinals is None else ordinals)
    spans = quote_spans(body.text, body.marks)
    if len(spans) == MAX_SPANS or len(body.text) > MAX_SCANNED:
        defects.append("spans_incomplete")
    metadata: dict[str, object] = {
        "names": people.names,
        "date_source": date_source if date_source != "date" else None,
        "utc_offset": _utc_offset(headers, moment) if date_source == "date" else None,
        "references": references[:1] + references[1:][-_MAX_REFERENCES:],
        "cc": people.cc,
        "reply_to": people.reply_to,
        "list_id": _first(headers, "list-id"),
        "auto_submitted": _first(headers, "auto-submitted"),
        "charsets": body.charsets,
        "defects": defects,
        "spans": [span._asdict() for span in spans],
    }
    return Message(
        channel=arrival.channel,
        provider=PROVIDER,
        source_kind="mail",
        account=people.account,
        provider_message_id=provider_id,
        conversation_id=thread_key(thread[0] if thread else provider_id),
        sender=people.sender,
        recipients=people.recipients,
        direction=_direction(headers),
        sent_at=moment.at,
        text=body.text,
        position=position,
        sha256=sha256 or hashlib.sha256(data).hexdigest(),
        sent_at_precision=moment.precision,
        zone_assumed=moment.zone_assumed,
        received_at=arrival.received_at,
        subject=subject,
        content_type=body.content_type,
        attachments=tuple(body.attachments),
        reply_to=(parents or references[-1:] or [None])[0],
        language=_first(headers, "content-language"),
        source_metadata={key: value for key, value in metadata.items() if value},
    )


def thread_key(root: str) -> str:
    """Return the conversation of the mail thread that began with Message-ID `root`; 32 hex."""
    return conversation_key("email", "", [root])


def _parsed(source: bytes) -> tuple[MimeMail, MailBody, list[str]]:
    if has_too_many_parts(source):
        # More boundaries than any honest mail: the parser would take minutes.
        return _flat(source, "mime_too_many_parts")
    try:
        mail = _single_part(source)
        if mail is not None:
            body = MailBody(mail)
            return mail, body, sorted(set(body.defects))
        mail = message_from_bytes(source)
        if any(type(item).__name__ == "MissingHeaderBodySeparatorDefect" for item in mail.defects):
            mail = message_from_bytes(repaired(source))
        body = MailBody(mail)
    except RecursionError:
        return _flat(source, "mime_too_deep")
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        # A defect of the standard library's parser on hostile structure: the text still counts.
        return _flat(source, f"unparsed_structure: {type(error).__name__}")
    defects = [type(item).__name__ for item in mail.defects] + body.defects
    return mail, body, sorted(set(defects))


class _SinglePart(MimeMail):
    """A mail of one part; a header is found without looking through all that stand before it."""

    def __init__(self) -> None:
        super().__init__()
        self.headers: Headers = {}

    def get(self, name: str, failobj: object = None) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the first value of a header, as the base class does."""
        values = self.headers.get(name.lower())
        return failobj if values is None else self.policy.header_fetch_parse(name, values[0])


def _single_part(source: bytes) -> _SinglePart | None:
    """Return a mail whose headers are well-formed and whose body is one part; else None.

    Most mail is, and the standard library's parser spends most of its time on looking for what
    such a mail does not have: defects, and boundaries in every line. What comes out is the same.
    """
    below = blank_line(source)[1]
    head = source[:below].decode("ascii", "surrogateescape").replace("\r\n", "\n")
    if "\r" in head or not head.endswith("\n\n"):
        return None
    mail = _SinglePart()
    at = 0
    if head.startswith("From "):
        at = head.index("\n") + 1
        mail.set_unixfrom(head[: at - 1])
    headers = mail.headers
    for name, raw in _HEADER.findall(head, at):
        at += len(name) + len(":") + len(raw) + len("\n")
        value = raw.lstrip(" \t")
        mail.set_raw(name, value)
        headers.setdefault(name.lower(), []).append(value)
    # The blank line alone is left, or the pattern has passed over a line that is no header.
    if at != len(head) - 1 or declared(mail)[0].startswith(("multipart/", "message/")):
        return None
    mail.set_payload(source[below:].decode("ascii", "surrogateescape"))
    return mail


def _flat(source: bytes, defect: str) -> tuple[MimeMail, MailBody, list[str]]:
    """Read headers, and everything below them as one plain text."""
    head, _, rest = source.replace(b"\r\n", b"\n").partition(b"\n\n")
    mail = message_from_bytes(_STRUCTURE.sub(b"", head + b"\n") + b"\n" + rest)
    return mail, MailBody(mail), [defect]


_STRUCTURE = re.compile(
    rb"^(?:content-type|content-transfer-encoding|mime-version)[ \t]*:.*\n(?:[ \t].*\n)*",
    re.IGNORECASE | re.MULTILINE,
)


def _headers(mail: MimeMail) -> Headers:
    if isinstance(mail, _SinglePart):
        return mail.headers
    headers: Headers = {}
    # `raw_items` alone gives the values as they were: `items` decodes 8-bit ones lossily.
    for name, value in mail.raw_items():
        headers.setdefault(name.lower(), []).append(str(value))
    return headers


def _first(headers: Headers, name: str) -> str | None:
    values = headers.get(name)
    return (decode_words(unfold(values[0])) or None) if values else None


def _ids(headers: Headers, name: str) -> list[str]:
    return [found for value in headers.get(name, ()) for found in _ID.findall(unfold(value))]


def _message_id(headers: Headers) -> str | None:
    for value in headers.get("message-id", ()):
        text = unfold(value)
        found = _ID.search(text)
        identifier = (found[1] if found else text.strip("<> \t")).strip()
        if identifier:
            return identifier
    return None


def _derived_id(key: tuple[str, str, str, str], ordinals: dict[str, int]) -> str:
    first = derived_provider_id(*key, ordinal=0)
    ordinal = ordinals.get(first, 0)
    ordinals[first] = ordinal + 1
    return first if ordinal == 0 else derived_provider_id(*key, ordinal=ordinal)


def _direction(headers: Headers) -> Direction:
    transported = "received" in headers or any(name in headers for name in _DELIVERY)
    return "inbound" if transported else "unknown"


def _local_time(headers: Headers, arrival: Arrival) -> str:
    for name in ("date", "received"):
        if name in headers:
            return unfold(headers[name][-1])
    return arrival.received_at.date().isoformat()


def _sent(headers: Headers, envelope: str | None, arrival: Arrival) -> tuple[Moment, str]:
    """Return when a mail was sent and which header said so."""
    for value in headers.get("date", ()):
        moment = read_rfc2822(unfold(value))
        if moment is not None:
            return moment, "date"
    # The lowest Received is the sender's own server, so the nearest to the sending.
    for value in reversed(headers.get("received", [])):
        moment = read_rfc2822(unfold(value).rpartition(";")[2].strip())
        if moment is not None:
            return moment, "received_header"
    found = _ENVELOPE.match(envelope) if envelope else None
    moment = read_rfc2822(found[2]) if found else None
    if moment is not None:
        return moment, "envelope"
    return Moment(arrival.received_at, "received"), "arrival"


def _utc_offset(headers: Headers, moment: Moment) -> str | None:
    # Exchange writes the Date of everybody's mail in UTC, and this header into it.
    if moment.utc_offset == "+00:00" and "thread-index" in headers:
        return None
    return moment.utc_offset


class _People:
    """Sender, recipients and mailbox of a mail; addresses in lower case, names beside them."""

    def __init__(self, headers: Headers, envelope: str | None) -> None:
        self.names: dict[str, str] = {}
        senders = [
            address
            for name in ("from", "sender", "return-path", "reply-to")
            for address in self._addresses(headers, name)
        ]
        found = _ENVELOPE.match(envelope) if envelope else None
        if not senders and found:
            senders = [found[1].lower()]
        self.sender = senders[0] if senders else ""
        self.cc = self._addresses(headers, "cc")
        self.reply_to = self._addresses(headers, "reply-to")
        stated = self._addresses(headers, "to") + self.cc + self._addresses(headers, "bcc")
        delivered = [
            address for name in _DELIVERY for address in self._addresses(headers, name, first=True)
        ]
        self.account = delivered[0] if delivered else ""
        self.recipients = tuple(dict.fromkeys(stated or delivered))

    def _addresses(self, headers: Headers, name: str, *, first: bool = False) -> list[str]:
        addresses: list[str] = []
        values = headers.get(name)
        if values is None:
            return addresses
        for value in values[:1] if first else values:
            for display, address in mailboxes(unfold(value)):
                addresses.append(address)
                if display and display.lower() != address:
                    self.names.setdefault(address, display)
        return addresses
