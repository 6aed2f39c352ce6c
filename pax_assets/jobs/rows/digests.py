"""SHA-256 of many short pieces of one buffer, as hexadecimal text.

Ids and digests are what every record costs, however plainly it is written: three a message.
Pieces are cut out of the bytes that hold them all, and the digests become text together, so that
hashing is what the time goes to.
"""

from __future__ import annotations

import hashlib
from binascii import hexlify
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

_HEX = 64


def of_slices(data: bytes, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
    """Return the digests (64 hex digits each) of `data[starts[i]:ends[i]]`."""
    return _as_text(_slices(data, starts, ends), _HEX)


def of_each(pieces: Iterable[bytes]) -> pa.Array:
    """Return the digests (64 hex digits each) of some bytes."""
    return _as_text([hashlib.sha256(piece).digest() for piece in pieces], _HEX)


def of_texts(texts: pa.Array, digits: int = _HEX) -> pa.Array:
    """Return the first `digits` hex digits of the digest of each string's UTF-8."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :][: len(texts) + 1]
    held = texts.buffers()[2]
    data = b"" if held is None else held.to_pybytes()
    return _as_text(_slices(data, offsets[:-1], offsets[1:]), digits)


def _slices(data: bytes, starts: np.ndarray, ends: np.ndarray) -> list[bytes]:
    sha256 = hashlib.sha256
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return [sha256(data[start:end]).digest() for start, end in pairs]


def _as_text(digests: list[bytes], digits: int) -> pa.Array:
    text = hexlify(b"".join(digests))
    if digits < _HEX:
        every = np.frombuffer(text, np.uint8).reshape(-1, _HEX)
        text = every[:, :digits].tobytes()
    offsets = np.arange(len(digests) + 1, dtype=np.int32) * digits
    return pa.StringArray.from_buffers(len(digests), pa.py_buffer(offsets), pa.py_buffer(text))
