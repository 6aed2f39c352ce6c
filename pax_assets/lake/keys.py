"""Message ids as numbers: 64 hex digits are eight times what it takes to tell messages apart.

An id is a SHA-256 digest. Its first 128 bits as two integers can be sorted, searched and compared
by the million, which is what dedup does all day.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from binascii import Error as BinasciiError
from binascii import unhexlify
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_HEX_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Keys:
    """The first 128 bits of digests as two arrays of int64, in the order of the digests."""

    high: np.ndarray
    low: np.ndarray

    @classmethod
    def of(cls, ids: pa.ChunkedArray) -> Keys:
        """Read them off ids of 64 hex digits; raises `ValueError` for anything else."""
        halves = _numbers(ids, 2)
        return cls(halves[:, 0].copy(), halves[:, 1].copy())

    def among(self, others: Keys) -> np.ndarray:
        """Return which of these keys are among `others`: a boolean for each."""
        kind = np.dtype([("high", np.int64), ("low", np.int64)])
        mine = np.empty(len(self.high), kind)
        mine["high"], mine["low"] = self.high, self.low
        theirs = np.empty(len(others.high), kind)
        theirs["high"], theirs["low"] = others.high, others.low
        return np.isin(mine, theirs)


def high_halves(ids: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Return `Keys.of(ids).high`, for less."""
    return _numbers(ids, 1)[:, 0]


def sorted_distinct(numbers: np.ndarray) -> np.ndarray:
    """Return each number once, in order; numpy's `unique` takes ten times as long (2.4)."""
    ordered = np.sort(numbers)
    if not len(ordered):
        return ordered
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]


def _numbers(ids: pa.ChunkedArray | pa.Array, halves: int) -> np.ndarray:
    """Return the first 64 bits of each digest, and the second with `halves` 2: (n, halves)."""
    flat = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    if len(flat) == 0:
        return np.empty((0, halves), np.int64)
    lengths = pc.min_max(pc.binary_length(flat)).as_py()
    if flat.null_count or lengths != {"min": _HEX_DIGITS, "max": _HEX_DIGITS}:
        raise _damaged()
    data = np.frombuffer(flat.buffers()[2], np.uint8)
    start = _first_offset(flat)
    every = data[start : start + len(flat) * _HEX_DIGITS].reshape(-1, _HEX_DIGITS)
    try:
        digests = unhexlify(every[:, : 16 * halves].tobytes())
    except BinasciiError as error:
        raise _damaged() from error
    return np.frombuffer(digests, ">i8").reshape(-1, halves).astype(np.int64)


def _damaged() -> ValueError:
    return ValueError("a message id or digest is not 64 hex digits: the table was changed by hand")


def _first_offset(ids: pa.Array) -> int:
    """Where the text of an array begins in its buffer."""
    wide = pa.types.is_large_string(ids.type)
    return int(np.frombuffer(ids.buffers()[1], np.int64 if wide else np.int32)[ids.offset])
