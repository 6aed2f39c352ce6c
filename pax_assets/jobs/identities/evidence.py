"""Why identities are taken for one participant: every statement that says so, with its source.

`identity_evidence` has one row for each pair, rule and origin: the first record of a day that
says so. It follows the tables that it was read from: when a message is erased, so is what it
stated. What it makes of identities is in `identity_clusters`.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from pax_assets.jobs.identities import rules
from pax_assets.jobs.identities.clusters import CLUSTERS, EVIDENCE, Edges, edges, update_clusters
from pax_assets.jobs.increments import changed_days
from pax_assets.jobs.program import Engine, run_program
from pax_assets.lake import commit, content_hash, landing, tables
from pax_assets.lake.schemas import SCHEMAS

if TYPE_CHECKING:
    from deltalake import DeltaTable

TABLE = EVIDENCE
# What data teams land: <landing>/identities/<any name>, JSON Lines.
FOLDER = "identities"
_STATED = "identities"
_LONGEST_LINE = 64 * 1024
_BATCH_ROWS = 10_000


@dataclass
class EvidenceReport:
    """The evidence after an update.

    `merged` and `split` count the clusters that were joined with others or fell apart in this
    update. `unusable` says of lines in the data team's files where they are and what is wrong.
    """

    rows: int
    clusters: int
    changed_origins: list[str]
    merged: int
    split: int
    unusable: list[str] = field(default_factory=list)
    content_hash: str = ""
    version: int | None = None


def update_identities(lake: str, landing_root: str, region: str = "US") -> EvidenceReport:
    """Bring evidence and clusters up to `messages`, `channel_events` and the landed files.

    `region` (ISO 3166) is that of landed phone numbers without `+`. Idempotent. Raises
    `commit.Conflict` if other runs kept getting in the way.
    """
    stated, unusable = _stated(landing_root, region)
    changed, merged, split = commit.retrying(partial(_update, lake, stated))
    evidence = tables.read(lake, TABLE)
    ids = tables.read(lake, CLUSTERS, ["participant_id"])["participant_id"]
    return EvidenceReport(
        rows=evidence.num_rows,
        clusters=len(pc.unique(ids)),
        changed_origins=changed,
        merged=merged,
        split=split,
        unusable=unusable,
        content_hash=content_hash(evidence),
        version=tables.version(lake, TABLE),
    )


def _update(lake: str, stated: pa.Table) -> tuple[list[str], int, int]:
    snapshot = commit.ensure(lake, TABLE)
    number = snapshot.transaction_version(TABLE) or 0
    reached: dict[str, int] = {}
    origins: dict[str, pa.Table] = {_STATED: stated}
    for table, columns, read in (
        ("messages", rules.MESSAGE_COLUMNS, rules.of_message),
        ("channel_events", rules.EVENT_COLUMNS, rules.of_event),
    ):
        source = commit.ensure(lake, table)
        before = snapshot.transaction_version(table)
        if before != source.version():
            reached[table] = source.version()
            days = None if before is None else _changed(lake, source, table, before)
            for day in _every_day(snapshot, source, table) if days is None else days:
                rows = _of_day(lake, source, table, day, columns, read)
                origins[f"{table}-{day}"] = rows
    changed, gone, came = _differences(lake, snapshot, origins)
    if changed or reached:
        _commit(lake, snapshot, {o: origins[o] for o in changed}, reached, number + 1)
        merged, split = update_clusters(lake, number + 1, gone, came)
    else:
        merged, split = update_clusters(lake, number, None, None)
    return changed, merged, split


def _changed(lake: str, source: DeltaTable, table: str, before: int) -> set[str] | None:
    """Return the days of which files came or went since version `before`; None if unknown."""
    if table == "messages":
        return changed_days(lake, before, source.version())
    try:
        former = tables.at(lake, table, before)
    except DeltaError:
        return None
    if former is None:
        return None
    then, now = (tables.files(lake, table, snapshot) for snapshot in (former, source))
    differing = then.keys() ^ now.keys()
    return {str((then | now)[path]["arrival_day"]) for path in differing}


def _every_day(snapshot: DeltaTable, source: DeltaTable, table: str) -> set[str]:
    """The days that the source has, and those that it had when it was last looked at."""
    known = commit.partition_values(snapshot, "origin")
    prefix = f"{table}-"
    had = {origin.removeprefix(prefix) for origin in known if origin.startswith(prefix)}
    return had | set(commit.partition_values(source, "arrival_day"))


def _of_day(
    lake: str,
    source: DeltaTable,
    table: str,
    day: str,
    columns: list[str],
    read: Callable[[dict[str, Any]], Iterable[rules.Evidence]],
) -> pa.Table:
    at = pc.field("arrival_day") == day
    if table == "messages":
        marked = [pc.match_substring(pc.field("source_metadata"), mark) for mark in rules.MARKS]
        at &= marked[0] | marked[1] | marked[2] | marked[3]
    else:
        at &= pc.field("kind") == "system"
    rows = tables.read(lake, table, columns, at, version=source.version())
    found = (
        evidence
        for batch in rows.to_batches(max_chunksize=_BATCH_ROWS)
        for row in batch.to_pylist()
        for evidence in read(row)
    )
    return _table(found, f"{table}-{day}")


def _stated(landing_root: str, region: str) -> tuple[pa.Table, list[str]]:
    """Read the data team's files, whole; return their evidence and what was unusable."""
    unusable: list[str] = []
    found: list[rules.Evidence] = []
    for landed in landing.undated_objects(landing_root, FOLDER):
        for number, line in enumerate(_lines(landing_root, landed.path), start=1):
            try:
                text = _text(line)
                if text:
                    found += rules.of_line(text, region, landed.path, number)
            except rules.UnusableLine as error:
                unusable.append(f"{landed.path}, line {number}: {error}")
    return _table(found, _STATED), unusable


