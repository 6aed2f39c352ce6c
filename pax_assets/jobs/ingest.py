"""Landing objects to channel tables: every record arrives, and none arrives twice.

Parse, transform, commit. Quarantined records and channel events are committed first, each object
at most once; then, in one transaction, the message rows together with the ledger entries of their
objects. That last commit is the moment at which an object counts as ingested. Whatever was done
before it is found and not repeated by the next run; the ledger table and the index of ids follow
from it and are caught up by whoever comes next. So a run may be killed anywhere and run again.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.named_paths import unmatched
from pax_assets.jobs.outcomes import ObjectOutcome, outcomes
from pax_assets.jobs.program import Engine, run_program, started_by_dagster
from pax_assets.jobs.rows.arguments import (
    add_parse_arguments,
    day_of_arrival,
    parse_options,
    parse_step,
)
from pax_assets.jobs.rows.parsing import (
    BESIDE,
    Parsed,
    ParseTask,
    parse_objects,
    staged_rows,
    start_workers,
)
from pax_assets.lake import commit, index, landing, ledger, tables
from pax_assets.messages.message import CHANNELS, Channel
from pax_assets.messages.options import ParseOptions
from pax_assets.messages.version import parser_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow.dataset as ds
    from deltalake import DeltaTable

Known = dict[str, list[Mapping[str, str]]]
Digests = Mapping[str, frozenset[str]]

# What one commit takes at most; a larger day is ingested in several.
_BATCH_OBJECTS = 5_000
_BATCH_BYTES = 1_000_000_000


@dataclass
class IngestReport:
    """A channel's day after ingestion: all of its objects, `ingested` of them in this run.

    `unreadable` maps the paths of objects that could not be opened to the reason; they are
    tried again by the next run. `version` is the channel table's Delta version.
    """

    channel: str
    day: str
    ingested: int = 0
    unchanged: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    objects: list[ObjectOutcome] = field(default_factory=list)
    version: int | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> IngestReport:
        """Return the report that a job sent as JSON."""
        objects = [ObjectOutcome(**o) for o in fields["objects"]]
        return cls(**{**fields, "objects": objects})

    @property
    def totals(self) -> dict[str, int]:
        """`records`, `messages`, `channel_events`, `quarantined`, `duplicates` of the day."""
        names = ["records", "messages", "channel_events", "quarantined", "duplicates"]
        return {name: sum(getattr(o, name) for o in self.objects) for name in names}

    @property
    def unreconciled(self) -> list[ObjectOutcome]:
        """The objects whose outcomes do not add up to their records."""
        return [o for o in self.objects if not o.reconciled]


def ingest(
    lake: str,
    landing_root: str,
    channel: Channel,
    day: str,
    received_at: datetime,
    workers: int = 1,
    options: ParseOptions = ParseOptions(),  # noqa: B008 - frozen
    *,
    paths: Sequence[str] | None = None,
    parse: Callable[[ParseTask, int], Parsed] = parse_objects,
) -> IngestReport:
    """Ingest what landed for `channel` and `day` (YYYY-MM-DD) and is not in the lake yet.

    `received_at` is now: objects without a day of their own are taken if it falls on `day`
    (UTC), and no message counts as received after it. `workers` processes parse where the input
    is large. With `paths` (below the landing root) only those objects are looked at, and the
    report is of them: what that costs does not depend on what else landed. `parse` says where
    the parsing runs. What lands or changes meanwhile is the next run's. Idempotent, and safe
    beside other runs on the same lake. Raises `commit.Conflict` if other runs kept getting in the
    way, `ValueError` for what is no day.
    """
    landing.checked_day(day)
    report = IngestReport(channel, day)
    request = _Request(
        lake, landing_root, channel, day, received_at, workers, options, paths, parse
    )
    settled: set[str] = set()
    taken: list[str] = []
    is_more = True
    while is_more:
        try:
            parsed, is_more = _ingest_batch(request, settled)
        except _Overtaken:
            continue
        taken += [entry.raw_uri for entry in parsed.entries]
        report.unchanged += len(parsed.unchanged)
        report.unreadable |= parsed.unreadable
        settled.update(parsed.unchanged, parsed.unreadable)
    index.catch_up(lake, channel)
    report.ingested = len(taken)
    report.objects = outcomes(lake, channel, day, None if paths is None else taken)
    report.version = tables.version(lake, ledger.raw_table(channel))
    return report


@dataclass(frozen=True)
class _Request:
    lake: str
    landing: str
    channel: Channel
    day: str
    received_at: datetime
    workers: int
    options: ParseOptions
    paths: Sequence[str] | None
    parse: Callable[[ParseTask, int], Parsed]

    @property
    def table(self) -> str:
        return ledger.raw_table(self.channel)


class _Overtaken(Exception):
    """Another run has ingested some of the same objects; decide again which are unseen."""


def _ingest_batch(request: _Request, settled: set[str]) -> tuple[Parsed, bool]:
    """Ingest up to a batch of unseen objects in one commit; return also whether there are more."""
    # The snapshot comes before the ledger is read: a commit between the two is a conflict.
    snapshot = commit.ensure(request.lake, request.table)
    landed = _landed(request)
    if commit.is_empty(snapshot, "arrival_day", request.day):
        # Nothing of the day is in: whatever landed is unseen, and its workers may start.
        start_workers(landed.dated, request.workers)
    index.catch_up(request.lake, request.channel)
    objects, known = _unseen(request, landed, settled)
    batch = _batch(objects)
    is_more = len(batch) < len(objects)
    if not batch:
        return Parsed(), is_more
    with _staging(request.lake, request.table) as staging:
        task = ParseTask(
            lake=request.lake,
            landing=request.landing,
            staging=staging,
            channel=request.channel,
            day=request.day,
            received_at=request.received_at,
            options=request.options,
            objects=tuple(batch),
            known=known,
            parser=parser_version(request.options),
        )
        parsed = request.parse(task, request.workers)
        if not parsed.entries:
            return parsed, is_more
        for table in BESIDE:
            _commit_beside(request, table, parsed)
    _commit_rows(request, snapshot, parsed, known)
    return parsed, is_more


def _commit_rows(
    request: _Request,
    snapshot: DeltaTable,
    parsed: Parsed,
    known: Digests,
) -> None:
    """Commit rows and ledger entries together: from here on the objects are ingested.

    After a conflict with a run that took other objects the same files are committed again;
    `_Overtaken` if it took some of these.
    """
    latest = [snapshot]

    def attempt() -> None:
        try:
            commit.commit(
                latest[0],
                parsed.messages,
                transaction=_next(latest[0], request),
                metadata=ledger.metadata(parsed.entries),
            )
        except commit.Conflict:
            latest[0] = commit.ensure(request.lake, request.table)
            ledger.catch_up(request.lake, request.channel)
            undated = [e.path for e in parsed.entries if not _is_dated(request, e)]
            now = _digests(_known(request, undated))
            if any(now.get(e.path) != known.get(e.path) for e in parsed.entries):
                commit.discard(request.lake, request.table, parsed.messages)
                raise _Overtaken from None
            raise

    commit.retrying(attempt)


def _next(snapshot: DeltaTable, request: _Request) -> tuple[str, int]:
    """The transaction by which two runs that ingest one channel notice each other."""
    name = f"ingest/{request.channel}"
    return name, (snapshot.transaction_version(name) or 0) + 1


@dataclass(frozen=True)
class _Landed:
    """The objects of a day's folder, and those without a day if they count for it."""

    dated: list[landing.LandedObject]
    undated: list[landing.LandedObject]


