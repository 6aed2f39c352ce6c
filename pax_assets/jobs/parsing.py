"""The parse step: landed bytes to typed rows, in as many processes as there are cores.

Python must read providers' formats record by record, for only it knows where a broken record
ends and the next one starts. Rows leave here as Parquet files in a staging folder, so that no row
passes through a pipe between processes, and counts leave here beside them: what was read is
counted where it is read, not where it is stored, or the two could never disagree.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets.lake.landing import LandedObject, read_object
from pax_assets.lake.ledger import Entry
from pax_assets.lake.schemas import CHANNEL_EVENTS, QUARANTINE, RAW
from pax_assets.lake.tables import filesystem
from pax_assets.messages import parse
from pax_assets.messages.message import Channel, ChannelEvent, Message, Quarantined, Record
from pax_assets.messages.options import ParseOptions

# Starting processes costs about a second each; below this, one process is done sooner.
_INLINE_BYTES = 12_000_000
_INLINE_OBJECTS = 5_000
_ROWS_A_FILE = 100_000

_SCHEMAS = {"messages": RAW, "channel_events": CHANNEL_EVENTS, "quarantine": QUARANTINE}


@dataclass(frozen=True, slots=True)
class ParseTask:
    """Some objects of one channel that count for one day, and where their rows go.

    `known` maps a path to the digests of objects that were ingested from it before.
    `received_at` is when the run started: nothing is received later than that.
    """

    landing: str
    staging: str
    channel: Channel
    day: str
    received_at: datetime
    options: ParseOptions
    objects: tuple[LandedObject, ...]
    known: Mapping[str, frozenset[str]]


@dataclass
class Parsed:
    """What became of the objects: ledger entries, and staged files by kind of record.

    `unchanged` objects hold the very bytes that were ingested from their path before;
    `unreadable` ones could not be opened (path to reason) and will be tried again.
    """

    entries: list[Entry] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=lambda: {k: [] for k in _SCHEMAS})
    unchanged: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def add(self, other: Parsed) -> None:
        """Take over what another process found."""
        self.entries += other.entries
        self.unchanged += other.unchanged
        self.unreadable.update(other.unreadable)
        for kind, files in other.files.items():
            self.files[kind] += files


def parse_objects(task: ParseTask, workers: int) -> Parsed:
    """Parse the task's objects, in up to `workers` processes where that pays."""
    size = sum(landed.size for landed in task.objects)
    few = size < _INLINE_BYTES and len(task.objects) < _INLINE_OBJECTS
    if workers < 2 or few or len(task.objects) < 2:
        return parse_here(task)
    total = Parsed()
    # Spawned, not forked: the parent holds a Spark session and its threads.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=spawn) as pool:
        for parsed in pool.map(parse_here, _split(task, parts=workers * 4)):
            total.add(parsed)
    return total


def _split(task: ParseTask, parts: int) -> Iterator[ParseTask]:
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
    """Parse the task's objects in this process; rows go to the staging folder."""
    parsed = Parsed()
    rows = _Rows(task.staging, parsed.files)
    for landed in task.objects:
        try:
            data = read_object(task.landing, landed.path)
        except OSError as error:
            parsed.unreadable[landed.path] = type(error).__name__
            continue
        digest = hashlib.sha256(data).hexdigest()
        known = task.known.get(landed.path, frozenset())
        if digest in known:
            parsed.unchanged.append(landed.path)
            continue
        # Objects are immutable; one that changed all the same is another object of that path.
        uri = f"{landed.path}#{digest[:12]}" if known else landed.path
        parsed.entries.append(_parse_object(task, landed, data, digest, uri, rows))
    rows.flush()
    return parsed


