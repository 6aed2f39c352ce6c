"""Deflated bytes, piece by piece, with a clear end where they are damaged.

A truncated download still holds everything before the cut. `gzip.open` raises somewhere inside
whoever reads it, and the records before the cut are lost with the reader. Here the stream just
ends, and afterwards says why.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Generator, Iterator
from typing import BinaryIO

from pax_assets.messages.archives.expansion import Expansion, PackedError

_PIECE = 64 * 1024
_UNPACKED_PIECE = 1024 * 1024
_GZIP, _RAW = 31, -15


class Unpacked(io.RawIOBase):
    """A readable stream over unpacked pieces; after its end `failure` says what stopped it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._ready = memoryview(b"")
        self.failure: PackedError | None = None

    def readable(self) -> bool:
        """Whether bytes can be read: always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fill `buffer` from the next piece; 0 at the end and where unpacking failed."""
        try:
            while not self._ready:
                self._ready = memoryview(next(self._pieces))
        except StopIteration:
            return 0
        except PackedError as error:
            self.failure = error
            return 0
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def gunzipped(packed: BinaryIO, expansion: Expansion) -> Iterator[bytes]:
    """Yield what a gzip file of one or more members (RFC 1952) holds.

    Raises `PackedError` where it is damaged, cut off, followed by other bytes, or too large.
    """
    data = yield from _inflated(packed, b"", _GZIP, expansion)
    while True:
        # Tapes and some tools fill the last block with zeros.
        data = data.lstrip(b"\0") or packed.read(_PIECE)
        if not data:
            return
        if data[:1] not in (b"\0", b"\x1f"):
            raise PackedError(
                "corrupt_archive", "bytes that are no gzip follow the gzip; they were not read"
            )
        if data[0]:
            data = yield from _inflated(packed, data, _GZIP, expansion)


def inflated(packed: BinaryIO, size: int, expansion: Expansion) -> Iterator[bytes]:
    """Yield what the next `size` bytes of `packed` hold, deflated without a wrapper (RFC 1951)."""
    yield from _inflated(_Part(packed, size), b"", _RAW, expansion)


def stored(packed: BinaryIO, size: int, expansion: Expansion) -> Iterator[bytes]:
    """Yield the next `size` bytes of `packed` as they are."""
    part = _Part(packed, size)
    while piece := part.read(_UNPACKED_PIECE):
        expansion.add(len(piece), len(piece))
        yield piece
    if part.left:
        raise _cut_off()


class _Part:
    """The next `left` bytes of a stream."""

    def __init__(self, stream: BinaryIO, left: int) -> None:
        self._stream = stream
        self.left = left

    def read(self, size: int) -> bytes:
        piece = self._stream.read(min(size, self.left))
        self.left -= len(piece)
        return piece


def _inflated(
    packed: BinaryIO | _Part, data: bytes, wrapper: int, expansion: Expansion
) -> Generator[bytes, None, bytes]:
    """Yield one deflated stream that begins with `data`; return what was read beyond its end."""
    inflate = zlib.decompressobj(wrapper)
    pending = False
    while not inflate.eof:
        if not data and not pending:
            data = packed.read(_PIECE)
            if not data:
                raise _cut_off()
        try:
            piece = inflate.decompress(data, _UNPACKED_PIECE)
        except zlib.error:
            raise PackedError(
                "corrupt_archive", "the packed data is damaged; land it again", damaged=True
            ) from None
        rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        expansion.add(len(data) - len(rest), len(piece))
        pending, data = len(piece) == _UNPACKED_PIECE, rest
        if piece:
            yield piece
    return data


def _cut_off() -> PackedError:
    return PackedError(
        "corrupt_archive", "the packed data ends too early, it was cut off; land it again", cut=True
    )
