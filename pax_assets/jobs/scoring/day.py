"""What is known of a day's scoring, and what is left to do.

`insights/scored` vouches for a message: it was scored by this release, and has so many findings.
A chunk of messages is four commits, that table's last, and each of them carries the number of the
chunk, so four equal numbers say that no run died between them. When a release has scored all of a
day, its last commit also says of which files of `messages` that was true. Files never change: as
long as none of them left the day, only the rows of newer ones can be new, and neither the day's
older messages nor what was said of them need to be read. In every other case the day is compared
message by message, and findings that nobody vouches for are removed.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from pax_assets.jobs.insights.insight_tables import (
    ENTITIES,
    EVENTS,
    FINDINGS,
    RELATIONS,
    SCHEMAS,
    SCORED,
    read,
)
from pax_assets.jobs.scan import read_files
from pax_assets.lake import commit, tables

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

    from pax_assets.jobs.scoring.worker import Scorer

ALL = (*FINDINGS, SCORED)
# A kill loses at most the chunk that was being scored: some seconds to a few minutes of work. For
# each core, so that it takes as long on many of them, and commits are no larger a part of it.
MESSAGES_A_CORE = 5_000
CHARACTERS_A_CORE = 1_000_000
# So few new messages are scored without first asking how long they are.
_FEW = 2_000
_COUNTS = {ENTITIES: "entities", EVENTS: "events", RELATIONS: "relations"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Messages that are scored and committed together.

    They are in `files` of `messages`: all of their `rows`, or those with `ids`.
    """

    files: list[str]
    rows: int
    ids: pa.Array | None = None


@dataclass
class Day:
    """A day as a run found it; `chunks` are what it has to score, in order.

    `files` are those files of `messages` that may hold unscored ones, with their numbers of rows.
    `notes` are what the last commit says once all is done. With `valid`, the first commit removes
    the day's rows of all other keys, `removed` messages among them.
    """

    lake: str
    day: str
    cores: int
    snapshots: dict[str, DeltaTable]
    number: int
    files: dict[str, int]
    chunks: list[Chunk]
    notes: dict[str, int]
    messages: int
    removed: int = 0
    has_committed: bool = False
    valid: pa.Array | None = None

    def commit(self, found: dict[str, list[commit.DataFile]], *, is_last: bool) -> None:
        """Make a chunk's files part of the tables. Raises `commit.Conflict`."""
        self._remove()
        self._catch_up()
        self.number += 1
        self.has_committed = True
        for table in ALL:
            reached = {}
            if table == SCORED and is_last:
                reached = {**self.notes, f"{_name(self.day)}/done": self.number}
            commit.commit(
                self.snapshots[table],
                found[table],
                # Without it, two runs of one day would both append.
                transaction=(_name(self.day), self.number),
                reached=reached,
            )

    def note(self) -> None:
        """Note that nothing is left to do, where that is not known yet. Raises `Conflict`."""
        self._remove()
        self._catch_up()
        if self.number < 0:
            # There never was anything to score.
            return
        notes = {**self.notes, f"{_name(self.day)}/done": self.number}
        scored = self.snapshots[SCORED]
        if self.notes and any(
            commit.reached(scored, name) != number for name, number in notes.items()
        ):
            commit.commit(scored, [], reached=notes)

    def _remove(self) -> None:
        """Remove what is not valid any more, once; not before there is something in its place."""
        if self.valid is not None:
            _remove_others(self, self.valid)
            self.valid = None

    def _catch_up(self) -> None:
        """Move the snapshots on to this run's last commits, and no further than that."""
        if not self.has_committed:
            return
        for table, snapshot in self.snapshots.items():
            snapshot.update_incremental()
            if commit.reached(snapshot, _name(self.day)) != self.number:
                raise commit.Conflict(f"{table}: another run scores {self.day}, too")
        self.has_committed = False


def look(lake: str, day: str, scorer: Scorer, cores: int) -> Day:
    """Find out what `scorer` has to score of a day on `cores`, and what is not valid any more.

    That is findings of messages that left the day or have another text now, of other files of the
    same model, and of runs that died. Nothing is changed yet: a run whose workers cannot open the
    model must leave the former answers where they are. Raises `commit.Conflict`.
    """
    # What vouches first: where another run commits meanwhile, removing from it then conflicts.
    opened = (SCORED, *FINDINGS)
    snapshots = {table: commit.ensure(lake, table, SCHEMAS[table]) for table in opened}
    store = commit.ensure(lake, "messages")
    files = _files(store, day)
    numbers = {table: commit.reached(snapshot, _name(day)) for table, snapshot in snapshots.items()}
    found = Day(
        lake=lake,
        day=day,
        cores=cores,
        snapshots=snapshots,
        number=max(numbers.values()),
        files={},
        chunks=[],
        notes={
            f"{_name(day)}/messages": store.version(),
            f"{_name(day)}/what": _digest(scorer, files),
        },
        messages=sum(files.values()),
    )
    before = _files_scored(lake, day, snapshots[SCORED], scorer)
    is_as_it_was = set(numbers.values()) == {
        commit.reached(snapshots[SCORED], f"{_name(day)}/done")
    }
    if is_as_it_was and before is not None and before.keys() <= files.keys():
        found.files = {path: rows for path, rows in files.items() if path not in before}
        if 0 < sum(found.files.values()) <= _FEW:
            found.chunks = [Chunk(list(found.files), sum(found.files.values()))]
        else:
            found.chunks = list(_chunks(found, _measured(found)))
    elif files or any(commit.partition_files(s, {"arrival_day": day}) for s in snapshots.values()):
        found.files = files
        _plan_all(found, scorer)
    else:
        # Nothing ever landed: a note of that would only be one more commit.
        found.notes = {}
    return found


