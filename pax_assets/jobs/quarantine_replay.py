"""Reads objects once more whose records were quarantined, with the parsers as they are now.

A parser that was mended, or permission to fetch mail from a bucket, makes messages of records that
were put aside. The object is read whole and all of its rows are exchanged: which of its records
are messages now is known to nobody before. Channel events and quarantined records go first, then,
in one transaction, the message rows together with the ledger entry that takes the place of the
object's former one. A run that was killed between the two left an object whose entry names the
former parser, or other numbers than the tables hold: the next run takes it again.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import argparse
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.arrivals import repeated_on
from pax_assets.jobs.program import Engine, run_program
from pax_assets.jobs.quarantine_choice import Chosen, due
from pax_assets.jobs.rows.arguments import (
    add_parse_arguments,
    day_of_arrival,
    parse_options,
    parse_step,
)
from pax_assets.jobs.rows.parsing import BESIDE, Parsed, ParseTask, parse_objects, staged_rows
from pax_assets.lake import commit, content_hash, index, landing, ledger, removal, tables
from pax_assets.messages.message import CHANNELS, Channel
from pax_assets.messages.options import ParseOptions
from pax_assets.messages.version import parser_version

if TYPE_CHECKING:
    from collections.abc import Callable

_BATCH_OBJECTS = 5_000
_BATCH_BYTES = 1_000_000_000


@dataclass
class ReplayReport:
    """What a replay did.

    `objects` were read again. `messages` and `channel_events` say how many more of their records
    are such now, `quarantined` how many still are not, by code. `days` are the (channel, day)
    whose rows were exchanged, `message_days` those whose messages may be others for it: also
    days on which a record arrived again that the objects were first to bring. `vanished` objects
    are not in landing any more, or not with the bytes that were ingested: their quarantined
    records stay. `unreadable` ones could not be opened (path to reason).
    """

    objects: int = 0
    messages: int = 0
    channel_events: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    days: list[tuple[str, str]] = field(default_factory=list)
    message_days: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> ReplayReport:
        """Return the report that a job sent as JSON."""
        return cls(**{**fields, "days": [(channel, day) for channel, day in fields["days"]]})


class _Overtaken(Exception):
    """Another run has taken in one of the objects; its bytes or its entry are others now."""


def replay(
    lake: str,
    landing_root: str,
    now: datetime,
    options: ParseOptions = ParseOptions(),  # noqa: B008 - frozen
    chosen: Chosen = Chosen(),  # noqa: B008 - frozen
    *,
    workers: int = 1,
    parse: Callable[[ParseTask, int], Parsed] = parse_objects,
) -> ReplayReport:
    """Read quarantined objects again that other parsers than the present ones read.

    Exchanges their rows in the channel tables, `channel_events` and `quarantine`; `messages` is
    brought up to that by `features.build_messages` of the days. Idempotent, safe beside other
    runs. Raises `commit.Conflict` if other runs kept getting in the way.
    """
    report = ReplayReport()
    for channel in chosen.channels:
        index.catch_up(lake, channel)
        for day, objects in sorted(due(lake, channel, options, chosen).items()):
            request = _Request(lake, landing_root, cast(Channel, channel), day, now, options)
            if _replay_day(request, objects, workers, parse, report):
                report.days.append((channel, day))
        index.catch_up(lake, channel)
    return report


@dataclass(frozen=True)
class _Request:
    lake: str
    landing: str
    channel: Channel
    day: str
    now: datetime
    options: ParseOptions

    @property
    def table(self) -> str:
        return ledger.raw_table(self.channel)


def _replay_day(
    request: _Request,
    entries: list[dict[str, Any]],
    workers: int,
    parse: Callable[[ParseTask, int], Parsed],
    report: ReplayReport,
) -> bool:
    """Read a day's objects again, batch by batch; return whether any was."""
    any_read = False
    for batch in _batches(entries):
        while True:
            snapshot_entries = _present(request, batch)
            try:
                read = _replay_batch(request, snapshot_entries, workers, parse, report)
            except _Overtaken:
                continue
            any_read |= read
            break
    return any_read


