"""A table of features beside `messages`: one row a message, a partition for each day of arrival.

Language and text features follow from the message alone; the rest says what was known just before
it was sent (`point_in_time` has the definitions). A build takes one day of `messages` in. Days may
be built in any order and any number of times: after each build the table is what a computation
from nothing over the days taken in would give. A message that was sent before others which are
already there changes what was known before those; their rows are written anew, in the same
transaction, and their days are reported.

What a build reads: its day; the balances of all people and conversations (a row each, narrow); and
of earlier builds only the days on or after the first moment at which anything changed. The
history before costs nothing. What was identified here (`language`) never rewrites the record in
`messages`, whose `language` stays what the source stated.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs import feature_state
from pax_assets.jobs.features import DAYS_KEY
from pax_assets.jobs.point_in_time import DAY_US, Conversation, Person
from pax_assets.jobs.program import Engine, run_program
from pax_assets.jobs.replay import (
    FEATURES,
    Balances,
    Events,
    replay_conversations,
    replay_people,
)
from pax_assets.jobs.rows.arguments import day_of_arrival
from pax_assets.jobs.text_columns import COLUMNS, describe, describe_with
from pax_assets.lake import commit, content_hash, tables
from pax_assets.lake.schemas import SCHEMAS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow.dataset as ds
    from deltalake import DeltaTable
    from pyspark.sql import SparkSession

TABLE = "message_features"
_SCHEMA = SCHEMAS[TABLE]
_WHO_WHEN_WHERE = ["channel", "conversation_id", "sent_at", "sender_id", "recipient_ids"]
_NARROW = ["message_id", *_WHO_WHEN_WHERE, *FEATURES, "arrival_day"]
_ORDER = [("sent_at", "ascending"), ("message_id", "ascending"), ("arrival_day", "ascending")]


@dataclass
class FeaturesReport:
    """A day of `message_features` after it was built.

    `changed` says whether its rows differ from before. `revised` maps other days to the number of
    their rows that are different now, because of a message of this day.
    """

    day: str
    rows: int
    content_hash: str
    changed: bool
    revised: dict[str, int] = field(default_factory=dict)
    version: int | None = None


def build_features(
    lake: str, day: str, *, workers: int = 1, spark: SparkSession | None = None
) -> FeaturesReport:
    """Take the partition `day` of `messages` in, as it is now.

    Texts are read by `workers` processes of this machine, or by the engine's workers if `spark`
    is given. Idempotent; a build that changes nothing commits nothing. Raises `commit.Conflict`
    if other builds kept getting in the way.
    """
    at = pc.field("arrival_day") == day
    if spark is None:
        described = describe(tables.read(lake, "messages", COLUMNS, at), workers)
    else:
        described = describe_with(spark, lake, day)
    days = pa.repeat(pa.scalar(day, pa.string()), described.num_rows)
    described = described.append_column("arrival_day", days)
    changed, revised, rows = commit.retrying(partial(_build, lake, day, described))
    return FeaturesReport(
        day=day,
        rows=rows.num_rows,
        content_hash=content_hash(rows),
        changed=changed,
        revised=revised,
        version=tables.version(lake, TABLE),
    )


def _build(lake: str, day: str, described: pa.Table) -> tuple[bool, dict[str, int], pa.Table]:
    snapshot = commit.ensure(lake, TABLE)
    number = snapshot.transaction_version(TABLE) or 0
    stored = _read(lake, snapshot, pc.field("arrival_day") == day)
    known = _with_stored_features(described, stored)
    moved = _moved(stored, known)
    counts: dict[str, int] = {}
    days: dict[str, pa.Table] = {}
    state = SCHEMAS[feature_state.TABLE].empty_table()
    if moved.num_rows:
        walked, state = _walk(lake, snapshot, number, day, known, moved)
        known = _updated(known, walked, day)
        counts = _differing(walked, day)
        for other in counts:
            before = _read(lake, snapshot, pc.field("arrival_day") == other)
            days[other] = _updated(before, walked, other)
    rows = known.select(_SCHEMA.names).cast(_SCHEMA)
    changed = content_hash(rows) != content_hash(stored)
    if changed:
        days[day] = rows
    if days:
        _commit(lake, snapshot, number, days)
        feature_state.append(lake, state, number + 1)
    return changed, counts, rows


def _commit(lake: str, snapshot: DeltaTable, number: int, days: dict[str, pa.Table]) -> None:
    """Make `days` what their partitions hold, as the transaction after `number`."""
    add: list[commit.DataFile] = []
    remove: list[str] = []
    for day, rows in sorted(days.items()):
        remove += commit.partition_files(snapshot, {"arrival_day": day})
        add += commit.write(lake, TABLE, rows.sort_by(_ORDER))
    try:
        commit.commit(
            snapshot,
            add,
            remove=remove,
            transaction=(TABLE, number + 1),
            metadata={DAYS_KEY: sorted(days)},
        )
    except commit.Conflict:
        commit.discard(lake, TABLE, add)
        raise


def _read(
    lake: str, snapshot: DeltaTable, rows: ds.Expression | None, columns: list[str] | None = None
) -> pa.Table:
    return tables.read(lake, TABLE, columns, rows, version=snapshot.version())


def _with_stored_features(described: pa.Table, stored: pa.Table) -> pa.Table:
    """Add the features that each message has in the table; null for those that moved."""
    place = pc.index_in(_fingerprints(described), _fingerprints(stored))
    for name in FEATURES:
        described = described.append_column(name, stored[name].combine_chunks().take(place))
    return described


def _places(rows: pa.Table, among: pa.Table) -> pa.Array:
    """Return where in `among` each row's message is, null where it is not."""
    found = pc.index_in(rows["message_id"], among["message_id"].combine_chunks())
    return found.combine_chunks()