def distrust(lake: str, day: str) -> None:
    """Have the next run compare the whole day, whatever is known of it."""

    def attempt() -> None:
        scored = commit.ensure(lake, SCORED, SCHEMAS[SCORED])
        number = commit.reached(scored, _name(day)) + 1
        commit.commit(scored, [], transaction=(_name(day), number))

    commit.retrying(attempt)


def frame(spark: SparkSession, lake: str, chunk: Chunk) -> DataFrame:
    """Return message_id, text and text_sha256 of all rows of a chunk's files."""
    from pyspark.sql import functions as F  # noqa: N812

    root = tables.location(lake, "messages")
    rows = read_files(spark, [f"{root}/{path}" for path in chunk.files], "messages", _TEXT)
    return rows.select(*_TEXT, F.sha2(F.col("text"), 256).alias("text_sha256"))


_TEXT = ["message_id", "text"]


def _name(day: str) -> str:
    return f"insights/{day}"


def _files(store: DeltaTable, day: str) -> dict[str, int]:
    """Return the files of a day of `messages`, and how many rows each has."""
    counts = commit.row_counts(store)
    return {path: counts[path] for path in commit.partition_files(store, {"arrival_day": day})}


def _digest(scorer: Scorer, files: dict[str, int]) -> int:
    """Return a number of 62 bits for what was scored and by what: a transaction holds no more."""
    parts = "\n".join([scorer.model_version, scorer.release, *sorted(files)])
    return int.from_bytes(hashlib.sha256(parts.encode()).digest()[:8], "big") >> 2


def _files_scored(lake: str, day: str, scored: DeltaTable, scorer: Scorer) -> dict[str, int] | None:
    """Return the files of `messages` of which the release has scored every row; None: not known."""
    version = commit.reached(scored, f"{_name(day)}/messages")
    if version < 0:
        return None
    try:
        store = tables.open_table(lake, "messages", version)
    except (DeltaError, OSError):
        # That far back the log is gone.
        return None
    files = {} if store is None else _files(store, day)
    known = commit.reached(scored, f"{_name(day)}/what")
    return files if known == _digest(scorer, files) else None


def _plan_all(found: Day, scorer: Scorer) -> None:
    """Compare all of the day with what is stored of it: what is valid, and what is left to do."""
    stored = _vouched(found)
    rows = _measured(found, is_hashed=stored.num_rows > 0)
    valid = stored
    if stored.num_rows:
        known = pc.unique(stored["message_id"])
        here = pc.is_in(known, rows["message_id"].combine_chunks())
        found.removed = len(known) - pc.sum(here).as_py()
        ours = pc.equal(stored["model_version"], scorer.model_version)
        former = pc.and_(ours, pc.not_equal(stored["release"], scorer.release))
        complete = pc.is_in(stored["key"], _with_their_findings(found, stored))
        valid = stored.filter(
            reduce(pc.and_, [_has_its_text(stored, rows), pc.invert(former), complete])
        )
    found.valid = valid["key"].combine_chunks()
    done = valid.filter(pc.equal(valid["model_version"], scorer.model_version))["message_id"]
    if len(done):
        rows = rows.filter(pc.invert(pc.is_in(rows["message_id"], done.combine_chunks())))
    found.chunks = list(_chunks(found, rows))


def _has_its_text(stored: pa.Table, rows: pa.Table) -> pa.ChunkedArray:
    """Say of each stored row whether its message is among `rows`, with the same text."""
    at = pc.index_in(stored["message_id"], rows["message_id"].combine_chunks())
    texts = pc.take(rows["text_sha256"], at)
    both_none = pc.and_(pc.is_null(texts), pc.is_null(stored["text_sha256"]))
    same = pc.fill_null(pc.equal(texts, stored["text_sha256"]), both_none)
    return pc.and_(pc.is_valid(at), same)