def _batches(entries: list[dict[str, Any]]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for entry in sorted(entries, key=lambda entry: entry["raw_uri"]):
        if batch and (len(batch) >= _BATCH_OBJECTS or size + entry["size"] > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry["raw_uri"])
        size += entry["size"]
    if batch:
        yield batch


def _present(request: _Request, uris: list[str]) -> dict[str, dict[str, Any]]:
    """Return what the ledger says of the objects now, by `raw_uri`."""
    found = ledger.entries(request.lake, request.channel, request.day, uris)
    return {entry["raw_uri"]: entry for entry in found}


def _replay_batch(
    request: _Request,
    entries: dict[str, dict[str, Any]],
    workers: int,
    parse: Callable[[ParseTask, int], Parsed],
    report: ReplayReport,
) -> bool:
    there = _as_ingested(request, entries, report)
    if not there:
        return False
    repeated = repeated_on(request.lake, request.day, [request.table], list(entries))
    with _staging(request) as staging:
        task = ParseTask(
            lake=request.lake,
            landing=request.landing,
            staging=staging,
            channel=request.channel,
            day=request.day,
            received_at=request.now,
            options=request.options,
            objects=tuple(landed for landed, _ in there),
            known={},
            parser=parser_version(request.options),
            again={landed.path: uri for landed, uri in there},
        )
        parsed = parse(task, workers)
        for path, reason in parsed.unreadable.items():
            report.unreadable[path] = reason
        if any(entry.sha256 != entries[entry.raw_uri]["sha256"] for entry in parsed.entries):
            # The object was replaced while it was read.
            commit.discard(request.lake, request.table, parsed.messages)
            raise _Overtaken
        if not parsed.entries:
            return False
        parsed.entries = [_as_first_seen(entry, entries) for entry in parsed.entries]
        beside = {table: staged_rows(parsed.beside[table], table, request.day) for table in BESIDE}
        for table, rows in beside.items():
            _exchange_beside(request, table, rows, parsed.entries)
    _exchange_rows(request, parsed, entries)
    days = {request.day, *report.message_days, *pc.unique(repeated["arrival_day"]).to_pylist()}
    report.message_days = sorted(days)
    _count(report, parsed.entries, entries, beside["quarantine"])
    return True


def _as_first_seen(entry: ledger.Entry, entries: dict[str, dict[str, Any]]) -> ledger.Entry:
    return replace(entry, first_seen=entries[entry.raw_uri]["first_seen"])


def _as_ingested(
    request: _Request, entries: dict[str, dict[str, Any]], report: ReplayReport
) -> list[tuple[landing.LandedObject, str]]:
    """Return the objects that lie in landing with the bytes that the ledger knows."""
    paths = sorted({entry["path"] for entry in entries.values()})
    landed = {o.path: o for o in landing.objects_at(request.landing, request.channel, paths)}
    there = []
    for uri, entry in entries.items():
        found = landed.get(entry["path"])
        try:
            same = found is not None and (
                landing.digest(request.landing, found.path) == entry["sha256"]
            )
        except OSError as error:
            report.unreadable[entry["path"]] = type(error).__name__
            continue
        if found is not None and same:
            there.append((found, uri))
        elif uri not in report.vanished:
            report.vanished.append(uri)
    return there


@contextmanager
def _staging(request: _Request) -> Iterator[str]:
    """A folder beside the tables, which every worker reaches; gone when the batch is done."""
    address = f"{request.lake.rstrip('/')}/.staging/replay-{uuid.uuid4().hex}"
    system, path = tables.filesystem(address)
    tables.make_folder(system, path)
    try:
        yield address if "://" in address else path
    finally:
        tables.remove_folder(system, path)


def _exchange_beside(
    request: _Request, table: str, rows: pa.Table, entries: Sequence[ledger.Entry]
) -> None:
    """Make `rows` all that the table holds of the objects; nothing if they are that already."""
    uris = [entry.raw_uri for entry in entries]
    of_objects = (pc.field("arrival_day") == request.day) & pc.field("raw_uri").isin(
        pa.array(uris, pa.string())
    )

    def attempt() -> None:
        snapshot = commit.ensure(request.lake, table)
        stored = tables.read(request.lake, table, filter=of_objects, version=snapshot.version())
        if content_hash(stored) == content_hash(commit.conform(table, rows)):
            return
        _exchange(request, table, snapshot, uris, commit.write(request.lake, table, rows), {})

    commit.retrying(attempt)


def _exchange_rows(request: _Request, parsed: Parsed, before: dict[str, dict[str, Any]]) -> None:
    """Exchange the objects' message rows, and their ledger entries, in one transaction."""
    uris = [entry.raw_uri for entry in parsed.entries]

    def attempt() -> None:
        # The snapshot comes before the ledger is read: a commit between the two is a conflict.
        snapshot = commit.ensure(request.lake, request.table)
        ledger.catch_up(request.lake, request.channel)
        now = _present(request, uris)
        if any(now.get(uri) != before[uri] for uri in uris):
            commit.discard(request.lake, request.table, parsed.messages)
            raise _Overtaken
        metadata = ledger.metadata(parsed.entries)
        _exchange(request, request.table, snapshot, uris, parsed.messages, metadata)

    commit.retrying(attempt)


def _exchange(
    request: _Request,
    table: str,
    snapshot: Any,
    uris: Sequence[str],
    files: Sequence[commit.DataFile],
    metadata: dict[str, str],
) -> None:
    gone = removal.of_objects(uris)
    former = removal.without(request.lake, table, snapshot, ["raw_uri"], gone, days={request.day})
    name = f"ingest/{request.channel}"
    try:
        commit.commit(
            snapshot,
            [*files, *former.add],
            remove=former.remove,
            transaction=(name, (snapshot.transaction_version(name) or 0) + 1),
            metadata=metadata,
        )
    except commit.Conflict:
        commit.discard(request.lake, table, former.add)
        raise


def _count(
    report: ReplayReport,
    entries: Sequence[ledger.Entry],
    before: dict[str, dict[str, Any]],
    quarantined: pa.Table,
) -> None:
    report.objects += len(entries)
    for entry in entries:
        report.messages += entry.messages - before[entry.raw_uri]["messages"]
        report.channel_events += entry.channel_events - before[entry.raw_uri]["channel_events"]
    codes = Counter(report.quarantined)
    for count in pc.value_counts(quarantined["code"]).to_pylist():
        codes[count["values"]] += count["counts"]
    report.quarantined = dict(sorted(codes.items()))


def run(engine: Engine, arguments: Sequence[str]) -> ReplayReport:
    """Replay as command-line `arguments` say (`--help` lists them); builds `messages`, too."""
    parser = argparse.ArgumentParser(description="Read quarantined objects again")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--landing", required=True)
    parser.add_argument("--channel", action="append", choices=CHANNELS)
    for name, means in (
        ("code", "only objects with records quarantined for this reason"),
        ("day", "only objects of this day (YYYY-MM-DD)"),
        ("path", "only this object, whatever parser read it last"),
    ):
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            type=day_of_arrival if name == "day" else str,
            help=f"{means}; repeatable",
        )
    add_parse_arguments(parser)
    given = parser.parse_args(arguments)
    from pax_assets.jobs.features import build_messages

    report = replay(
        given.lake,
        given.landing,
        datetime.now(UTC),
        parse_options(given),
        Chosen(given.channel or CHANNELS, given.code, given.day, given.path),
        workers=given.workers,
        parse=parse_step(engine, given),
    )
    for day in report.message_days:
        build_messages(engine.session, given.lake, day, anew=True)
    return report


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program, such as `spark-submit`'s."""
    run_program("pax replay", run, arguments)


if __name__ == "__main__":
    main()
