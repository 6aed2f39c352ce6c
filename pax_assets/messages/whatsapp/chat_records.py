"""The messages and events of one chat: which conversation they are of, and their ids.

An export repeats everything that the export before it held, and no line has an id. What is derived
here must come out the same for a line wherever the export that holds it lies, and whatever was
written after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pax_assets.messages.addresses import phone
from pax_assets.messages.arrival import Arrival
from pax_assets.messages.json.values import Json
from pax_assets.messages.message import (
    ChannelEvent,
    Message,
    Precision,
    Record,
    conversation_key,
    derived_provider_id,
)
from pax_assets.messages.whatsapp.chat_content import Body, read_body
from pax_assets.messages.whatsapp.chat_dates import LocalTime
from pax_assets.messages.whatsapp.chat_names import Names
from pax_assets.messages.whatsapp.chat_notices import is_encryption_notice, notice_kind
from pax_assets.messages.whatsapp.chat_title import cleaned, title_of

PROVIDER = "whatsapp_export"
# An equal message counts as one more of its kind within this many distinct ones before it.
_EQUALS = 16_384
_NOTICE_IN = 5


class Chat:
    """Makes the records of one export. `identity` is the conversation as its content states it."""

    def __init__(self, identity: str, title: str | None, names: Names, arrival: Arrival) -> None:
        self._identity = identity
        self._title = title
        self._names = names
        self._arrival = arrival
        self._conversation = conversation_key(
            arrival.channel, "", [f"title:{title}" if title else identity]
        )
        self._seen: dict[str, int] = {}
        self._seen_before: dict[str, int] = {}

    @classmethod
    def of(
        cls, headers: Iterable[tuple[LocalTime | None, str]], names: Names, arrival: Arrival
    ) -> Chat:
        """Return the chat whose lines begin with `headers`: times, and what follows them."""
        inner = next((title for name in arrival.names[:0:-1] if (title := title_of(name))), None)
        first = ""
        stated = inner
        for number, (time, line) in enumerate(headers):
            sender, body = names.split(line)
            if sender is None or time is None:
                continue
            if is_encryption_notice(body):
                if stated is None and number < _NOTICE_IN:
                    stated = cleaned(sender)
            elif read_body(body).event != "system":
                # The shortest name that it can be, for longer ones are learned from what follows.
                first = f"{time.text} {cleaned(line.partition(': ')[0])}"
                break
        identity = f"title:{stated}" if stated else f"first:{first}"
        outer = title_of(arrival.names[0]) if arrival.names else None
        return cls(identity, stated or outer, names, arrival)

    def record(
        self, line: str, charset: str, time: LocalTime, position: str, digest: str
    ) -> Record:
        """Return the record of a header's `line`, which follows its time."""
        sender, text = self._names.split(line)
        if sender is None:
            notice = notice_kind(line)
            body = Body(event="call" if notice == "call" else "system", notice=notice)
        else:
            body = read_body(text)
        if body.event is not None:
            return self._event(body, sender, text, time, position, digest)
        return self._message(body, sender or "", text, charset, time, position, digest)

    def _event(
        self,
        body: Body,
        sender: str | None,
        text: str,
        time: LocalTime,
        position: str,
        digest: str,
    ) -> ChannelEvent:
        payload: Json = {
            "text": text,
            "local_time": time.text,
            "notice": body.notice,
            "sender": sender,
            "chat": self._title,
            "conversation_id": self._conversation,
        }
        return ChannelEvent(
            channel=self._arrival.channel,
            provider=PROVIDER,
            kind=body.event or "system",
            account="",
            position=position,
            sha256=digest,
            occurred_at=time.at,
            actor=self._party(sender) if sender else None,
            payload={key: value for key, value in payload.items() if value is not None},
        )

    def _message(
        self,
        body: Body,
        sender: str,
        text: str,
        charset: str,
        time: LocalTime,
        position: str,
        digest: str,
    ) -> Message:
        arrival = self._arrival
        precision: Precision = "second" if time.has_seconds else "minute"
        metadata: Json = {"local_time": time.text, **body.metadata}
        if self._title:
            metadata["chat"] = self._title
        if time.doubt:
            metadata["local_time_is"] = time.doubt
        if charset != "utf-8":
            metadata["charset"] = charset
        return Message(
            channel=arrival.channel,
            provider=PROVIDER,
            source_kind="export",
            account="",
            provider_message_id=self._id(
                sender, text if body.identity is None else body.identity, time.text
            ),
            conversation_id=self._conversation,
            sender=self._party(sender),
            recipients=(),
            direction="unknown",
            sent_at=time.at or arrival.received_at,
            text=text,
            position=position,
            sha256=digest,
            sent_at_precision=precision if time.at else "received",
            zone_assumed=arrival.options.default_zone if time.at else None,
            received_at=arrival.received_at,
            content_type=body.content_type,
            attachments=body.attachments,
            source_metadata=metadata,
        )

    def _id(self, sender: str, identity: str, local_time: str) -> str:
        # Where the name ends may be learned from what a later export adds: cut at the first colon.
        # A message that is the last of its export has lost the blank lines at its end.
        line = f"{_spelled(sender)}: {identity}".rstrip("\r\n")
        first, _, rest = line.partition(": ")
        found = derived_provider_id(self._identity, local_time, first, rest, 0)
        ordinal = self._seen.get(found, self._seen_before.get(found, -1)) + 1
        if len(self._seen) >= _EQUALS:
            self._seen_before, self._seen = self._seen, {}
        self._seen[found] = ordinal
        if not ordinal:
            return found
        return derived_provider_id(self._identity, local_time, first, rest, ordinal)

    def _party(self, sender: str) -> str:
        return _address(sender, self._arrival.default_region)


@lru_cache(maxsize=4096)
def _spelled(name: str) -> str:
    return cleaned(name)


@lru_cache(maxsize=4096)
def _address(name: str, region: str) -> str:
    """Return a sender as a number in international form, or as the name that the phone knows."""
    return phone(cleaned(name), region)
