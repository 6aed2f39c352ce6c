"""The parse step: landed bytes to typed rows, in as many processes as there are cores.

Python must read providers' formats record by record, for only it knows where a broken record
ends and the next one starts. Message rows leave here in the very Parquet files that the commit
adds to the channel table, so that they are written once and pass through no pipe; counts leave
beside them: what was read is counted where it is read, not where it is stored, or the two could
never disagree.
"""

from __future__ import annotations

import atexit
import gc
import hashlib
import io
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from importlib.abc import MetaPathFinder
from itertools import islice
from multiprocessing import connection
from threading import Lock, Thread
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets.jobs.rows import plain_lines
from pax_assets.jobs.rows.pages import use_small_pages
from pax_assets.jobs.rows.record_rows import INSIDE, KINDS, Origin, Placed, kind_of
from pax_assets.jobs.rows.row_files import ObjectRows, RowFiles
from pax_assets.lake import ledger
from pax_assets.lake.commit import DataFile
from pax_assets.lake.landing import LandedObject, open_object
from pax_assets.lake.schemas import CHANNEL_EVENTS, QUARANTINE, TIMESTAMP
from pax_assets.lake.tables import filesystem
from pax_assets.messages.arrival import MAX_RECORD_BYTES, Arrival
from pax_assets.messages.json import kinds
from pax_assets.messages.message import Channel, Record
from pax_assets.messages.options import ParseOptions
from pax_assets.messages.parse import records
from pax_assets.messages.source import Source

# Starting processes costs about a second; below this, one process is done sooner.
_INLINE_BYTES = 12_000_000
_INLINE_OBJECTS = 5_000
# Records that are looked at together.
_BATCH = 2_000
_CHUNK = 1024 * 1024
# Two threads that ask for the pool at once would start it twice.
_STARTING = Lock()
# The kinds of records that are kept in tables of all channels.
BESIDE = {"channel_events": CHANNEL_EVENTS, "quarantine": QUARANTINE}


@dataclass(frozen=True, slots=True)
class ParseTask:
    """Some objects of one channel that count for one day, and where their rows go.

    Message rows go into files below the channel's table in `lake`, others into the folder
    `staging` (below `lake` too). `known` maps a path to the digests of objects that were ingested
    from it before. `again` maps paths to `raw_uri`s of objects that are to be read once more.
    `parser` is `messages.version.parser_version`. `received_at` is when the run started:
    nothing is received later than that.
    """

    lake: str
    landing: str
    staging: str
    channel: Channel
    day: str
    received_at: datetime
    options: ParseOptions
    objects: tuple[LandedObject, ...]
    known: Mapping[str, frozenset[str]]
    parser: str
    again: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Parsed:
    """What became of the objects: ledger entries, and files by kind of record.

    `messages` are files below the channel's table, not committed; `beside` are staged files of
    the other kinds. `unchanged` objects hold the very bytes that were ingested from their path
    before; `unreadable` ones could not be read (path to reason) and will be tried again.
    """

    entries: list[ledger.Entry] = field(default_factory=list)
    messages: list[DataFile] = field(default_factory=list)
    beside: dict[str, list[str]] = field(default_factory=lambda: {k: [] for k in BESIDE})
    unchanged: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def add(self, other: Parsed) -> None:
        """Take over what another process found."""
        self.entries += other.entries
        self.messages += other.messages
        self.unchanged += other.unchanged
        self.unreadable.update(other.unreadable)
        for kind, files in other.beside.items():
            self.beside[kind] += files


def parse_objects(task: ParseTask, workers: int) -> Parsed:
    """Parse the task's objects, in up to `workers` processes where that pays."""
    if not _is_for_workers(task.objects, workers):
        return parse_here(task)
    total = Parsed()
    try:
        with _STARTING:
            pool = _pool(workers)
        for parsed in pool.map(parse_here, split(task, parts=workers * 2)):
            total.add(parsed)
    except BrokenProcessPool as error:
        _pool.cache_clear()
        raise RuntimeError(
            f"a parse worker for {task.channel}/{task.day} was killed, probably for memory: set "
            "PAX_PARSE_WORKERS lower and run the day again; nothing was committed"
        ) from error
    return total


