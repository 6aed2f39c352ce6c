"""Message ids as numbers: 64 hex digits are eight times what it takes to tell messages apart.

An id is a SHA-256 digest. Its first 128 bits as two integers can be sorted, searched and compared
by the million, which is what dedup does all day.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

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
        flat = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
        if len(flat) == 0:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64))
        lengths = pc.min_max(pc.binary_length(flat)).as_py()
        if flat.null_count or lengths != {"min": _HEX_DIGITS, "max": _HEX_DIGITS}:
            raise ValueError(
                "a message id or digest is not 64 hex digits: the table was changed by hand"
            )
        data = np.frombuffer(flat.buffers()[2], np.uint8)
        start = flat.offset * _HEX_DIGITS + _first_offset(flat)
        digits = data[start : start + len(flat) * _HEX_DIGITS].reshape(-1, _HEX_DIGITS)[:, :32]
        nibbles = _NIBBLE[digits]
        packed = (nibbles[:, 0::2] << 4) | nibbles[:, 1::2]
        halves = np.ascontiguousarray(packed).view(">i8").astype(np.int64)
        return cls(halves[:, 0].copy(), halves[:, 1].copy())

    def among(self, others: Keys) -> np.ndarray:
        """Return which of these keys are among `others`: a boolean for each."""
        kind = np.dtype([("high", np.int64), ("low", np.int64)])
        mine = np.empty(len(self.high), kind)
        mine["high"], mine["low"] = self.high, self.low
        theirs = np.empty(len(others.high), kind)
        theirs["high"], theirs["low"] = others.high, others.low
        return np.isin(mine, theirs)


_NIBBLE = np.zeros(256, np.uint8)
for _digit in "0123456789abcdef":
    _NIBBLE[ord(_digit)] = int(_digit, 16)


def _first_offset(ids: pa.Array) -> int:
    """Where the text of an array begins in its buffer, beside what its own offset says."""
    wide = pa.types.is_large_string(ids.type)
    offsets = np.frombuffer(ids.buffers()[1], np.int64 if wide else np.int32)
    return int(offsets[ids.offset]) - ids.offset * _HEX_DIGITS
