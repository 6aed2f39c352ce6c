"""Gzip and zip objects, read as what they hold.

Providers compress exports, phones share chats as archives, and people zip what they attach. Each
member is an object of its own for the parsers, recognised by its content; its records carry its
name before their position. What unfolds is bounded (`expansion`).

What was cut off gives everything before the cut; but its last message may look whole and be half,
so that one is quarantined with the cut, or half a mail would win over the whole one that lands
later. What is damaged (it does not match its checksum) gives nothing, for the same reason: it is
unpacked once to see that it is whole, which costs a few percent of reading it, and then read.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from io import BufferedReader
from typing import BinaryIO, cast

from pax_assets.messages.archives.expansion import MAX_DEPTH, Expansion, PackedError
from pax_assets.messages.archives.inflate import Unpacked, gunzipped, inflated, stored
from pax_assets.messages.archives.zip_directory import Member, check_apart, data_start, members
from pax_assets.messages.arrival import Arrival
from pax_assets.messages.message import ChannelEvent, Message, Record
from pax_assets.messages.source import Source
from pax_assets.messages.whatsapp.chat_media import is_chat_archive, media_records
from pax_assets.messages.whatsapp.chat_title import is_transcript

Read = Callable[[Source, Arrival], Iterator[Record]]

_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04")
_PACKED = (_GZIP, *_ZIP)
_OTHERS = {
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    "7z": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "rar": re.compile(rb"Rar!\x1a\x07"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "tar": re.compile(rb".{257}ustar", re.DOTALL),
}
# All of them at once: nearly every object is none, and is asked.
_ANY_OTHER = re.compile(b"|".join(magic.pattern for magic in _OTHERS.values()), re.DOTALL)
# What macOS adds to an archive beside each file: AppleDouble headers, a folder's window layout.
_FINDER = (b"\x00\x05\x16\x07", b"\x00\x00\x00\x01Bud1")
_STORED, _DEFLATED = 0, 8
_IN_MEMORY = 8 * 1024 * 1024
_BUFFER = 1024 * 1024


def is_container(head: bytes, _: Arrival) -> bool:
    """Say whether an object is packed in a way that this module unpacks."""
    return head.startswith(_PACKED)


def is_packed_otherwise(head: bytes, _: Arrival) -> bool:
    """Say whether an object is packed in a way that nobody here unpacks."""
    return _ANY_OTHER.match(head) is not None


def packed_otherwise(source: Source, arrival: Arrival) -> Iterator[Record]:
    """Yield the one quarantined record of an object that nobody here unpacks."""
    kind = next(kind for kind, magic in _OTHERS.items() if magic.match(source.head))
    reason = f"the object is packed with {kind}; land it unpacked, or packed with gzip or zip"
    yield arrival.quarantined("object", "packed_object", reason, source.head)


def records(source: Source, arrival: Arrival, read: Read) -> Iterator[Record]:
    """Yield the records of a gzip or zip object; `read` yields those of what it holds.

    The object is copied to a temporary file: what is packed is looked at before it is read.
    """
    expansion = source.expansion
    if expansion.depth >= MAX_DEPTH:
        reason = f"archives lie within each other more than {MAX_DEPTH} deep; unpack the outer ones"
        yield arrival.quarantined("object", "nested_too_deep", reason, source.head)
        return
    expansion.depth += 1
    try:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spooled:
            packed = cast(BinaryIO, spooled)
            shutil.copyfileobj(source.stream(), packed, _BUFFER)
            if source.head.startswith(_GZIP):
                pieces = partial(_unzipped, packed)
                yield from _until_failure(pieces, source, arrival, read, "", source.head)
            else:
                yield from _zip_records(packed, source, arrival, read)
    finally:
        expansion.depth -= 1


def _unzipped(packed: BinaryIO, expansion: Expansion) -> Iterator[bytes]:
    packed.seek(0)
    yield from gunzipped(packed, expansion)


def _zip_records(
    archive: BinaryIO, source: Source, arrival: Arrival, read: Read
) -> Iterator[Record]:
    listed: list[Member] = []
    failure = None
    try:
        for member in members(archive):
            source.expansion.add_member()
            listed.append(member)
    except PackedError as error:
        failure = error
    try:
        check_apart(listed)
    except PackedError as error:
        listed, failure = [], error
    yield from _member_records(archive, listed, source, arrival, read)
    if failure is None and all(member.is_directory for member in listed):
        failure = PackedError("empty_object", "the archive has no members")
    if failure is not None:
        yield arrival.quarantined("object", failure.code, failure.reason, source.head)


def _member_records(
    archive: BinaryIO, listed: list[Member], source: Source, arrival: Arrival, read: Read
) -> Iterator[Record]:
    taken: dict[str, int] = {}
    chat = is_chat_archive((member.name for member in listed), arrival)
    for number, member in enumerate(listed):
        if member.is_directory:
            continue
        position = _unique(member.name, taken)
        if source.expansion.exhausted:
            reason = (
                f"the object has unfolded as far as it may; this member and the "
                f"{len(listed) - number - 1} after it were not read: land them apart"
            )
            yield arrival.quarantined(position, "expansion_too_large", reason, _stated(member))
            return
        pieces = partial(_content, archive, member)
        of_member = replace(arrival, names=(*(arrival.names or ("",)), member.name))
        shared = chat and not is_transcript(member.name)
        reader = partial(media_records, member.name) if shared else read
        yield from _until_failure(pieces, source, of_member, reader, position, _stated(member))


def _content(archive: BinaryIO, member: Member, expansion: Expansion) -> Iterator[bytes]:
    """Yield a member's bytes; raise `PackedError` at its end where they are not what was packed."""
    if member.encrypted:
        raise PackedError(
            "encrypted_member", "the member is encrypted; land the archive without a password"
        )
    archive.seek(data_start(archive, member))
    if member.method == _STORED:
        pieces = stored(archive, member.packed, expansion)
    elif member.method == _DEFLATED:
        pieces = inflated(archive, member.packed, expansion)
    else:
        raise PackedError(
            "unsupported_compression",
            f"the member is compressed with zip method {member.method}; pack it with deflate",
        )
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
        yield piece
    if crc != member.crc:
        raise PackedError(
            "corrupt_archive",
            "the member is damaged, its content does not match its checksum; land it again",
            damaged=True,
        )


