"""What is known of every person and conversation now, and what was known as each day began.

`message_features` needs both to take in a day, in order or late, without reading the history. The
table follows from `message_features` and names the commit of it that it shows; where the two
differ (a run was killed between its two commits) it is made anew from the features' own rows.

Rows are added, not rewritten: of the rows with one kind, key and `event_day` the highest
`sequence` counts. `event_day` is the day on which the balance opens, or `current`. A row of kind
`arrivals` says that messages of an event day lie in the partition `key` of `message_features`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.point_in_time import Conversation, Person
from pax_assets.jobs.replay import Balances, State
from pax_assets.lake import commit, tables
from pax_assets.lake.feature_schemas import FEATURE_STATE

if TYPE_CHECKING:
    from deltalake import DeltaTable

TABLE = "feature_state"
CURRENT = "current"
_PERSON, _CONVERSATION, _ARRIVALS = "person", "conversation", "arrivals"
_EPOCH = date(1970, 1, 1)
# Beyond this, a partition's files are made one: each build adds a file to the days that it touches.
_FILES_A_PARTITION = 24

Row = dict[str, Any]


def day_name(number: int) -> str:
    """Return a day counted from 1970 as YYYY-MM-DD."""
    return (_EPOCH + timedelta(days=number)).isoformat()


def _day_number(name: str) -> int:
    return (date.fromisoformat(name) - _EPOCH).days


@dataclass(frozen=True)
class Known:
    """The state from some day on."""

    rows: pa.Table

    def arrival_days(self) -> set[str]:
        """The partitions of `message_features` that hold messages of these days."""
        return set(pc.unique(self._of_kind(_ARRIVALS)["key"]).to_pylist())

    def conversations(self, keys: Collection[str]) -> Balances[Conversation]:
        """Balances that start as the first of these days began."""
        start: dict[str, Conversation] = {}
        days: dict[str, list[int]] = {}
        for row in self._latest(_CONVERSATION, keys):
            _note(row, start, days, _conversation)
        return Balances(Conversation, start, days)

    def people(self, keys: Collection[str]) -> Balances[Person]:
        """Balances that start as the first of these days began."""
        start: dict[str, Person] = {}
        days: dict[str, list[int]] = {}
        for row in self._latest(_PERSON, keys):
            _note(row, start, days, _person)
        return Balances(Person, start, days)

    def _of_kind(self, kind: str) -> pa.Table:
        return self.rows.filter(pc.equal(self.rows["kind"], kind))

    def _latest(self, kind: str, keys: Collection[str]) -> list[Row]:
        """Return the rows of `keys` that count, days in order, the current balance last."""
        rows = self._of_kind(kind)
        rows = rows.filter(pc.is_in(rows["key"], pa.array(sorted(keys), pa.string())))
        return latest(rows).to_pylist()


def latest(rows: pa.Table) -> pa.Table:
    """Return, by kind, key and event day, the row with the highest sequence, in that order."""
    import numpy as np

    # "current" sorts after any day.
    ordered = rows.sort_by(
        [
            ("kind", "ascending"),
            ("key", "ascending"),
            ("event_day", "ascending"),
            ("sequence", "descending"),
        ]
    )
    first = np.zeros(ordered.num_rows, bool)
    first[:1] = True
    for name in ("kind", "key", "event_day"):
        codes = ordered[name].combine_chunks().dictionary_encode().indices.to_numpy()
        first[1:] |= codes[1:] != codes[:-1]
    return ordered.filter(pa.array(first))


def _note(
    row: Row,
    start: dict[str, State],
    days: dict[str, list[int]],
    read_state: Callable[[Row], State],
) -> None:
    key, day = row["key"], row["event_day"]
    if key not in start:
        start[key] = read_state(row)
    if day != CURRENT:
        days.setdefault(key, []).append(_day_number(day))


def _conversation(row: Row) -> Conversation:
    return Conversation(
        row["messages"], row["last_at"], row["last_sender"], row["spoke_at"], row["other_at"]
    )


def _person(row: Row) -> Person:
    cells = {cell["seconds"]: cell["count"] for cell in row["histogram"] or ()}
    return Person(
        row["sent"],
        row["received"],
        row["last_sent_at"],
        row["responses"],
        row["response_sum"],
        cells,
    )


def rows_of(
    conversations: Balances[Conversation],
    people: Balances[Person],
    arrivals: Iterable[tuple[str, int]],
    sequence: int,
) -> pa.Table:
    """Return the table's rows of what was replayed; `arrivals` are (arrival day, event day)."""
    rows: list[Row] = []
    for key, day, chat in _every(conversations):
        rows.append(
            {
                "kind": _CONVERSATION,
                "key": key,
                "event_day": day,
                "messages": chat.messages,
                "last_at": chat.last_at,
                "last_sender": chat.last_sender,
                "spoke_at": chat.spoke_at,
                "other_at": chat.other_at,
            }
        )
    for key, day, one in _every(people):
        cells = [{"seconds": s, "count": n} for s, n in sorted(one.histogram.items())]
        rows.append(
            {
                "kind": _PERSON,
                "key": key,
                "event_day": day,
                "sent": one.sent,
                "received": one.received,
                "last_sent_at": one.last_sent_at,
                "responses": one.responses,
                "response_sum": one.response_sum,
                "histogram": cells,
            }
        )
    rows += [{"kind": _ARRIVALS, "key": a, "event_day": day_name(e)} for a, e in sorted(arrivals)]
    table = pa.Table.from_pylist(rows, schema=FEATURE_STATE)
    at = FEATURE_STATE.get_field_index("sequence")
    return table.set_column(at, "sequence", pa.repeat(pa.scalar(sequence), table.num_rows))


