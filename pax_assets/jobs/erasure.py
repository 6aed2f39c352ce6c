"""Erases a person: from landing, from every table, and from their history.

What concerns a person is every record that holds one of the identities anywhere: what they sent,
what they received, and what others wrote with their address in it. It goes from what follows from
the channel tables first and from those last, so that a run that was killed can be found out and
ended by the next one; the ids of the messages are noted in the table `erasures` before anything
is removed. Deleted rows stay readable in former versions of a Delta table, so everything but the
newest versions is vacuumed, at once: no other run may be going on.

`docs/erasure.md` says what is erased and what is not.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from pax_assets.jobs.erasing import accounts, graph
from pax_assets.jobs.erasing.landing import LandingReport, erase_from_landing
from pax_assets.jobs.erasing.subjects import NotAnIdentity, Subjects
from pax_assets.jobs.features import DAYS_KEY
from pax_assets.jobs.identities.clusters import CLUSTERS
from pax_assets.jobs.identities.identity import kind_of
from pax_assets.jobs.insights.insight_tables import DAYS, EVIDENCE, MENTIONS, PEOPLE
from pax_assets.jobs.message_features import build_features
from pax_assets.jobs.program import Engine, run_program
from pax_assets.jobs.rows.arguments import add_region
from pax_assets.lake import commit, index, ledger, maintenance, reading, removal, tables
from pax_assets.messages.message import CHANNELS

if TYPE_CHECKING:
    pass

_RAW = tuple(ledger.raw_table(channel) for channel in CHANNELS)
_BESIDE = ("channel_events", "quarantine")
# Names of objects and counts; what they say of objects is adjusted with the channel tables.
_ACCOUNTS = frozenset({accounts.TABLE, "ledger", index.TABLE, maintenance.STATISTICS})
_DAILY_DERIVED = "message_features"
_RETRAINED = ("annotations", "tokenized_dataset", "message_model", "onnx_model", "released_model")


@dataclass
class ErasureReport:
    """What was erased; with `dry_run`, what would be.

    `rows` by table, `messages` distinct ones. Landed objects were `rewritten`, `deleted`, or
    `left` because they were not ingested yet: ingest them and erase again. `retrain` names what
    was made from messages before: its second part is not done here. `days` are the days of
    `messages` that changed.
    """

    request: str
    dry_run: bool
    identities: int
    messages: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    rewritten: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    retrain: list[str] = field(default_factory=list)
    files_vacuumed: int = 0


@dataclass
class _Found:
    """What the channel tables and those beside them hold of the person."""

    ids: set[str] = field(default_factory=set)
    conversations: set[str] = field(default_factory=set)
    days: set[str] = field(default_factory=set)
    # By channel, by `raw_uri`: the positions of the person's records.
    objects: dict[str, dict[str, set[str]]] = field(
        default_factory=lambda: {channel: {} for channel in CHANNELS}
    )

    def doomed_ids(self) -> pa.Array:
        return pa.array(sorted(self.ids), pa.string())


def erase(
    lake: str,
    landing_root: str,
    subjects: Sequence[str],
    *,
    region: str = "US",
    whole_person: bool = False,
    dry_run: bool = False,
    landing_gone: bool = False,
) -> ErasureReport:
    """Erase the person with these phone numbers, mail addresses or WhatsApp user ids.

    `region` (ISO 3166) is that of numbers without a country code. With `whole_person` also the
    identities that `identity_clusters` takes for the same person's. With `dry_run` nothing is
    changed. Idempotent; run again after it was killed. No other run may use the lake meanwhile.
    With nothing changed raises `NotAnIdentity` for what is none, `reading.NoSuchLake` where there
    is no lake, and `NoSuchLanding` where the landing folder is not that of the lake;
    `landing_gone` says that its objects were deleted.
    """
    person = Subjects.of(subjects, region)
    reading.require_lake(lake)
    if whole_person:
        person = _whole(lake, person)
    for channel in CHANNELS:
        index.catch_up(lake, channel)
    report = ErasureReport(person.request, dry_run, len(person.identities))
    pending = accounts.pending(lake, person.request)
    found = _find(lake, person, pending)
    newest = accounts.newest(lake)
    held = _held(found, newest)
    if not landing_gone:
        # A run that was killed may have deleted the objects already.
        _require_landing(landing_root, () if pending else held.keys())
    if not dry_run:
        accounts.note(lake, person.request, found.ids)
    landed = erase_from_landing(landing_root, person, held, newest.keys(), dry_run=dry_run)
    report.messages = len(found.ids)
    report.rewritten, report.deleted = sorted(landed.rewritten), sorted(landed.deleted)
    report.left = sorted(landed.left)
    report.retrain = [name for name in _RETRAINED if _has(lake, name)]
    _erase_tables(lake, person, found, report, landed)
    report.days = sorted(found.days)
    if not dry_run:
        _remove_work(lake)
        accounts.finish(lake, person.request, report.messages)
        report.files_vacuumed = vacuum(lake)
    return report


class NoSuchLanding(LookupError):
    """The landing folder does not exist, or holds none of the objects it should hold."""


def _require_landing(root: str, paths: Iterable[str]) -> None:
    """Refuse to erase from the tables what could then not be found in landing any more."""
    system, base = tables.filesystem(root)
    if system.get_file_info(base).type == fs.FileType.NotFound:
        raise NoSuchLanding(f"there is no landing folder {root}; name the one that the lake is of")
    wanted = sorted(paths)
    there = system.get_file_info([f"{base}/{path}" for path in wanted])
    if wanted and all(info.type == fs.FileType.NotFound for info in there):
        raise NoSuchLanding(
            f"{root} holds none of the {len(wanted)} objects with the person's records (such as "
            f"{wanted[0]}); name the landing folder that the lake is of, or say landing_gone if "
            "they were deleted"
        )


def _whole(lake: str, person: Subjects) -> Subjects:
    rows = tables.read(lake, CLUSTERS)
    names = dict(zip(rows["identity"].to_pylist(), rows["participant_id"].to_pylist(), strict=True))
    clusters = {names[one] for one in person.identities if one in names}
    # A mere name would match other people's records.
    same = {i for i, name in names.items() if name in clusters and kind_of(i) != "other"}
    return Subjects(tuple(sorted({*person.identities, *same})))


def _find(lake: str, person: Subjects, pending: set[str]) -> _Found:
    found = _Found()
    for channel, table in [*zip(CHANNELS, _RAW, strict=True), *((None, t) for t in _BESIDE)]:
        snapshot = tables.newest(lake, table)
        if snapshot is None:
            continue
        for file in removal.stored_files(snapshot):
            rows = file.read(lake, table, None)
            rows = rows.filter(pa.array(person.mentioned(rows)))
            if not rows.num_rows:
                continue
            columns = ["raw_uri", "raw_position", "channel"]
            for uri, position, of in zip(*(rows[c].to_pylist() for c in columns), strict=True):
                found.objects[of].setdefault(uri, set()).add(position)
            if channel is not None:
                found.ids.update(rows["message_id"].to_pylist())
                found.conversations.update(rows["conversation_id"].to_pylist())
    found.ids |= pending
    _find_again(lake, found)
    return found


def _find_again(lake: str, found: _Found) -> None:
    """Add where else the messages arrived, in a form that does not show the person."""
    ids = found.doomed_ids()
    for channel, table in zip(CHANNELS, _RAW, strict=True):
        among = pc.field("message_id").isin(ids)
        rows = tables.read(lake, table, ["raw_uri", "raw_position", "arrival_day"], among)
        columns = (rows[name].to_pylist() for name in rows.column_names)
        for uri, position, day in zip(*columns, strict=True):
            found.days.add(day)
            found.objects[channel].setdefault(uri, set()).add(position)


def _held(found: _Found, newest: Mapping[str, str]) -> dict[str, set[str]]:
    """Return by path the positions of the person's records in the bytes that lie there."""
    every = {uri: at for objects in found.objects.values() for uri, at in objects.items()}
    return {path: every[uri] for path, uri in newest.items() if uri in every}


