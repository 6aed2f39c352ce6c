"""The Message contract: what every parser must produce, whatever the provider sent.

Everything after this room (tables, corpora, models, the API) relies on these fields and on
nothing else of a provider's format. Without one contract each consumer would learn each
format again, and each would learn it slightly differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import Literal

Channel = Literal["sms", "whatsapp", "email"]
CHANNELS: tuple[Channel, ...] = ("sms", "whatsapp", "email")

SourceKind = Literal["webhook", "rest", "export", "mail"]
Direction = Literal["inbound", "outbound", "unknown"]
Precision = Literal["microsecond", "millisecond", "second", "minute", "day", "received"]


def message_id(channel: str, account: str, provider_message_id: str) -> str:
    """Return the id of a message: 64 hex digits, the same for every replay of it.

    It is the SHA-256 of the UTF-8 JSON array `[channel, account, provider_message_id]`. A JSON
    array (rather than a joined string) keeps `["a", "b|c"]` and `["a|b", "c"]` apart. Lone
    surrogates, which hostile JSON can carry, are kept distinct by their escape sequence.
    """
    return _digest(_array([channel, account, provider_message_id]))


def derived_provider_id(
    conversation: str, local_time: str, sender: str, text: str, ordinal: int
) -> str:
    """Return a stable stand-in for a provider's message id, where the format has none.

    `ordinal` counts messages that are otherwise equal, from 0, in the order of the object, so
    that two "ok" in one minute stay two messages.
    """
    strings = _array([conversation, local_time, sender, text])
    return "derived:" + _digest(f"{strings[:-1]},{ordinal}]")


def _array(strings: Iterable[str]) -> str:
    """Return what `json.dumps` gives for a list of strings, in a quarter of its time."""
    return f"[{','.join(map(encode_basestring_ascii, strings))}]"


def _digest(ascii_text: str) -> str:
    return hashlib.sha256(ascii_text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something a message carries beside its text. The bytes stay with the provider."""

    kind: str
    id: str | None = None
    mime: str | None = None
    sha256: str | None = None
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message, any channel. Text is kept exactly as received: offsets refer to it.

    `sent_at` and `received_at` are timezone-aware UTC. `position` is where the record lies in
    its object: a line number (from 1), or a path such as `entry[0].changes[0].messages[2]`.
    `sha256` is the digest of the record's own bytes (or of its canonical JSON).
    """

    channel: Channel
    provider: str
    source_kind: SourceKind
    account: str
    provider_message_id: str
    conversation_id: str
    sender: str
    recipients: tuple[str, ...]
    direction: Direction
    sent_at: datetime
    text: str
    position: str
    sha256: str
    sent_at_precision: Precision = "second"
    zone_assumed: str | None = None
    received_at: datetime | None = None
    subject: str | None = None
    content_type: str = "text/plain"
    attachments: tuple[Attachment, ...] = ()
    reply_to: str | None = None
    language: str | None = None
    source_metadata: dict[str, object] = field(default_factory=dict)

    @property
    def message_id(self) -> str:
        """The deterministic id, see `message_id`."""
        return message_id(self.channel, self.account, self.provider_message_id)


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """Something that happened to a message or a channel and is not itself a message.

    `kind` is one of: status, edit, deletion, reaction, system, handshake, draft, call, error.
    `provider_message_id` names the message that it is about, where there is one. `payload` is
    the provider's own record, so that nothing is lost.
    """

    channel: Channel
    provider: str
    kind: str
    account: str
    position: str
    sha256: str
    provider_message_id: str | None = None
    occurred_at: datetime | None = None
    actor: str | None = None
    payload: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Bytes that could not become a message, with the reason.

    `code` is a short stable identifier (`json_truncated`, `no_sender`, ...); `reason` is a
    sentence for a person: what is wrong and what to do. `payload` holds the bytes themselves.
    """

    channel: Channel
    position: str
    code: str
    reason: str
    payload: bytes


Record = Message | ChannelEvent | Quarantined


def conversation_key(channel: str, account: str, parties: Sequence[str]) -> str:
    """Return the id of the conversation that `parties` hold on `channel`, order-independent.

    Used where the provider names no thread: SMS and WhatsApp. 32 hex digits.
    """
    about = _array([channel, account])
    return _digest(f"{about[:-1]},{_array(sorted(set(parties)))}]")[:32]