def _every(balances: Balances[State]) -> Iterable[tuple[str, str, State]]:
    for key, day, state in balances.openings:
        yield key, day_name(day), state
    for key, state in balances.states.items():
        yield key, CURRENT, state


def read(lake: str, sequence: int, from_day: int) -> Known | None:
    """Return the state after commit `sequence` of the features; None where it shows another."""
    snapshot = commit.ensure(lake, TABLE)
    if (snapshot.transaction_version(TABLE) or 0) != sequence:
        return None
    return Known(
        tables.read(
            lake,
            TABLE,
            filter=pc.field("event_day") >= day_name(from_day),
            version=snapshot.version(),
        )
    )


def append(lake: str, rows: pa.Table, sequence: int) -> None:
    """Bring the table from the commit before `sequence` to it; nothing if another run has."""

    def attempt() -> None:
        snapshot = commit.ensure(lake, TABLE)
        if (snapshot.transaction_version(TABLE) or 0) == sequence - 1:
            now, remove = _merged(lake, snapshot, rows)
            _commit(lake, snapshot, now, remove, sequence)

    commit.retrying(attempt)


def replace(lake: str, rows: pa.Table, sequence: int) -> None:
    """Make `rows` the whole table, as of commit `sequence`; nothing if another run is as far."""

    def attempt() -> None:
        snapshot = commit.ensure(lake, TABLE)
        if (snapshot.transaction_version(TABLE) or 0) < sequence:
            _commit(lake, snapshot, rows, commit.partition_files(snapshot, {}), sequence)

    commit.retrying(attempt)


def _merged(lake: str, snapshot: DeltaTable, rows: pa.Table) -> tuple[pa.Table, list[str]]:
    """Take up the rows of partitions that have many files; return those files, too."""
    remove: list[str] = []
    for day in sorted(pc.unique(rows["event_day"]).to_pylist()):
        files = commit.partition_files(snapshot, {"event_day": day})
        if len(files) < _FILES_A_PARTITION:
            continue
        remove += files
        before = tables.read(
            lake, TABLE, filter=pc.field("event_day") == day, version=snapshot.version()
        )
        here = pc.equal(rows["event_day"], day)
        merged = latest(pa.concat_tables([before, rows.filter(here)]))
        rows = pa.concat_tables([rows.filter(pc.invert(here)), merged])
    return rows, remove


def _commit(
    lake: str, snapshot: DeltaTable, rows: pa.Table, remove: Sequence[str], sequence: int
) -> None:
    files = commit.write(lake, TABLE, rows)
    try:
        commit.commit(snapshot, files, remove=remove, transaction=(TABLE, sequence))
    except commit.Conflict:
        commit.discard(lake, TABLE, files)
        raise