def _landed(request: _Request) -> _Landed:
    today = request.received_at.astimezone(UTC).date().isoformat() == request.day
    if request.paths is None:
        dated = landing.dated_objects(request.landing, request.channel, request.day)
        undated = landing.undated_objects(request.landing, request.channel) if today else []
        return _Landed(dated, undated)
    named = landing.objects_at(request.landing, request.channel, request.paths)
    return _Landed(
        [found for found in named if found.day == request.day],
        [found for found in named if found.day is None and today],
    )


def _unseen(
    request: _Request, landed: _Landed, settled: set[str]
) -> tuple[list[landing.LandedObject], Digests]:
    """Return the objects that the ledger does not know, and the digests of known paths."""
    known = _known(request, [found.path for found in landed.undated])
    objects = [
        found
        for found in [*landed.dated, *landed.undated]
        if found.path not in settled and found.etag not in _etags(known, found.path)
    ]
    return objects, _digests(known)


def _batch(objects: Sequence[landing.LandedObject]) -> Sequence[landing.LandedObject]:
    """Return the first objects, as many as one commit takes."""
    size = 0
    for number, found in enumerate(objects):
        size += found.size
        if number and (number >= _BATCH_OBJECTS or size > _BATCH_BYTES):
            return objects[:number]
    return objects


def _known(request: _Request, undated: list[str]) -> Known:
    """What the ledger knows of the day's own objects and of these undated ones, by path."""
    known = ledger.known_objects(request.lake, request.channel, day=request.day)
    if undated:
        known |= ledger.known_objects(request.lake, request.channel, paths=undated)
    return known


def _digests(known: Known) -> Digests:
    return {path: frozenset(row["sha256"] for row in rows) for path, rows in known.items()}


def _etags(known: Known, path: str) -> set[str]:
    return {row["etag"] for row in known.get(path, ())}