def _text(line: bytes) -> str:
    if len(line) >= _LONGEST_LINE:
        raise rules.UnusableLine("longer than 64 KiB")
    try:
        return line.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise rules.UnusableLine("not UTF-8") from None


def _lines(landing_root: str, path: str) -> Iterator[bytes]:
    """Yield the lines of an object; of a line that is too long, its beginning."""
    with landing.open_object(landing_root, path) as stream:
        buffered = io.BufferedReader(cast(io.RawIOBase, stream))
        while line := buffered.readline(_LONGEST_LINE):
            yield line
            while not line.endswith(b"\n") and len(line) == _LONGEST_LINE:
                line = buffered.readline(_LONGEST_LINE)


def _table(found: Iterable[rules.Evidence], origin: str) -> pa.Table:
    """Keep the first statement of each pair and rule: a day of chat repeats it a hundred times."""
    first: dict[tuple[str, str, str], rules.Evidence] = {}
    for evidence in found:
        key = (evidence.first, evidence.second, evidence.rule)
        if key not in first or _earlier(evidence, first[key]):
            first[key] = evidence
    rows = [{**e._asdict(), "origin": origin} for e in first.values()]
    return pa.Table.from_pylist(rows, schema=SCHEMAS[TABLE])


def _earlier(one: rules.Evidence, other: rules.Evidence) -> bool:
    def order(evidence: rules.Evidence) -> tuple[str, str, str]:
        return str(evidence.stated_at or ""), evidence.source, evidence.position

    return order(one) < order(other)


def _differences(
    lake: str, snapshot: DeltaTable, origins: dict[str, pa.Table]
) -> tuple[list[str], Edges, Edges]:
    """Return the origins whose rows differ from the stored, and the pairs that went and came."""
    among = pc.field("origin").isin(pa.array(sorted(origins), pa.string()))
    stored = tables.read(lake, TABLE, filter=among, version=snapshot.version())
    changed: list[str] = []
    gone: Edges = set()
    came: Edges = set()
    for origin, rows in sorted(origins.items()):
        before = stored.filter(pc.equal(stored["origin"], origin))
        if content_hash(before) != content_hash(rows):
            changed.append(origin)
            gone |= edges(before) - edges(rows)
            came |= edges(rows) - edges(before)
    return changed, gone, came


def _commit(
    lake: str,
    snapshot: DeltaTable,
    origins: dict[str, pa.Table],
    reached: dict[str, int],
    number: int,
) -> None:
    add: list[commit.DataFile] = []
    remove: list[str] = []
    for origin, rows in origins.items():
        remove += commit.partition_files(snapshot, {"origin": origin})
        add += commit.write(lake, TABLE, rows)
    try:
        commit.commit(snapshot, add, remove=remove, transaction=(TABLE, number), reached=reached)
    except commit.Conflict:
        commit.discard(lake, TABLE, add)
        raise


def run(engine: Engine, arguments: Sequence[str]) -> EvidenceReport:  # noqa: ARG001
    """Update as command-line `arguments` say (`--help` lists them)."""
    parser = argparse.ArgumentParser(description="Update the tables of identity evidence")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--landing", required=True)
    parser.add_argument("--default-region", default="US")
    given = parser.parse_args(arguments)
    return update_identities(given.lake, given.landing, given.default_region)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program, such as `spark-submit`'s."""
    run_program("pax identities", run, arguments)


if __name__ == "__main__":
    main()
