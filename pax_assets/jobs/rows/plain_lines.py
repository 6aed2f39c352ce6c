"""JSON Lines by the column: what `messages.json` does to one record, done to thousands at once.

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

from pax_assets.jobs.rows import digests
from pax_assets.jobs.rows.line_template import Block, Template
from pax_assets.jobs.rows.plain_columns import Group, Plan, no_rows
from pax_assets.messages.arrival import MAX_QUARANTINE_BYTES, MAX_RECORD_BYTES, Arrival
from pax_assets.messages.json import jsonl
from pax_assets.messages.json.kinds import is_provider_shape
from pax_assets.messages.source import Line

# Small enough for what becomes of it to stay in the processor's cache: a quarter faster than 16.
_CHUNK = 1024 * 1024
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
    start = head.lstrip(_SPACE)
    if not start.startswith(b"{"):
        return False
    first, newline, rest = start.partition(b"\n")
    if not newline or not rest.strip(_SPACE):
        return False
    record = _decoded(first.strip(_SPACE))
    return record is not None and _plan(tuple(record), arrival) is not None


def chunks(stream: BinaryIO, arrival: Arrival) -> Iterator[Chunk]:
    """Yield the lines of a stream, in order, as rows and leftovers."""
    reader: _Reader | None = None
    number, rest = 1, b""
    while data := stream.read(_CHUNK):
        reader = reader or _Reader(arrival, data.lstrip(_SPACE).partition(b"\n")[0].rstrip(_SPACE))
        whole, newline, tail = data.rpartition(b"\n")
        if newline:
            block = Block(rest + whole)
            yield reader.chunk(number, block)
            number, rest = number + len(block.starts), tail
            continue
        rest += data
        if len(rest) > MAX_RECORD_BYTES:
            line, rest = _passed_over(number, rest, stream)
            yield Chunk(1, no_rows(), np.empty(0, np.int64), [(0, line)])
            number += 1
    if rest:
        reader = reader or _Reader(arrival, b"")
        yield reader.chunk(number, Block(rest))


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
    if used != jsonl.fields_of(reversed(keys)):
        # Two spellings of one name: which of them counts depends on their order.
        return None
    if not _NEEDED <= used.keys() <= _USED:
        return None
    if arrival.channel == "email" and "sender" not in used:
        return None
    at = {key: place for place, key in enumerate(keys)}
    taken = set(used.values())
    rest = sorted((key, place) for key, place in at.items() if key not in taken)
    others = {key for key, _ in rest}
    # Names under which the parser itself keeps something.
    if "utc_offset" in others or ("thread" in used and "conversation_id" in others):
        return None
    return Plan({field: at[key] for field, key in used.items()}, rest)


class _Reader:
    """Reads the chunks of one object; remembers the shapes that it has seen.

    `first` is the object's first line, which may show how all are written.
    """

    def __init__(self, arrival: Arrival, first: bytes) -> None:
        self._arrival = arrival
        self._template = Template.of(first)
        self._plan = None if self._template is None else _plan(self._template.keys, arrival)
        self._plans: dict[tuple[str, ...], Plan | None] = {}

    def chunk(self, number: int, block: Block) -> Chunk:
        """Read the lines of a block, the first of which has this number."""
        parts, read = [no_rows()], np.empty(0, np.int64)
        if self._template is not None and self._plan is not None:
            fitting, columns = self._template.read(block)
            hashes = digests.of_slices(block.data, block.starts[fitting], block.ends[fitting])
            group = Group(self._arrival, self._plan, hashes, fitting + number, columns)
            rows, chosen = group.rows()
            parts.append(rows)
            read = fitting[chosen]
        others = np.ones(len(block.starts), bool)
        others[read] = False
        lines = {
            place: line
            for place in np.flatnonzero(others).tolist()
            if (line := block.line(place).strip(_SPACE))
        }
        # Places are counted without the blank lines, which are no records.
        kept = ~others
        kept[list(lines)] = True
        rank = np.cumsum(kept) - 1
        for plan, places, values in self._groups(lines):
            hashes = digests.of_each(lines[place] for place in places)
            columns = list(zip(*values, strict=True))
            group = Group(self._arrival, plan, hashes, np.asarray(places) + number, columns)
            rows, chosen = group.rows()
            parts.append(rows)
            read = np.concatenate([read, np.asarray(places, np.int64)[chosen]])
            for place in np.asarray(places)[chosen].tolist():
                del lines[place]
        left = [
            (int(rank[place]), Line(number + place, line, len(line)))
            for place, line in lines.items()
        ]
        return Chunk(int(kept.sum()), pa.concat_tables(parts), rank[read], left)

    def _groups(
        self, lines: dict[int, bytes]
    ) -> Iterator[tuple[Plan, list[int], list[tuple[object, ...]]]]:
        """Yield the lines that can be read together: how, which, and their records' values."""
        shapes: dict[tuple[str, ...], list[tuple[int, tuple[object, ...]]]] = {}
        for place, line in lines.items():
            record = _decoded(line)
            if record is not None:
                shapes.setdefault(tuple(record), []).append((place, tuple(record.values())))
        for keys, members in shapes.items():
            plan = self._plan_of(keys)
            if plan is not None:
                yield plan, [place for place, _ in members], [values for _, values in members]

    def _plan_of(self, keys: tuple[str, ...]) -> Plan | None:
        if keys not in self._plans:
            if len(self._plans) >= _MAX_PLANS:
                # Every line another shape: there is nothing to gain, and memory to lose.
                return None
            self._plans[keys] = _plan(keys, self._arrival)
        return self._plans[keys]