def _is_for_workers(objects: Sequence[LandedObject], workers: int) -> bool:
    size = sum(landed.size for landed in objects)
    many = size >= _INLINE_BYTES or len(objects) >= _INLINE_OBJECTS
    return workers > 1 and len(objects) > 1 and many


def start_workers(objects: Sequence[LandedObject], workers: int) -> None:
    """Start the processes that parsing these objects will take, if any; do not wait for them."""
    if _is_for_workers(objects, workers):
        with _STARTING:
            pool = _pool(workers)
        try:
            for _ in range(workers):
                pool.submit(_nothing)
        except BrokenProcessPool:
            # One of them was killed while it waited; parsing starts others.
            _pool.cache_clear()


def _nothing() -> None:
    """Makes a worker load this module."""


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """Return this process's parse workers: started once, for every channel and day."""
    # Spawned, not forked: the parent holds a Spark session and its threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)
    atexit.register(pool.shutdown, wait=False, cancel_futures=True)
    return pool


class _WithoutPandas(MetaPathFinder):
    """Lets a worker do without pandas, which would take as long to load as everything else.

    Arrow loads it to ask whether the lists that it is given are series; none are here.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002
        if fullname == "pandas":
            raise ModuleNotFoundError("a parse worker has no pandas", name=fullname)


def _begin_worker() -> None:
    use_small_pages()
    sys.meta_path.insert(0, _WithoutPandas())
    # A worker whose parent was killed would otherwise wait for it for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_leave_after, args=(parent.sentinel,), daemon=True).start()


def _leave_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def split(task: ParseTask, parts: int) -> Iterator[ParseTask]:
    """Cut the task into about `parts` tasks of about the same number of bytes."""
    share = sum(landed.size for landed in task.objects) / parts
    chosen: list[LandedObject] = []
    size = 0
    for landed in task.objects:
        chosen.append(landed)
        size += landed.size
        if size >= share:
            yield replace(task, objects=tuple(chosen))
            chosen, size = [], 0
    if chosen:
        yield replace(task, objects=tuple(chosen))


def parse_here(task: ParseTask) -> Parsed:
    """Parse the task's objects in this process."""
    # Records make no cycles, and looking for some among millions of them takes a fifth of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _parse(task)
    finally:
        if collecting:
            gc.enable()


def _parse(task: ParseTask) -> Parsed:
    parsed = Parsed()
    table = ledger.raw_table(task.channel)
    files = {
        "messages": RowFiles(task.lake, table, "messages", {"arrival_day": task.day}),
        **{kind: RowFiles(task.staging, kind, kind, {}) for kind in BESIDE},
    }
    for landed in task.objects:
        try:
            entry = _object(task, landed, files)
        except OSError as error:
            parsed.unreadable[landed.path] = type(error).__name__
            continue
        if entry is None:
            parsed.unchanged.append(landed.path)
        else:
            parsed.entries.append(entry)
    parsed.messages = files["messages"].close()
    for kind in BESIDE:
        root = f"{task.staging.rstrip('/')}/{kind}"
        parsed.beside[kind] = [f"{root}/{file.path}" for file in files[kind].close()]
    return parsed


def _object(
    task: ParseTask, landed: LandedObject, files: Mapping[str, RowFiles]
) -> ledger.Entry | None:
    """Read one object; None where these very bytes were ingested from its path before."""
    with _opened(task.landing, landed) as (digest, size, stream):
        known = task.known.get(landed.path, frozenset())
        uri = task.again.get(landed.path)
        if uri is None:
            if digest in known:
                return None
            # Objects are immutable; one that changed all the same is another object of that path.
            uri = f"{landed.path}#{digest[:12]}" if known else landed.path
        # When it landed, not when it was parsed: the same object gives the same rows in any run.
        received_at = min(landed.modified_at, task.received_at)
        name = landed.path.rsplit("/", 1)[-1]
        arrival = Arrival(task.channel, received_at, task.options, (name,))
        rows = {kind: files[kind].object_rows() for kind in KINDS}
        reading = _Reading(arrival, Origin(uri, digest, received_at), rows)
        try:
            total = reading.read(Source(stream))
        except OSError:
            for kind in KINDS:
                rows[kind].drop()
            raise
        for kind in KINDS:
            rows[kind].keep()
    return ledger.Entry(
        path=landed.path,
        raw_uri=uri,
        etag=landed.etag,
        sha256=digest,
        size=size,
        arrival_day=task.day,
        first_seen=task.received_at,
        records=total,
        messages=rows["messages"].count,
        channel_events=rows["channel_events"].count,
        quarantined=rows["quarantine"].count,
        parser=task.parser,
        replaces=landed.path in task.again,
    )