def _parse_object(
    task: ParseTask, landed: LandedObject, data: bytes, digest: str, uri: str, rows: _Rows
) -> Entry:
    # When it landed, not when it was parsed: the same object gives the same rows in any run.
    received_at = min(landed.modified_at, task.received_at)
    records: Iterable[Record] = parse(
        data, task.channel, uri, received_at=received_at, options=task.options
    )
    counts = dict.fromkeys(_SCHEMAS, 0)
    total = 0
    for ordinal, record in enumerate(records):
        total += 1
        where = {"raw_uri": uri, "raw_position": record.position, "raw_ordinal": ordinal}
        if isinstance(record, Message):
            kind, row = "messages", _message_row(record, received_at)
        elif isinstance(record, ChannelEvent):
            kind, row = "channel_events", _event_row(record, received_at, digest)
        else:
            kind, row = "quarantine", _quarantine_row(record, received_at, digest)
        counts[kind] += 1
        rows.add(kind, row | where)
    return Entry(
        path=landed.path,
        raw_uri=uri,
        etag=landed.etag,
        sha256=digest,
        size=len(data),
        arrival_day=task.day,
        first_seen=task.received_at,
        records=total,
        messages=counts["messages"],
        channel_events=counts["channel_events"],
        quarantined=counts["quarantine"],
    )


class _Rows:
    """Collects rows by kind and writes them out before they take much memory."""

    def __init__(self, staging: str, files: dict[str, list[str]]) -> None:
        self._staging, self._files = staging, files
        self._rows: dict[str, list[dict]] = {kind: [] for kind in _SCHEMAS}

    def add(self, kind: str, row: dict) -> None:
        self._rows[kind].append(row)
        if len(self._rows[kind]) >= _ROWS_A_FILE:
            self._write(kind)

    def flush(self) -> None:
        for kind, rows in self._rows.items():
            if rows:
                self._write(kind)

    def _write(self, kind: str) -> None:
        schema = _SCHEMAS[kind]
        # The day is the partition; it lies beside the files, not in them.
        inside = pa.schema([f for f in schema if f.name != "arrival_day"])
        system, root = filesystem(self._staging)
        path = f"{root}/{kind}-{uuid.uuid4().hex}.parquet"
        table = pa.Table.from_pylist(self._rows[kind], schema=inside)
        pq.write_table(table, path, filesystem=system, compression="lz4")
        address = f"{self._staging.rstrip('/')}/{path.rsplit('/', 1)[1]}"
        self._files[kind].append(address)
        self._rows[kind] = []


def _message_row(message: Message, received_at: datetime) -> dict:
    return {
        "message_id": message.message_id,
        "channel": message.channel,
        "provider": message.provider,
        "source_kind": message.source_kind,
        "account": message.account,
        "provider_message_id": message.provider_message_id,
        "conversation_id": message.conversation_id,
        "sender": message.sender,
        "recipients": list(message.recipients),
        "direction": message.direction,
        "sent_at": _utc(message.sent_at),
        "sent_at_precision": message.sent_at_precision,
        "zone_assumed": message.zone_assumed,
        "received_at": _utc(message.received_at or received_at),
        "subject": message.subject,
        "text": message.text,
        "content_type": message.content_type,
        "attachments": [asdict(attachment) for attachment in message.attachments],
        "reply_to": message.reply_to,
        "language": message.language,
        "raw_sha256": message.sha256,
        "source_metadata": _json(message.source_metadata),
    }


def _event_row(event: ChannelEvent, received_at: datetime, digest: str) -> dict:
    return {
        "channel": event.channel,
        "provider": event.provider,
        "kind": event.kind,
        "account": event.account,
        "provider_message_id": event.provider_message_id,
        "occurred_at": event.occurred_at and _utc(event.occurred_at),
        "actor": event.actor,
        "payload": _json(event.payload),
        "raw_sha256": event.sha256,
        "object_sha256": digest,
        "received_at": received_at,
    }


def _quarantine_row(record: Quarantined, received_at: datetime, digest: str) -> dict:
    return {
        "channel": record.channel,
        "code": record.code,
        "reason": record.reason,
        "payload": record.payload,
        "object_sha256": digest,
        "received_at": received_at,
    }


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def staged_rows(files: Sequence[str], kind: str, day: str) -> pa.Table:
    """Read staged files of one kind back as one Arrow table with its `arrival_day`."""
    schema = _SCHEMAS[kind]
    inside = pa.schema([f for f in schema if f.name != "arrival_day"])
    parts = [inside.empty_table()]
    for file in files:
        system, path = filesystem(file)
        parts.append(pq.read_table(path, filesystem=system, schema=inside))
    rows = pa.concat_tables(parts)
    days = pa.repeat(pa.scalar(day), rows.num_rows)
    return rows.append_column("arrival_day", days).select(schema.names)