def _erase_tables(
    lake: str, person: Subjects, found: _Found, report: ErasureReport, landed: LandingReport
) -> None:
    """Remove the rows: first what follows from messages, last the channel tables."""
    ids = found.doomed_ids()
    nodes, edges = graph.keys_of_messages(lake, ids, person)
    names = [n for n in maintenance.table_names(lake) if n not in _ACCOUNTS]
    first = ["messages"]
    last = [*_BESIDE, *_RAW]
    others = [name for name in names if name not in (*first, *last)]
    # Nodes and edges are found by these: in a run that follows on a killed one, too.
    others.sort(key=lambda name: name in (MENTIONS, EVIDENCE, PEOPLE))

    def doomed(table: str) -> removal.Doomed:
        def of(rows: pa.Table) -> pa.Array:
            gone = person.mentioned(rows)
            names = rows.column_names
            if "message_id" in names:
                gone |= _among(rows["message_id"], ids)
            if table == "conversations":
                gone |= _among(
                    rows["conversation_id"], pa.array(sorted(found.conversations), pa.string())
                )
            gone |= graph.of_nodes(table, rows, nodes, edges)
            return pa.array(gone)

        return of

    for table in [n for n in first if n in names]:
        _remove(lake, table, doomed(table), report, found)
    if not report.dry_run and _DAILY_DERIVED in names:
        snapshot = commit.ensure(lake, _DAILY_DERIVED)
        built = set(commit.partition_values(snapshot, "arrival_day"))
        for day in sorted(built & (found.days | _days_of(lake, _DAILY_DERIVED, ids))):
            # What was known before other people's messages is another now.
            build_features(lake, day)
    for table in others:
        _remove(lake, table, doomed(table), report, found)
    if DAYS in names and not report.dry_run and (len(nodes) or found.ids):
        graph.recount_next_time(lake)
    # What the ledger says of events and quarantined records is adjusted with the channel tables,
    # and by those that are still there a killed run is found to have had more to do.
    for channel, table in zip(CHANNELS, _RAW, strict=True):
        if table in names:
            _remove_records(lake, channel, doomed, report, found, landed)
    for table in [n for n in _BESIDE if n in names]:
        _remove(lake, table, doomed(table), report, found)


