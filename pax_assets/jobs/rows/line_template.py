"""Lines that one program wrote, read without a JSON parser: they differ only in their values.

An exporter writes every record with the same keys in the same order and the same punctuation. If
the quotation marks of a line stand where those of the first line stand, and all that lies between
its values is, byte for byte, what lies between the first line's, then its values are known
without decoding anything: numpy finds them in a block of lines at once. Whatever does not fit
(an escape, a null, a number where a string was, a broken line) is left to the JSON parser; so is
every line of a program that does not write this regularly.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa

_QUOTE, _BACKSLASH, _NEWLINE, _RETURN = 0x22, 0x5C, 0x0A, 0x0D
# Bytes that are compared at once.
_WORD = 8
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,16})")
_SCALAR = re.compile(rb"([ \t]*:[ \t]*)(-?[0-9]{1,17}|true|false)([ \t]*[,}][ \t]*)")
_COLON = re.compile(rb"[ \t]*:[ \t]*")


class Block:
    """Some lines of an object, and where they begin and end in its bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.padded = np.frombuffer(data + bytes(_WORD), np.uint8)
        self.bytes = self.padded[: len(data)]
        breaks = np.flatnonzero(self.bytes == _NEWLINE)
        self.starts = np.concatenate([[0], breaks + 1])
        self.ends = np.concatenate([breaks, [len(data)]])
        filled = self.ends > self.starts
        self.ends[filled] -= self.bytes[self.ends[filled] - 1] == _RETURN

    def line(self, number: int) -> bytes:
        """Return the bytes of a line, without its line break."""
        return self.data[self.starts[number] : self.ends[number]]


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a value stands: between two quotation marks, or after one and before the next.

    `quote` is the number, in its line, of the quotation mark before it; a scalar begins `before`
    bytes after that and ends `behind` bytes before the next one, or before the line's end.
    """

    kind: str
    quote: int
    before: int = 0
    behind: int = 0


class Template:
    """How the lines of one program are written: what is fixed, and where the values stand."""

    def __init__(self, keys: tuple[str, ...], quotes: int, slots: list[_Slot], line: bytes) -> None:
        self.keys = keys
        self._quotes = quotes
        self._slots = slots
        block = Block(line)
        begin, end = self._bounds(block, np.array([0]), _quotes_of(block)[None, :])
        edges = [0, *np.stack([begin[:, 0], end[:, 0]], 1).reshape(-1).tolist(), len(line)]
        pieces = [line[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]
        self._lengths = np.array([len(piece) for piece in pieces])
        self._words = [_words(piece) for piece in pieces]

    @classmethod
    def of(cls, line: bytes) -> Template | None:
        """Return the template that a line shows; None where it has none."""
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        if type(record) is not dict or _BACKSLASH in line or not record:
            return None
        strings = line.split(b'"')
        keys, slots, at = [], [], 1
        while at < len(strings):
            key, gap = strings[at], strings[at + 1]
            keys.append(key.decode())
            if scalar := _SCALAR.fullmatch(gap):
                kind = "integer" if scalar[2][-1:].isdigit() else "boolean"
                slots.append(_Slot(kind, at, len(scalar[1]), len(scalar[3])))
                at += 2
            elif _COLON.fullmatch(gap) and at + 3 < len(strings):
                slots.append(_Slot("string", at + 1))
                at += 4
            else:
                return None
        if keys != list(record):
            return None
        return cls(tuple(keys), len(strings) - 1, slots, line)

    def read(self, block: Block) -> tuple[np.ndarray, list[pa.Array]]:
        """Return the numbers of the lines that fit, and a column of values for each key."""
        lines, quotes = self._candidates(block)
        begin, end = self._bounds(block, lines, quotes)
        fits = self._fitting(block, lines, begin, end)
        if not fits.all():
            lines, begin, end = lines[fits], begin[:, fits], end[:, fits]
        texts = _slices(block, begin, end)
        columns, plain = [], np.ones(len(lines), bool)
        for place, slot in enumerate(self._slots):
            column, good = _typed(slot.kind, texts(place))
            columns.append(column)
            plain &= good
        if not plain.all():
            keep = pa.array(plain)
            lines, columns = lines[plain], [column.filter(keep) for column in columns]
        return lines, columns

    def _candidates(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Return the lines with the right number of quotation marks, and where those are."""
        quotes = _quotes_of(block)
        first = np.searchsorted(quotes, block.starts)
        count = np.searchsorted(quotes, block.ends) - first
        right = count == self._quotes
        if _BACKSLASH in block.data:
            escapes = np.flatnonzero(block.bytes == _BACKSLASH)
            right &= np.searchsorted(escapes, block.starts) == np.searchsorted(escapes, block.ends)
        lines = np.flatnonzero(right)
        if not len(lines) or not _is_utf8(block.data):
            lines = lines[:0]
        return lines, quotes[first[lines][:, None] + np.arange(self._quotes)]

    def _bounds(
        self, block: Block, lines: np.ndarray, quotes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return where each slot begins and ends, slot by slot: two arrays (slots, lines)."""
        last = block.ends[lines]
        begin = np.empty((len(self._slots), len(lines)), np.int64)
        end = np.empty_like(begin)
        for place, slot in enumerate(self._slots):
            behind = quotes[:, slot.quote + 1] if slot.quote + 1 < self._quotes else last
            begin[place] = quotes[:, slot.quote] + (1 + slot.before)
            end[place] = behind - slot.behind
        return begin, end

    def _fitting(
        self, block: Block, lines: np.ndarray, begin: np.ndarray, end: np.ndarray
    ) -> np.ndarray:
        """Return which lines have the template's bytes wherever no value stands."""
        left = np.concatenate([block.starts[lines][None, :], end])
        right = np.concatenate([begin, block.ends[lines][None, :]])
        fits = ((right - left) == self._lengths[:, None]).all(0) & (end >= begin).all(0)
        # The eight bytes that begin at each byte, as one number.
        size = len(block.bytes) + 1
        numbers = np.ndarray((size,), np.uint64, buffer=block.padded, strides=(1,))
        # What does not fit so far is compared where nothing lies out of bounds.
        left = np.where(fits, left, 0)
        for place, words in enumerate(self._words):
            for offset, mask, word in words:
                found = numbers[np.minimum(left[place] + offset, size - 1)]
                fits &= (found if mask is None else found & mask) == word
        return fits


def _words(piece: bytes) -> list[tuple[int, np.uint64 | None, np.uint64]]:
    """Cut a piece into words of eight bytes: where each begins, its mask, its value.

    The last word ends with the piece and may repeat bytes of the one before; a piece shorter than
    a word has one, of which the mask keeps its bytes.
    """
    if len(piece) < _WORD:
        mask = np.frombuffer((b"\xff" * len(piece)).ljust(_WORD, b"\0"), np.uint64)[0]
        return [(0, mask, np.frombuffer(piece.ljust(_WORD, b"\0"), np.uint64)[0])]
    starts = [*range(0, len(piece) - _WORD, _WORD), len(piece) - _WORD]
    return [(at, None, np.frombuffer(piece[at : at + _WORD], np.uint64)[0]) for at in starts]


def _quotes_of(block: Block) -> np.ndarray:
    return np.flatnonzero(block.bytes == _QUOTE)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _slices(block: Block, begin: np.ndarray, end: np.ndarray) -> Callable[[int], pa.Array]:
    """Return a function that gives the bytes of one slot of every line as an array of strings."""
    slots, count = begin.shape
    # All slots, and what lies between them, are one array of strings over the block's own bytes.
    offsets = np.stack([begin, end], 1).transpose(2, 0, 1).astype(np.int32).reshape(-1)
    length = max(0, len(offsets) - 1)
    every = pa.StringArray.from_buffers(length, pa.py_buffer(offsets), pa.py_buffer(block.data))
    each = np.arange(count, dtype=np.int64) * (2 * slots)
    return lambda place: every.take(pa.array(each + 2 * place))


def _typed(kind: str, texts: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Return a column of strings, integers or booleans, and which rows hold one."""
    if kind == "string":
        return texts, np.ones(len(texts), bool)
    coded = texts.dictionary_encode()
    words = coded.dictionary.to_pylist()
    if kind == "integer":
        values = [int(word) if _INTEGER.fullmatch(word) else None for word in words]
    else:
        values = [{"true": True, "false": False}.get(word) for word in words]
    column = pa.array(values, pa.int64() if kind == "integer" else pa.bool_()).take(coded.indices)
    return column, column.is_valid().to_numpy(zero_copy_only=False)