@contextmanager
def _opened(landing: str, landed: LandedObject) -> Iterator[tuple[str, int, BinaryIO]]:
    """Open an object; give its SHA-256, its size in bytes and its bytes from the first one.

    One that fits into memory is read once; a larger one twice, first for its digest.
    """
    with open_object(landing, landed.path) as stream:
        if landed.size <= MAX_RECORD_BYTES:
            data = stream.read()
            yield hashlib.sha256(data).hexdigest(), len(data), io.BytesIO(data)
            return
        total, size = hashlib.sha256(), 0
        while part := stream.read(_CHUNK):
            total.update(part)
            size += len(part)
    with open_object(landing, landed.path) as stream:
        yield total.hexdigest(), size, stream


class _Reading:
    """One object on its way into rows; counts its records."""

    def __init__(self, arrival: Arrival, origin: Origin, rows: Mapping[str, ObjectRows]) -> None:
        self._arrival, self._origin, self._rows = arrival, origin, rows

    def read(self, source: Source) -> int:
        """Read the object to its end; return how many records it has."""
        if plain_lines.is_plain(source.head, self._arrival):
            return self._by_column(source.stream())
        total = 0
        found = records(source, self._arrival)
        while batch := list(islice(found, _BATCH)):
            self._add(enumerate(batch, total))
            total += len(batch)
        return total

    def _by_column(self, stream: BinaryIO) -> int:
        total = 0
        ordinals: dict[str, int] = {}
        for chunk in plain_lines.chunks(stream, self._arrival):
            # A line is one record, but one that is read alone may hold several, or none.
            sizes = np.ones(chunk.size, np.int64)
            left: list[tuple[int, list[Record]]] = []
            for place, line in chunk.left:
                found = list(kinds.of_line(line, self._arrival, ordinals))
                sizes[place] = len(found)
                left.append((place, found))
            first = total + np.cumsum(sizes) - sizes
            self._add(
                [
                    (int(first[place]) + number, record)
                    for place, found in left
                    for number, record in enumerate(found)
                ]
            )
            self._rows["messages"].add(self._completed(chunk.rows, first[chunk.at]))
            total += int(sizes.sum())
        return total

    def _completed(self, rows: pa.Table, ordinals: np.ndarray) -> pa.Table:
        """Add what the object decides to the columns that the records decide."""
        count = rows.num_rows
        columns = {name: rows[name] for name in rows.column_names} | {
            "raw_uri": pa.repeat(pa.scalar(self._origin.raw_uri), count),
            "raw_ordinal": pa.array(ordinals, pa.int64()),
            "received_at": pa.repeat(pa.scalar(self._arrival.received_at, TIMESTAMP), count),
        }
        schema = INSIDE["messages"]
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def _add(self, placed: Iterable[tuple[int, Record]]) -> None:
        by_kind: dict[str, list[Placed]] = {}
        for ordinal, record in placed:
            by_kind.setdefault(kind_of(record), []).append((ordinal, record, self._origin))
        for kind, found in by_kind.items():
            self._rows[kind].add_records(found)


def staged_rows(files: Sequence[str], kind: str, day: str) -> pa.Table:
    """Read staged files of one kind back as one Arrow table with its `arrival_day`."""
    parts = [INSIDE[kind].empty_table()]
    for file in files:
        system, path = filesystem(file)
        parts.append(pq.read_table(path, filesystem=system, schema=INSIDE[kind]))
    rows = pa.concat_tables(parts)
    days = pa.repeat(pa.scalar(day), rows.num_rows)
    return rows.append_column("arrival_day", days).select(BESIDE[kind].names)