def _measured(found: Day, *, is_hashed: bool = False) -> pa.Table:
    """Return the planned files' rows: message_id, length of the text, index of the file.

    With text_sha256, too, if `is_hashed`; it costs more than all the rest. Texts are read batch by
    batch: of a day, only what is returned is held.
    """
    schema = _HASHED if is_hashed else _MEASURED
    system, root = tables.filesystem(tables.location(found.lake, "messages"))
    parts = [schema.empty_table()]
    for number, path in enumerate(found.files):
        with system.open_input_file(f"{root}/{path}") as stream:
            for batch in pq.ParquetFile(stream).iter_batches(_ROWS_READ, columns=_TEXT):
                texts = batch.column("text")
                values = [
                    batch.column("message_id"),
                    pc.fill_null(pc.utf8_length(texts), 0).cast(pa.int64()),
                    pa.repeat(pa.scalar(number, pa.int32()), batch.num_rows),
                ]
                if is_hashed:
                    values.append(pa.array(map(_sha256, texts.to_pylist()), pa.string()))
                parts.append(pa.table(values, schema=schema))
    return pa.concat_tables(parts)


_ROWS_READ = 8192
_MEASURED = pa.schema([("message_id", pa.string()), ("length", pa.int64()), ("file", pa.int32())])
_HASHED = _MEASURED.append(pa.field("text_sha256", pa.string()))


def _sha256(text: str | None) -> str | None:
    # As Spark's sha2 has it, which is what is stored.
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _chunks(found: Day, rows: pa.Table) -> Iterator[Chunk]:
    """Cut rows of the planned files into chunks, by number of messages and by length of texts.

    Rows are in the order of the files, so that a chunk reads few of them, whatever else the day
    has.
    """
    if not rows.num_rows:
        return
    ids = rows["message_id"].combine_chunks()
    of = rows["file"].to_numpy()
    paths = list(found.files)
    weight = np.maximum(
        np.arange(rows.num_rows) // (MESSAGES_A_CORE * found.cores),
        np.cumsum(rows["length"].to_numpy()) // (CHARACTERS_A_CORE * found.cores),
    )
    starts = [0, *(np.flatnonzero(np.diff(weight)) + 1).tolist(), rows.num_rows]
    for start, end in pairwise(starts):
        files = [paths[number] for number in np.unique(of[start:end])]
        are_all = end - start == sum(found.files[path] for path in files)
        yield Chunk(files, end - start, None if are_all else ids.slice(start, end - start))


def _joined(rows: pa.Table, other: str) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(rows["message_id"], pc.fill_null(rows[other], ""), "/")


def _stored(found: Day, table: str, columns: list[str]) -> pa.Table:
    """Return columns of a day of one of the four tables, as this run saw it."""
    at = pc.field("arrival_day") == found.day
    return tables.dataset(found.lake, table, found.snapshots[table], at).to_table(columns, at)


def _vouched(found: Day) -> pa.Table:
    """Return what `insights/scored` says of the day, with a `key` of message and model."""
    columns = ["message_id", "model_version", "release", "text_sha256", *_COUNTS.values()]
    rows = _stored(found, SCORED, columns)
    return rows.append_column("key", _joined(rows, "model_version"))


def _with_their_findings(found: Day, vouched: pa.Table) -> pa.Array:
    """Return the keys that stand once in `vouched` and have as many findings as it says."""
    keys = vouched["key"].combine_chunks()
    counted = pc.value_counts(keys)
    once = counted.field("values").filter(pc.equal(counted.field("counts"), 1))
    good = pc.is_in(keys, once)
    for table, name in _COUNTS.items():
        rows = _stored(found, table, ["message_id", "model_version"])
        counted = pc.value_counts(_joined(rows, "model_version").combine_chunks())
        at = pc.index_in(keys, counted.field("values"))
        there = pc.fill_null(pc.take(counted.field("counts"), at), 0)
        good = pc.and_(good, pc.equal(there, vouched[name].combine_chunks()))
    return keys.filter(good)


def _remove_others(found: Day, valid: pa.Array) -> None:
    """Remove the day's rows whose key is not among `valid`; make the four numbers equal.

    What vouches goes first: another run that is still on its way to vouch for rows of its own
    then meets a conflict.
    """
    number = found.number + 1
    partition = {"arrival_day": found.day}
    numbers = {commit.reached(s, _name(found.day)) for s in found.snapshots.values()}
    changes: dict[str, commit.Change] = {}
    for table in (SCORED, *FINDINGS):
        keys = _stored(found, table, ["message_id", "model_version"])
        keep = pc.is_in(_joined(keys, "model_version"), valid)
        if pc.all(keep, min_count=0).as_py():
            continue
        snapshot = found.snapshots[table]
        rows = read(
            found.lake, table, pc.field("arrival_day") == found.day, version=snapshot.version()
        )
        rows = rows.filter(pc.is_in(_joined(rows, "model_version"), valid))
        changes[table] = commit.Change(
            commit.write(found.lake, table, rows), commit.partition_files(snapshot, partition)
        )
    if not changes and len(numbers) == 1:
        return
    for table in (SCORED, *FINDINGS):
        change = changes.get(table, commit.Change([], []))
        commit.commit(
            found.snapshots[table],
            change.add,
            remove=change.remove,
            transaction=(_name(found.day), number),
        )
    found.number, found.has_committed = number, True
