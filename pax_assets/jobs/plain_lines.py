"""JSON Lines by the column: what `messages.jsonl` does to one record, done to thousands at once.

Most of what lands in bulk is lines of one shape: the same keys, every value a string or a number.
Read record by record in Python such lines cost ten times what their hashes and their bytes cost.
Here lines are decoded one by one, so that a broken one breaks alone, but turned into columns
together. A line that is special in any way (no id, a display name, a list, a provider's payload,
a date that needs thought) is left to the parser of records. Both ways give the same rows; a test
compares them on generated and on odd records.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import orjson
import pyarrow as pa

from pax_assets.jobs.plain_columns import Group, People, Plan, no_rows
from pax_assets.messages import jsonl
from pax_assets.messages.arrival import MAX_QUARANTINE_BYTES, MAX_RECORD_BYTES, Arrival
from pax_assets.messages.json_records import is_provider_shape
from pax_assets.messages.source import Line

_CHUNK = 16 * 1024 * 1024
_SPACE = b" \t\r\n"
_NEEDED = {"id", "text", "time"}
_USED = _NEEDED | {"sender", "recipients", "account", "direction", "subject", "thread"}
_USED |= {"reply_to", "language", "provider", "content_type"}
_MAX_PLANS = 64


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines of an object: those that became rows, and those that are left over.

    `rows` has the columns of `schemas.RAW` that a record decides (all but `raw_uri`,
    `raw_ordinal`, `received_at`, `arrival_day`); `at[i]` is the place of row i among the chunk's
    `size` lines that are not blank, and `left` holds the places and bytes of the others.
    """

    size: int
    rows: pa.Table
    at: np.ndarray
    left: list[tuple[int, Line]]


def is_plain(head: bytes, arrival: Arrival) -> bool:
    """Whether an object that begins with `head` is JSON Lines of a shape that is read here."""
    first, newline, rest = head.lstrip(_SPACE).partition(b"\n")
    if not newline or not rest.strip(_SPACE):
        return False
    record = _decoded(first.strip(_SPACE))
    return record is not None and _plan(tuple(record), arrival) is not None


def chunks(stream: BinaryIO, arrival: Arrival) -> Iterator[Chunk]:
    """Yield the lines of a stream, in order, as rows and leftovers."""
    reader = _Reader(arrival)
    for number, lines in _blocks(stream):
        if isinstance(lines, Line):
            yield Chunk(1, no_rows(), np.empty(0, np.int64), [(0, lines)])
        else:
            yield reader.chunk(number, lines)


def _blocks(stream: BinaryIO) -> Iterator[tuple[int, list[bytes] | Line]]:
    """Yield lines by the block with the number of the first; one too long to be read, alone."""
    number, rest = 1, b""
    while block := stream.read(_CHUNK):
        whole, newline, tail = block.rpartition(b"\n")
        if newline:
            lines = (rest + whole).split(b"\n")
            yield number, lines
            number, rest = number + len(lines), tail
            continue
        rest += block
        if len(rest) > MAX_RECORD_BYTES:
            line, rest = _passed_over(number, rest, stream)
            yield number, line
            number += 1
    if rest:
        yield number, [rest]


def _passed_over(number: int, start: bytes, stream: BinaryIO) -> tuple[Line, bytes]:
    """Read on to the end of a line that is too long; return its beginning and what follows it."""
    size, tail = len(start), b""
    while block := stream.read(_CHUNK):
        part, newline, tail = block.partition(b"\n")
        size += len(part)
        if newline:
            break
    return Line(number, start[:MAX_QUARANTINE_BYTES], size), tail


def _decoded(line: bytes) -> dict[str, object] | None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        # Broken, or one of the liberties that only the parser of records takes.
        return None
    return record if type(record) is dict else None


def _plan(keys: tuple[str, ...], arrival: Arrival) -> Plan | None:
    """Return how to read records with `keys`, None where they are left to the other parser."""
    if is_provider_shape(frozenset(keys)) or "messages" in keys:
        return None
    used = jsonl.fields_of(keys)
    if not _NEEDED <= used.keys() <= _USED:
        return None
    if arrival.channel == "email" and "sender" not in used:
        return None
    at = {key: place for place, key in enumerate(keys)}
    taken = set(used.values())
    rest = sorted((key, place) for key, place in at.items() if key not in taken)
    if "thread" in used and "conversation_id" in {key for key, _ in rest}:
        return None
    return Plan({field: at[key] for field, key in used.items()}, rest)


class _Reader:
    """Reads the chunks of one object; remembers the shapes that it has seen."""

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival
        self._plans: dict[tuple[str, ...], Plan | None] = {}
        self._people: People = {}

    def chunk(self, number: int, lines: list[bytes]) -> Chunk:
        """Read lines of which the first has this number."""
        stripped = [line.strip(_SPACE) for line in lines]
        numbers = [number + i for i, line in enumerate(stripped) if line]
        kept = [line for line in stripped if line]
        shapes: dict[tuple[str, ...], list[int]] = {}
        decoded = [_decoded(line) for line in kept]
        for place, record in enumerate(decoded):
            if record is not None:
                shapes.setdefault(tuple(record), []).append(place)
        parts, at = [no_rows()], [np.empty(0, np.int64)]
        for keys, places in shapes.items():
            plan = self._plan_of(keys)
            if plan is None:
                continue
            group = Group(
                self._arrival,
                plan,
                [kept[p] for p in places],
                [numbers[p] for p in places],
                [tuple(decoded[p].values()) for p in places],  # pyright: ignore[reportOptionalMemberAccess]
                self._people,
            )
            rows, chosen = group.rows()
            parts.append(rows)
            at.append(np.asarray(places, np.int64)[chosen])
        found = np.concatenate(at)
        missing = np.ones(len(kept), bool)
        missing[found] = False
        left = [
            (place, Line(numbers[place], kept[place], len(kept[place])))
            for place in np.flatnonzero(missing).tolist()
        ]
        return Chunk(len(kept), pa.concat_tables(parts), found, left)

    def _plan_of(self, keys: tuple[str, ...]) -> Plan | None:
        if keys not in self._plans:
            if len(self._plans) >= _MAX_PLANS:
                # Every line another shape: there is nothing to gain, and memory to lose.
                return None
            self._plans[keys] = _plan(keys, self._arrival)
        return self._plans[keys]