def _until_failure(
    pieces: Callable[[Expansion], Iterator[bytes]],
    source: Source,
    arrival: Arrival,
    read: Read,
    name: str,
    payload: bytes | object,
) -> Iterator[Record]:
    """Yield the records of packed content, then how its unpacking failed, if it did.

    `pieces` unpacks the content from its beginning; `payload` stands for it in a quarantined
    record.
    """
    damage = _damage(pieces(replace(source.expansion)))
    if damage is not None:
        yield arrival.quarantined(name or "object", damage.code, damage.reason, payload)
        return
    content = Unpacked(pieces(source.expansion))
    inner = Source(cast(BinaryIO, BufferedReader(content, _BUFFER)), source.expansion)
    if content.failure is not None and not inner.head:
        found: Iterator[Record] = iter(())
    elif name and inner.head.startswith(_FINDER):
        found = _finder_event(inner, arrival)
    else:
        found = read(inner, arrival)
    held = None
    for record in found:
        if held is not None:
            yield held
        held = replace(record, position=f"{name}: {record.position}") if name else record
    failure = content.failure
    if failure is not None and failure.cut and isinstance(held, Message):
        reason = f"{failure.reason} (this is the last message before it, which may be incomplete)"
        kept = {"id": held.provider_message_id, "sender": held.sender, "text": held.text}
        yield arrival.quarantined(held.position, failure.code, reason, kept)
        return
    if held is not None:
        yield held
    if failure is not None:
        yield arrival.quarantined(name or "object", failure.code, failure.reason, payload)


def _damage(pieces: Iterator[bytes]) -> PackedError | None:
    """Return what is wrong with packed content, but for where it ends."""
    try:
        for _ in pieces:
            pass
    except PackedError as error:
        return error if error.damaged else None
    return None


def _finder_event(source: Source, arrival: Arrival) -> Iterator[Record]:
    yield ChannelEvent(
        channel=arrival.channel,
        provider="macos",
        kind="system",
        account="",
        position="object",
        sha256=sha256(source.small() or source.head).hexdigest(),
        payload={"note": "Finder metadata of another member of the archive"},
    )


def _stated(member: Member) -> dict[str, object]:
    return {
        "member": member.name,
        "packed_bytes": member.packed,
        "bytes": member.size,
        "method": member.method,
    }


def _unique(name: str, taken: dict[str, int]) -> str:
    """Return a position for a member; archives may hold one name twice."""
    number = taken.get(name, 0) + 1
    taken[name] = number
    if number == 1:
        return name
    return _unique(f"{name} ({number})", taken)
