"""Streams as an object store gives them, of any size, made while they are read."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

MIB = 1024 * 1024
T = TypeVar("T")


class Pieces(io.RawIOBase):
    """An unseekable stream of what an iterator yields, with short reads."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._rest:
            try:
                self._rest = next(self._pieces)
            except StopIteration:
                return 0
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def repeated(start: bytes, unit: bytes, size: int, end: bytes = b"") -> Iterator[bytes]:
    """`start`, then at least `size` bytes of `unit` over and over, then `end`."""
    yield start
    block = unit * (MIB // len(unit))
    for _ in range(size // len(block) + 1):
        yield block
    yield end


def with_peak(work: Callable[[], T]) -> tuple[T, int]:
    """What `work` returns, and how many bytes were allocated at most while it ran."""
    tracemalloc.start()
    try:
        result = work()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
