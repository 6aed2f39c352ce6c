"""One object's bytes, read once, front to back, in bounded memory.

An Android backup has gigabytes and a broken export one line of a gigabyte: whoever calls `read()`
first loses. A source shows its beginning, by which the format is recognised, and then gives
either all of a small object or its lines, one at a time.
"""

from __future__ import annotations

import codecs
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pax_assets.messages.archives.expansion import Expansion
from pax_assets.messages.arrival import MAX_QUARANTINE_BYTES, MAX_RECORD_BYTES

HEAD_BYTES = 64 * 1024
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its line break: its number from 1, its bytes, its size in bytes.

    A line above `MAX_RECORD_BYTES` is not `whole`: only its first MiB is here.
    """

    number: int
    data: bytes
    size: int

    @property
    def whole(self) -> bool:
        """Whether `data` is all of the line."""
        return len(self.data) == self.size


class Source:
    """The bytes of an object or of a member of an archive; read it in one of the three ways.

    `expansion` is what the object that they come from has unfolded to until now.
    """

    def __init__(self, data: bytes | BinaryIO, expansion: Expansion | None = None) -> None:
        self._stream: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else data
        self.expansion = expansion or Expansion()
        self.head = _fill(self._stream, HEAD_BYTES)
        if self.head.startswith(codecs.BOM_UTF8):
            self.head = self.head[len(codecs.BOM_UTF8) :]
        elif _is_utf16(self.head):
            packed = _Joined(deque([self.head]), self._stream)
            self._stream = io.BufferedReader(_FromUtf16(packed), _CHUNK)
            self.head = _fill(self._stream, HEAD_BYTES)
        self._looked_at = deque([self.head])

    def small(self) -> bytes | None:
        """Return all bytes where they are at most `MAX_RECORD_BYTES`; else None.

        After None the other two ways still see everything.
        """
        missing = MAX_RECORD_BYTES + 1 - sum(map(len, self._looked_at))
        while missing > 0 and (part := self._stream.read(min(missing, _CHUNK))):
            self._looked_at.append(part)
            missing -= len(part)
        if missing <= 0:
            return None
        if len(self._looked_at) > 1:
            self.head = _joined(self._looked_at)
            self._looked_at = deque([self.head])
        return self.head

    def stream(self) -> BinaryIO:
        """Return the bytes as a stream, from the first one; once."""
        return io.BufferedReader(_Joined(self._looked_at, self._stream), _CHUNK)

    def lines(self) -> Iterator[Line]:
        """Yield every line, blank ones too."""
        stream = self.stream()
        number = 0
        while data := stream.readline(_CHUNK):
            number += 1
            yield _line(number, data, stream)


def _line(number: int, data: bytes, stream: BinaryIO) -> Line:
    """Complete a line of which at most one chunk was read."""
    if data.endswith(b"\n") or len(data) < _CHUNK:
        data = data.rstrip(b"\r\n")
        return Line(number, data, len(data))
    parts, size = [data], len(data)
    while part := stream.readline(_CHUNK):
        size += len(part)
        if size <= MAX_RECORD_BYTES + 2:
            parts.append(part)
        if part.endswith(b"\n"):
            break
    if size <= MAX_RECORD_BYTES:
        whole = b"".join(parts).rstrip(b"\r\n")
        return Line(number, whole, len(whole))
    return Line(number, data[:MAX_QUARANTINE_BYTES], size)


class _Joined(io.RawIOBase):
    """Bytes that were looked at already (let go as they are read), then the rest of a stream."""

    def __init__(self, looked_at: deque[bytes], rest: BinaryIO) -> None:
        self._looked_at = looked_at
        self._piece = memoryview(b"")
        self._rest = rest

    def readable(self) -> bool:
        """Whether bytes can be read: always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fill `buffer` from what was looked at, then from the stream; 0 at the end."""
        while not self._piece and self._looked_at:
            self._piece = memoryview(self._looked_at.popleft())
        if self._piece:
            part = self._piece[: len(buffer)]
            self._piece = self._piece[len(part) :]
        else:
            part = self._rest.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)


class _FromUtf16(io.RawIOBase):
    """A UTF-16 stream (PowerShell's default) as UTF-8; what is broken in it stays invalid."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")
        self._ready = b""

    def readable(self) -> bool:
        """Whether bytes can be read: always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fill `buffer` with UTF-8; 0 at the end."""
        while not self._ready:
            part = self._stream.read(_CHUNK) or b""
            try:
                text = self._decoder.decode(part, final=not part)
            except UnicodeDecodeError:
                # Half a character at the end; the decoder would report it again and again.
                self._decoder.reset()
                text = "\ufffd"
            self._ready = text.encode("utf-8", "surrogatepass")
            if not part:
                break
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _is_utf16(head: bytes) -> bool:
    if not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    try:
        codecs.getincrementaldecoder("utf-16")().decode(head)
    except UnicodeDecodeError:
        # Not UTF-16 after all: what it is instead shows elsewhere.
        return False
    return True


def _fill(stream: BinaryIO, size: int) -> bytes:
    """Read `size` bytes, or all that there are; a stream may give them in pieces."""
    parts: deque[bytes] = deque()
    while size > 0 and (part := stream.read(min(size, _CHUNK))):
        parts.append(part)
        size -= len(part)
    return _joined(parts)


def _joined(parts: deque[bytes]) -> bytes:
    """Join `parts` and empty it: at no time is more than a piece of them held twice."""
    if len(parts) == 1:
        return parts.popleft()
    joined = io.BytesIO()
    while parts:
        joined.write(parts.popleft())
    return joined.getvalue()