def _among(values: pa.ChunkedArray, wanted: pa.Array) -> np.ndarray:
    return pc.is_in(values.cast(pa.string()), wanted).to_numpy()


def _days_of(lake: str, table: str, ids: pa.Array) -> set[str]:
    rows = tables.read(lake, table, ["arrival_day"], pc.field("message_id").isin(ids))
    return set(rows["arrival_day"].to_pylist())


def _remove(
    lake: str,
    table: str,
    doomed: removal.Doomed,
    report: ErasureReport,
    found: _Found,
) -> None:
    def attempt() -> removal.Removal | None:
        snapshot = tables.open_table(lake, table)
        if snapshot is None:
            return None
        # Tables without a known schema may have any columns.
        change = removal.without(
            lake, table, snapshot, _columns(snapshot), doomed, write=not report.dry_run
        )
        if change.remove and not report.dry_run:
            metadata: dict[str, object] = {}
            transaction = None
            if table in ("messages", _DAILY_DERIVED):
                metadata[DAYS_KEY] = sorted(change.partitions)
            if table == "messages":
                transaction = (table, (snapshot.transaction_version(table) or 0) + 1)
            commit.commit(
                snapshot,
                change.add,
                remove=change.remove,
                transaction=transaction,
                metadata=metadata,
            )
        return change

    change = commit.retrying(attempt)
    if change is not None and change.rows:
        report.rows[table] = report.rows.get(table, 0) + change.rows
        if table == "messages":
            found.days.update(change.partitions)


