"""The members of a zip archive, from its central directory, whatever its bytes claim.

The standard library's `zipfile` reads the directory into memory in one piece, trusts names and
sizes, and (before 3.11.8) lets members share their bytes, which is how 10 MB become petabytes.
This reader takes one entry at a time, bounded, and checks that members lie apart.

After PKWARE's APPNOTE.TXT 6.3.10: sections 4.3.7 (members), 4.3.12 (entries), 4.3.14 to 4.3.16
(ends), 4.5.3 (zip64).
"""

from __future__ import annotations

import io
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pax_assets.messages.archives.expansion import PackedError

_MAX_NAME = 120
_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_LOCATOR = struct.Struct("<4sLQL")
_LOCATOR_MAGIC = b"PK\x06\x07"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_MAGIC = b"PK\x06\x06"
_ENTRY = struct.Struct("<4s6H3L5H2L")
_ENTRY_MAGIC = b"PK\x01\x02"
_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_MAGIC = b"PK\x03\x04"
_MAX_COMMENT = 0xFFFF
_IN_ZIP64 = 0xFFFFFFFF
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8_NAME = 0x800


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of the directory. `name` is fit for a position, never for a path on a disk."""

    name: str
    offset: int
    packed: int
    size: int
    crc: int
    method: int
    encrypted: bool
    is_directory: bool


def members(archive: BinaryIO) -> Iterator[Member]:
    """Yield the members in the directory's order; raise `PackedError` where it is broken.

    `archive` is seekable. What precedes the archive in its file (a self-extractor) is skipped.
    """
    start, end, shift = _directory(archive)
    at = start
    while at < end:
        # Whoever reads a member between two entries moves the archive's position.
        archive.seek(at)
        head = archive.read(_ENTRY.size)
        if len(head) < _ENTRY.size or not head.startswith(_ENTRY_MAGIC):
            raise _corrupt("its directory breaks off")
        fields = _ENTRY.unpack(head)
        name_size, extra_size, comment_size = fields[10:13]
        name, extra = archive.read(name_size), archive.read(extra_size)
        at += _ENTRY.size + name_size + extra_size + comment_size
        yield _member(fields, name, extra, shift)


def check_apart(found: list[Member]) -> None:
    """Raise `PackedError` where two members share bytes of the archive, as those of a bomb do."""
    end = 0
    for member in sorted(found, key=lambda member: member.offset):
        if member.offset < end:
            raise PackedError(
                "overlapping_members",
                "members of the archive share their bytes, as in a zip bomb; "
                "nothing of it was read: pack it again",
            )
        end = member.offset + _LOCAL.size + member.packed


def data_start(archive: BinaryIO, member: Member) -> int:
    """Return where the member's packed bytes begin; raise `PackedError` where none begin there."""
    if member.offset >= archive.seek(0, io.SEEK_END):
        raise _corrupt("a member lies beyond its end")
    archive.seek(member.offset)
    head = archive.read(_LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(_LOCAL_MAGIC):
        raise _corrupt("no member lies where its directory says")
    name_size, extra_size = _LOCAL.unpack(head)[9:]
    return member.offset + _LOCAL.size + name_size + extra_size


def _directory(archive: BinaryIO) -> tuple[int, int, int]:
    """Return start and end of the central directory, and by how much offsets are shifted."""
    size = archive.seek(0, io.SEEK_END)
    tail_start = max(0, size - _END.size - _MAX_COMMENT)
    archive.seek(tail_start)
    tail = archive.read(_END.size + _MAX_COMMENT)
    found = tail.rfind(_END_MAGIC)
    if found < 0 or len(tail) - found < _END.size:
        raise _corrupt("its directory is missing, it was cut off")
    end = tail_start + found
    directory_size, directory_offset = _END.unpack_from(tail, found)[5:7]
    if end >= _LOCATOR.size:
        archive.seek(end - _LOCATOR.size)
        magic, _, end64, _ = _LOCATOR.unpack(archive.read(_LOCATOR.size))
        if magic == _LOCATOR_MAGIC:
            end, directory_size, directory_offset = _zip64(archive, end64, end)
    start = end - directory_size
    if start < directory_offset:
        raise _corrupt("its directory is not where its end says")
    return start, end, start - directory_offset


def _zip64(archive: BinaryIO, stated: int, end: int) -> tuple[int, int, int]:
    # Where something precedes the archive, the stated place is too early; the record is next to
    # its locator, unless it carries extensions.
    for at in (end - _LOCATOR.size - _END64.size, stated):
        if 0 <= at < end:
            archive.seek(at)
            record = archive.read(_END64.size)
            if len(record) == _END64.size and record.startswith(_END64_MAGIC):
                directory_size, directory_offset = _END64.unpack(record)[8:]
                return at, directory_size, directory_offset
    raise _corrupt("its zip64 end is missing")


def _member(fields: tuple[int, ...], name: bytes, extra: bytes, shift: int) -> Member:
    flags, method, crc, packed, size, offset = *fields[3:5], *fields[7:10], fields[16]
    size, packed, offset = _wide(extra, [size, packed, offset])
    return Member(
        name=_shown(_decoded(name, utf8=bool(flags & _UTF8_NAME))),
        offset=offset + shift,
        packed=packed,
        size=size,
        crc=crc,
        method=method,
        encrypted=bool(flags & _ENCRYPTED),
        # Nothing, deflated, has two bytes.
        is_directory=name.endswith((b"/", b"\\")) and not size and packed <= 2,
    )


def _wide(extra: bytes, values: list[int]) -> list[int]:
    """Replace the values that did not fit 32 bits by those of the zip64 extra field."""
    if _IN_ZIP64 not in values:
        return values
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = iter(
                struct.unpack_from(f"<{min(size, len(extra) - at - 4) // 8}Q", extra, at + 4)
            )
            return [next(wide, value) if value == _IN_ZIP64 else value for value in values]
        at += 4 + size
    return values


def _decoded(name: bytes, *, utf8: bool) -> str:
    # macOS writes UTF-8 without the flag that says so.
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("utf-8", "replace") if utf8 else name.decode("cp437")


def _shown(name: str) -> str:
    """Return a name without what could mislead a reader or a path: `..`, a root, controls."""
    visible = "".join(
        "\ufffd" if unicodedata.category(character)[0] == "C" else character
        for character in name[: 10 * _MAX_NAME]
    )
    parts = [part for part in visible.replace("\\", "/").split("/") if part.strip(". ")]
    shown = "/".join(parts) or "unnamed"
    return shown if len(shown) <= _MAX_NAME else f"{shown[:_MAX_NAME]}\u2026"


def _corrupt(what: str) -> PackedError:
    return PackedError("corrupt_archive", f"the zip archive is damaged: {what}; land it again")
