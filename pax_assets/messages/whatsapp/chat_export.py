"""WhatsApp chat exports (`.txt`) to messages and channel events, in one pass.

An export is a phone's rendering of a chat for people: no ids, no zone, no markup. Everything that
a message needs beyond its words is decided once for the whole file, from its first `SAMPLE_LINES`
lines (at most `SAMPLE_BYTES`): the form of its headers, the order of day and month, names that hold
a colon, and which conversation it is. A stream cannot be read twice, and a chat of hundreds of MB
shows all of this in its first months.

**Ids.** The id follows from conversation, local time, sender, words and ordinal among equals.
The conversation is the title that the content itself gives (the name of the text inside WhatsApp's
archive, the sender of the encryption notice), else the time and the sender of the first message.
The name of the landed object names the conversation, but gives no message its id: the same export
landed twice has the same ids, and so has a later export of the chat for what it repeats, with its
media or without.

Direction and recipients are unknown: the export names neither the phone that wrote it nor the
members of the chat.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import chain

from pax_assets.messages import charsets
from pax_assets.messages.arrival import MAX_QUARANTINE_BYTES, Arrival, UnusableError
from pax_assets.messages.json.documents import looks_like_json
from pax_assets.messages.message import Record
from pax_assets.messages.source import Line, Source
from pax_assets.messages.whatsapp.chat_dates import (
    LocalTime,
    NoHeaderError,
    WallClock,
    decide_order,
)
from pax_assets.messages.whatsapp.chat_headers import HeaderForm, header_form
from pax_assets.messages.whatsapp.chat_names import learn_names
from pax_assets.messages.whatsapp.chat_records import Chat

SAMPLE_LINES = 50_000
SAMPLE_BYTES = 4 * 1024 * 1024
# WhatsApp sends at most 65,536 characters; what is longer is no message of a chat.
_MAX_MESSAGE_BYTES = MAX_QUARANTINE_BYTES
_HEAD_LINES = 200
_LOOK_BYTES = 4096


def is_chat_export(head: bytes, arrival: Arrival) -> bool:
    """Say whether an object begins like a chat export, or is text that turns into one soon."""
    if arrival.channel == "email":
        return False
    lines = [line for line in head.split(b"\n", _HEAD_LINES)[:_HEAD_LINES] if line.strip()]
    if lines and header_form(_beginning(lines[0])) is not None:
        return True
    return not looks_like_json(head) and any(header_form(_beginning(line)) for line in lines)


def records(source: Source, arrival: Arrival) -> Iterator[Record]:
    """Yield the records of a chat export, or one quarantined record where it cannot be read."""
    if arrival.channel != "whatsapp":
        reason = "this is a WhatsApp chat export; land it under whatsapp/"
        yield arrival.quarantined("object", "wrong_channel", reason, source.head)
        return
    lines = source.lines()
    sample = _sample(lines)
    texts = [_beginning(line.data) for line in sample]
    form = next((found for text in texts if (found := header_form(text)) is not None), None)
    if form is None:
        # What looked like a header was the cut end of what could be looked at.
        reason = "no line of this text begins like a message of a WhatsApp chat export"
        yield arrival.quarantined("object", "unknown_format", reason, source.head)
        return
    headers = [
        (found, text[found.end() :]) for text in texts if (found := form.pattern.match(text))
    ]
    order = decide_order(
        [form.hour(found).date for found, _ in headers],
        arrival.options.date_order,
        arrival.received_at.year + 1,
    )
    if order is None:
        yield _ambiguous(sample, arrival)
        for _ in lines:
            # The stream is the caller's, who counts on it being read to its end.
            continue
        return
    clock = WallClock(form, order, arrival.options.default_zone)
    names = learn_names(rest for _, rest in headers)
    chat = Chat.of(((_time(clock, found), rest) for found, rest in headers), names, arrival)
    for block in _blocks(chain(sample, lines), form, clock):
        yield _outcome(block, chat, arrival)


def _time(clock: WallClock, found: re.Match[str]) -> LocalTime | None:
    try:
        return clock.read(found)
    except NoHeaderError:
        return None


def _sample(lines: Iterator[Line]) -> list[Line]:
    sample: list[Line] = []
    size = 0
    for line in lines:
        sample.append(line)
        size += len(line.data)
        if size >= SAMPLE_BYTES or len(sample) >= SAMPLE_LINES:
            break
    return sample


def _ambiguous(sample: list[Line], arrival: Arrival) -> Record:
    reason = (
        "the chat's dates can be read with the day or with the month first and nothing in it "
        "shows which; set PAX_DATE_ORDER to dmy or mdy, then run replay_quarantine"
    )
    payload = b"\n".join(line.data for line in sample)
    return arrival.quarantined("object", "date_order_ambiguous", reason, payload)


@dataclass(slots=True)
class _Block:
    """A line with a header and the lines that continue it. Without a header it begins the file.

    `line` is the first line as text, in which the message begins at `start`.
    """

    number: int
    first: bytes
    line: str
    charset: str
    start: int
    time: LocalTime | None
    size: int
    more: bytearray | None = None

    def add(self, line: Line) -> None:
        """Continue the message with a line; what exceeds the bound is only counted."""
        self.size += line.size + 1
        if self.size > _MAX_MESSAGE_BYTES:
            return
        if self.more is None:
            self.more = bytearray(line.data)
        else:
            self.more += b"\n"
            self.more += line.data

    def end(self) -> None:
        """Drop the blank lines at the end: they are the file's, not its last message's."""
        if self.more is not None:
            self.more = bytearray(self.more.rstrip(b"\r\n")) or None

    @property
    def raw(self) -> bytes:
        """The record's bytes, its lines joined by line feeds."""
        return self.first if self.more is None else b"%b\n%b" % (self.first, self.more)


