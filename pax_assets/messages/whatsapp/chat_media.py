"""The media that WhatsApp packs beside the text of a chat: kept in view, not alarmed about.

An archive of a chat holds the text and up to ten thousand pictures, voice notes and documents. The
messages name them; the files themselves are no messages, and a shared spreadsheet, mail or archive
is no landed object either. Each becomes one channel event with its name, size and digest, by which
the attachment of a message (same file name, same object) finds its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from pax_assets.messages.arrival import Arrival
from pax_assets.messages.json.values import Json
from pax_assets.messages.message import ChannelEvent, Record
from pax_assets.messages.source import Source
from pax_assets.messages.whatsapp.chat_content import file_kind
from pax_assets.messages.whatsapp.chat_records import PROVIDER
from pax_assets.messages.whatsapp.chat_title import is_transcript

_CHUNK = 1024 * 1024


def is_chat_archive(members: Iterable[str], arrival: Arrival) -> bool:
    """Say whether an archive with these members is a chat with its media, as WhatsApp packs it.

    Here names decide, unlike anywhere else: what a person shared in a chat can have any content,
    that of a chat export among them.
    """
    return arrival.channel == "whatsapp" and any(map(is_transcript, members))


def media_records(name: str, source: Source, arrival: Arrival) -> Iterator[Record]:
    """Yield the event of a chat archive's member that is not the text of the chat."""
    file = name.replace("\\", "/").rsplit("/", 1)[-1]
    kind, mime = file_kind(file)
    digest, size = sha256(), 0
    stream = source.stream()
    while part := stream.read(_CHUNK):
        digest.update(part)
        size += len(part)
    payload: Json = {"filename": file, "kind": kind, "bytes": size, "notice": "media"}
    if mime:
        payload["mime"] = mime
    yield ChannelEvent(
        channel=arrival.channel,
        provider=PROVIDER,
        kind="system",
        account="",
        position="object",
        sha256=digest.hexdigest(),
        payload=payload,
    )