def _columns(snapshot: Any) -> list[str]:
    return [field.name for field in snapshot.schema().fields]


def _remove_records(
    lake: str,
    channel: str,
    doomed: Callable[[str], removal.Doomed],
    report: ErasureReport,
    found: _Found,
    landed: LandingReport,
) -> None:
    """Remove message records, and adjust what the ledger says of their objects, in one commit."""
    table = ledger.raw_table(channel)
    name = f"ingest/{channel}"

    def attempt() -> int:
        snapshot = commit.ensure(lake, table)
        ledger.catch_up(lake, channel)
        change = removal.without(
            lake, table, snapshot, _columns(snapshot), doomed(table), write=not report.dry_run
        )
        if report.dry_run:
            return change.rows
        newest = accounts.newest(lake)
        entries = [
            entry
            for entry in accounts.entries(lake, channel)
            if entry.raw_uri in found.objects[channel] or entry.path in landed.rewritten
        ]
        left = accounts.rows_left(lake, (table, *_BESIDE), entries, doomed)
        adjusted = [
            now
            for entry in entries
            for now in accounts.adjusted(
                entry,
                left[entry.raw_uri],
                landed.rewritten.get(entry.path) if newest[entry.path] == entry.raw_uri else None,
            )
        ]
        if change.remove or adjusted:
            commit.commit(
                snapshot,
                change.add,
                remove=change.remove,
                transaction=(name, (snapshot.transaction_version(name) or 0) + 1),
                metadata=ledger.metadata(adjusted),
            )
        return change.rows

    rows = commit.retrying(attempt)
    if rows:
        report.rows[table] = rows
    if not report.dry_run:
        index.catch_up(lake, channel)


def _remove_work(lake: str) -> None:
    """Remove what killed runs left half-done."""
    system, path = tables.filesystem(f"{lake.rstrip('/')}/.staging")
    tables.remove_folder(system, path)


def _has(lake: str, name: str) -> bool:
    system, path = tables.filesystem(f"{lake.rstrip('/')}/{name}")
    return bool(system.get_file_info(path).type)


def vacuum(lake: str) -> int:
    """Delete every file that the newest version of its table does not name, however new.

    Returns how many that were. What runs are about to commit goes, too.
    """
    names = maintenance.table_names(lake)
    count = 0
    for name in names:
        snapshot = tables.open_table(lake, name)
        # To a table that lies around another one, the other's files are orphans.
        if snapshot is None or any(other.startswith(f"{name}/") for other in names):
            continue
        count += len(snapshot.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True))
    return count


def run(engine: Engine, arguments: Sequence[str]) -> ErasureReport:  # noqa: ARG001 - no Spark
    """Erase as command-line `arguments` say (`--help` lists them)."""
    parser = argparse.ArgumentParser(description="Erase a person from landing and lake")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--landing", required=True)
    parser.add_argument("--identity", action="append", required=True, help="may be repeated")
    add_region(parser)
    parser.add_argument("--whole-person", action="store_true")
    parser.add_argument("--erase", action="store_true", help="do it; without, only count")
    parser.add_argument(
        "--landing-gone", action="store_true", help="landing's objects were deleted on purpose"
    )
    given = parser.parse_args(arguments)
    return erase(
        given.lake,
        given.landing,
        given.identity,
        region=given.default_region,
        whole_person=given.whole_person,
        dry_run=not given.erase,
        landing_gone=given.landing_gone,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program."""
    run_program("pax erase", _by_hand, arguments)


def _by_hand(engine: Engine, arguments: Sequence[str]) -> ErasureReport:
    """Run for someone who may have mistyped: what cannot be done is said, without a traceback."""
    try:
        return run(engine, arguments)
    except (NotAnIdentity, NoSuchLanding, reading.NoSuchLake) as error:
        sys.exit(f"pax erase: {error}; nothing was erased")


if __name__ == "__main__":
    main()