def _blocks(lines: Iterable[Line], form: HeaderForm, clock: WallClock) -> Iterator[_Block]:
    match = form.pattern.match
    block: _Block | None = None
    for line in lines:
        text, charset = _decoded(line.data)
        found = match(text)
        if found is not None:
            try:
                time = clock.read(found)
            except NoHeaderError:
                found = None
            else:
                if block is not None:
                    yield block
                start = found.end()
                block = _Block(line.number, line.data, text, charset, start, time, line.size)
        if found is not None:
            continue
        if block is not None:
            block.add(line)
        elif line.data.strip():
            block = _Block(line.number, line.data, text, charset, -1, None, line.size)
    if block is not None:
        block.end()
        yield block


def _outcome(block: _Block, chat: Chat, arrival: Arrival) -> Record:
    raw = block.raw
    position = f"line {block.number}"
    try:
        # Decoded text has no half surrogate pairs: what `outcome` does beside this is not needed.
        return _record(block, raw, position, chat)
    except Exception as error:  # noqa: BLE001 - `outcome` tells what it may tell
        return arrival.outcome(position, None, partial(_raise, error), raw)


def _raise(error: Exception) -> Record:
    raise error


def _record(block: _Block, raw: bytes, position: str, chat: Chat) -> Record:
    if block.start < 0:
        raise UnusableError(
            "no_header", "text before the first message of the chat; export the chat again"
        )
    if block.size > _MAX_MESSAGE_BYTES:
        raise UnusableError(
            "record_too_large",
            f"the message has {block.size} bytes, the bound is {_MAX_MESSAGE_BYTES}; "
            "lines without a header in the form of this file belong to the message before them",
        )
    if block.time is None:
        raise UnusableError(
            "bad_date", "the calendar has no such date in the order of day and month of this chat"
        )
    text, charset = block.line[block.start :], block.charset
    if block.more is not None:
        more, of_more = _decoded(bytes(block.more))
        text = f"{text}\n{more}"
        charset = charset if of_more == "utf-8" else of_more
    return chat.record(text, charset, block.time, position, sha256(raw).hexdigest())


def _beginning(data: bytes) -> str:
    """Return as much of a line as shows its header, its name and whether it is the app's."""
    if len(data) <= _LOOK_BYTES:
        return _decoded(data)[0]
    return data[:_LOOK_BYTES].decode("utf-8", "ignore")


def _decoded(data: bytes) -> tuple[str, str]:
    """Return a line as text and its charset: UTF-8, or what an editor made of it."""
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return charsets.decode(data, None)