def _is_dated(request: _Request, entry: ledger.Entry) -> bool:
    return entry.path.startswith(f"{request.channel}/{request.day}/")


@contextmanager
def _staging(lake: str, table: str) -> Iterator[str]:
    """A folder beside the tables, which every worker reaches; gone when the batch is done."""
    address = f"{lake.rstrip('/')}/.staging/{table}-{uuid.uuid4().hex}"
    system, path = tables.filesystem(address)
    tables.make_folder(system, path)
    try:
        yield address if "://" in address else path
    finally:
        tables.remove_folder(system, path)


def _commit_beside(request: _Request, table: str, parsed: Parsed) -> None:
    """Commit the batch's quarantined records or events, each object's at most once.

    None of the batch's objects is in the ledger, so rows of theirs that are in `table` already
    come from a run that was killed. They stay if they are what this run would write, and go if
    the object has changed, or counts for another day, since.
    """
    rows = staged_rows(parsed.beside[table], table, request.day)
    digests = {entry.raw_uri: entry.sha256 for entry in parsed.entries}
    affected = _among(list(digests))
    if all(_is_dated(request, entry) for entry in parsed.entries):
        # Objects in a day's folder count for that day in every run: the others need no look.
        affected &= pc.field("arrival_day") == request.day

    def present(version: int | None = None) -> list[dict]:
        columns = ["raw_uri", "object_sha256", "arrival_day"]
        return tables.read(request.lake, table, columns, affected, version=version).to_pylist()

    shared = tables.newest(request.lake, table)
    is_readable = shared is None or commit.is_current(shared, table)
    if rows.num_rows == 0 and is_readable and not present():
        return

    def attempt() -> None:
        snapshot = commit.ensure(request.lake, table)
        same, stale = set(), set()
        for row in present(snapshot.version()):
            uri, day = row["raw_uri"], row["arrival_day"]
            written = row["object_sha256"] == digests[uri] and day == request.day
            (same if written else stale).add((uri, day))
        files, remove = [], []
        for day in sorted({day for _, day in stale}):
            uris = [uri for uri, at in stale if at == day]
            kept = ~_among(uris)
            changed = commit.filter_partition(
                snapshot, request.lake, table, {"arrival_day": day}, kept
            )
            files += changed.add
            remove += changed.remove
        fresh = rows.filter(~_among([uri for uri, _ in same]))
        files += commit.write(request.lake, table, fresh)
        if files or remove:
            commit.commit(snapshot, files, remove=remove, transaction=_next(snapshot, request))

    commit.retrying(attempt)


def _among(uris: list[str]) -> ds.Expression:
    return pc.field("raw_uri").isin(pa.array(uris, pa.string()))


def run(engine: Engine, arguments: Sequence[str]) -> IngestReport:
    """Ingest as command-line `arguments` say (`--help` lists them)."""
    parser = argparse.ArgumentParser(description="Ingest landing objects into a channel table")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--landing", required=True)
    parser.add_argument("--channel", required=True, choices=CHANNELS)
    parser.add_argument("--day", required=True, type=day_of_arrival, help="YYYY-MM-DD")
    parser.add_argument(
        "--path", action="append", help="look at this landed object only; may be given repeatedly"
    )
    add_parse_arguments(parser)
    given = parser.parse_args(arguments)
    return ingest(
        given.lake,
        given.landing,
        cast(Channel, given.channel),
        given.day,
        datetime.now(UTC),
        given.workers,
        parse_options(given),
        paths=given.path,
        parse=parse_step(engine, given),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program, such as `spark-submit`'s."""
    run_program("pax ingest", _by_hand, arguments, makes_lake=True)


def _by_hand(engine: Engine, arguments: Sequence[str]) -> IngestReport:
    """Run for someone who may have mistyped: a folder that is not there is no empty day."""
    names = argparse.ArgumentParser(add_help=False)
    for name in ("landing", "channel", "day"):
        names.add_argument(f"--{name}", default="")
    names.add_argument("--path", action="append", default=[])
    given = names.parse_known_args(arguments)[0]
    if given.landing and not landing.exists(given.landing):
        sys.exit(f"pax ingest: there is no landing folder {given.landing}; nothing was done")
    # A sensor names what it has seen, and that may have gone since: its run is no mistake.
    if given.landing and given.channel and given.path and not started_by_dagster():
        wrong = unmatched(given.landing, given.channel, given.day, given.path)
        if wrong:
            said = "\n".join(f"  {path}: {why}" for path, why in wrong.items())
            sys.exit(f"pax ingest: nothing was done, for these paths match nothing:\n{said}")
    return run(engine, arguments)


if __name__ == "__main__":
    main()