def _moved(stored: pa.Table, known: pa.Table) -> pa.Table:
    """Return the messages that came, went, or have another sender, time or place now."""
    before, now = _fingerprints(stored), _fingerprints(known)
    came = known.filter(pc.invert(pc.is_in(now, before))).select(_WHO_WHEN_WHERE)
    went = stored.filter(pc.invert(pc.is_in(before, now))).select(_WHO_WHEN_WHERE)
    return pa.concat_tables([came, went])


def _fingerprints(rows: pa.Table) -> pa.Array:
    """Return for each message a text that says which one it is, and who, when and where."""
    recipients = pc.binary_join(rows["recipient_ids"].combine_chunks(), ",")
    cells = [
        rows["message_id"],
        rows["channel"],
        rows["conversation_id"],
        pc.cast(pc.cast(rows["sent_at"], pa.int64()), pa.string()),
        pc.fill_null(rows["sender_id"], ""),
        pc.fill_null(recipients, ""),
    ]
    return pc.binary_join_element_wise(*cells, "\0").combine_chunks()


def _walk(
    lake: str, snapshot: DeltaTable, number: int, day: str, known: pa.Table, moved: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Compute anew what follows the first of the `moved` messages of `day`.

    Returns the messages since that day, with their features and whether they `differ` from the
    stored ones; and the rows that bring the state up to the next commit.
    """
    first = pc.min(pc.cast(moved["sent_at"], pa.int64())).as_py() // DAY_US
    state = _state(lake, snapshot, number, first)
    since = pc.field("sent_at") >= pa.scalar(first * DAY_US, _SCHEMA.field("sent_at").type)
    days = pa.array(sorted(state.arrival_days() - {day}), pa.string())
    others = _read(lake, snapshot, since & pc.field("arrival_day").isin(days), _NARROW)
    frame = pa.concat_tables([known.select(_NARROW).filter(since), others]).sort_by(_ORDER)
    events, features = _events(frame), _arrays(frame)
    before = {name: values.copy() for name, values in features.items()}

    where = set(_conversations(moved))
    chats = state.conversations(where)
    replay_conversations(events, where, chats, features)
    answered = _differs(before["response_seconds"], features["response_seconds"])
    who = _people(moved) | {events.sender[i] for i in answered.nonzero()[0]} - {None}
    people = state.people(who)
    replay_people(events, who, people, features)
    chats.close(where)
    people.close(who)

    differ = sum(_differs(before[name], features[name]) for name in FEATURES) > 0
    walked = frame.select(["message_id", "arrival_day"]).append_column("differ", pa.array(differ))
    for name, values in features.items():
        column = pa.array(values, from_pandas=True).cast(_SCHEMA.field(name).type)
        walked = walked.append_column(name, column)
    arrivals = {(day, at // DAY_US) for at in _times(known)}
    return walked, feature_state.rows_of(chats, people, arrivals, number + 1)


def _state(lake: str, snapshot: DeltaTable, number: int, first: int) -> feature_state.Known:
    """Return the state since day `first`, made anew from all rows where it was left behind."""
    state = feature_state.read(lake, number, first)
    if state is None:
        feature_state.replace(lake, _rebuilt(lake, snapshot, number), number)
        state = feature_state.read(lake, number, first)
    if state is None:
        raise commit.Conflict("another run has brought message_features further")
    return state


def _rebuilt(lake: str, snapshot: DeltaTable, number: int) -> pa.Table:
    frame = _read(lake, snapshot, None, _NARROW).sort_by(_ORDER)
    events, features = _events(frame), _arrays(frame)
    where, who = set(events.conversation), _people(frame)
    chats = Balances(Conversation, {}, {})
    people = Balances(Person, {}, {})
    replay_conversations(events, where, chats, features)
    replay_people(events, who, people, features)
    arrivals = zip(frame["arrival_day"].to_pylist(), _times(frame), strict=True)
    days = {(arrival, at // DAY_US) for arrival, at in arrivals}
    return feature_state.rows_of(chats, people, days, number)


def _events(frame: pa.Table) -> Events:
    return Events(
        at=_times(frame),
        conversation=_conversations(frame),
        sender=_shared(frame["sender_id"]),
        recipients=frame["recipient_ids"].to_pylist(),
    )


def _times(frame: pa.Table) -> list[int]:
    return pc.cast(frame["sent_at"], pa.int64()).to_pylist()


def _conversations(frame: pa.Table) -> list[str]:
    # Formats that name their own conversations may use one name on two channels.
    return _shared(pc.binary_join_element_wise(frame["channel"], frame["conversation_id"], "/"))


def _people(frame: pa.Table) -> set[str]:
    people = set(pc.unique(frame["sender_id"]).to_pylist())
    people |= set(pc.unique(pc.list_flatten(frame["recipient_ids"])).to_pylist())
    return people - {None}


def _shared(values: pa.ChunkedArray) -> list:
    """Return the values as a list in which equal strings are one object."""
    coded = values.combine_chunks().dictionary_encode()
    words = [*coded.dictionary.to_pylist(), None]
    return [words[code] for code in pc.fill_null(coded.indices, -1).to_pylist()]


def _arrays(frame: pa.Table) -> dict[str, np.ndarray]:
    """Return the features as arrays of floats, NaN for null."""
    return {
        name: pc.cast(frame[name], pa.float64()).to_numpy(zero_copy_only=False).copy()
        for name in FEATURES
    }


def _differs(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    # NaN, which is null, equals itself here.
    return ~((before == now) | ((before != before) & (now != now)))


def _differing(walked: pa.Table, day: str) -> dict[str, int]:
    """Return how many rows of each other day are different now."""
    rows = walked.filter(walked["differ"])
    counts = rows.group_by("arrival_day").aggregate([("message_id", "count")]).to_pylist()
    return {
        row["arrival_day"]: row["message_id_count"]
        for row in sorted(counts, key=lambda row: row["arrival_day"])
        if row["arrival_day"] != day
    }


def _updated(rows: pa.Table, walked: pa.Table, day: str) -> pa.Table:
    """Return a day's rows with the features that were computed anew."""
    walked = walked.filter(pc.equal(walked["arrival_day"], day))
    place = _places(rows, walked)
    for name in FEATURES:
        new = walked[name].combine_chunks().take(place)
        column = pc.if_else(place.is_valid(), new, rows[name].combine_chunks())
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows


def run(engine: Engine, arguments: Sequence[str]) -> FeaturesReport:
    """Build a day as command-line `arguments` say (`--help` lists them)."""
    parser = argparse.ArgumentParser(description="Build a day of the table `message_features`")
    parser.add_argument("--lake", required=True)
    parser.add_argument("--day", required=True, type=day_of_arrival, help="YYYY-MM-DD")
    parser.add_argument("--workers", type=int, default=1, help="processes, where texts are many")
    parser.add_argument(
        "--describe",
        choices=["auto", "here", "spark"],
        default="auto",
        help="read texts in processes on this machine, or in Spark's workers; auto: there on a "
        "cluster only",
    )
    given = parser.parse_args(arguments)
    there = given.describe == "spark" or (given.describe == "auto" and engine.is_cluster)
    spark = engine.session if there else None
    return build_features(given.lake, given.day, workers=given.workers, spark=spark)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program, such as `spark-submit`'s."""
    run_program("pax message features", run, arguments)


if __name__ == "__main__":
    main()
