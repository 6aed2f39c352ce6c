"""What must be true of `messages`, asked of the stored table and not of the run that wrote it.

A check that looks at what the run meant to write passes when the writing went wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    import pyarrow as pa

# A company that gets no message for two days has a broken channel, or a holiday.
_SILENCE = timedelta(hours=48)
_NEWEST_DAYS = 3
REQUIRED = ("message_id", "channel", "conversation_id", "sent_at", "text", "raw_uri")

SPECS = [
    dg.AssetCheckSpec(
        "message_id_unique",
        asset="messages",
        blocking=True,
        description="No `message_id` of the day occurs twice in the whole table, and the day has "
        "none that did not arrive on it: so no two days can share one.",
    ),
    dg.AssetCheckSpec(
        "schema",
        asset="messages",
        blocking=True,
        description="The table has the columns and types of the Message contract, and the "
        "required ones are filled on this day.",
    ),
    dg.AssetCheckSpec(
        "newest_event_time",
        asset="messages",
        description="In every channel that has messages, the newest one of its newest days was "
        "sent less than 48 hours ago. Freshness alone cannot tell: building an old day again "
        "makes the asset look fresh, and one channel may fall silent while others go on.",
    ),
]

FEATURE_SPECS = [
    dg.AssetCheckSpec(
        "features_match_messages",
        asset="message_features",
        description="The day has one row of features for each of its messages, and no other.",
    )
]

EVIDENCE_SPECS = [
    dg.AssetCheckSpec(
        "identity_files_usable",
        asset="identity_evidence",
        description="Every line of the data team's files in `<landing>/identities/` was used.",
    )
]


def message_id_unique(lake: str, day: str) -> dg.AssetCheckResult:
    """Look for ids of the day that occur more than once, on this day or on any other.

    A row on this day must be a record that arrived on it; so an id on two days arrived on both,
    and the index of ids knows it. Reads the ids of this day, and of those days only on which some
    of them arrived again.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from pax_assets.jobs.arrivals import repeated_on
    from pax_assets.lake import ledger
    from pax_assets.lake.tables import read
    from pax_assets.messages.message import CHANNELS

    raw_tables = [ledger.raw_table(channel) for channel in CHANNELS]
    at = pc.field("arrival_day") == day
    ids = read(lake, "messages", ["message_id"], at)
    arrived = pa.concat_tables(read(lake, table, ["message_id"], at) for table in raw_tables)
    foreign = ids.filter(
        pc.invert(pc.is_in(ids["message_id"], arrived["message_id"].combine_chunks()))
    )
    others = pc.unique(repeated_on(lake, day, raw_tables)["arrival_day"]).to_pylist()
    among = pc.unique(ids["message_id"])
    found = [ids.append_column("arrival_day", pa.repeat(pa.scalar(day), ids.num_rows))]
    for other in sorted(set(others) - {day}):
        chosen = (pc.field("arrival_day") == other) & pc.field("message_id").isin(among)
        found.append(read(lake, "messages", ["message_id", "arrival_day"], chosen))
    rows = pa.concat_tables(found)
    counts = rows.group_by("message_id").aggregate([("arrival_day", "list")])
    counts = counts.append_column("times", pc.list_value_length(counts["arrival_day_list"]))
    repeated = counts.filter(pc.greater(counts["times"], 1)).sort_by("message_id")
    problems = []
    if repeated.num_rows:
        days = pc.unique(pc.list_flatten(repeated["arrival_day_list"])).to_pylist()
        problems.append(
            f"{repeated.num_rows} ids occur more than once, on {', '.join(sorted(days)[:10])}"
        )
    if foreign.num_rows:
        problems.append(f"{foreign.num_rows} rows of {day} did not arrive on it")
    return dg.AssetCheckResult(
        check_name="message_id_unique",
        passed=not problems,
        description=(
            "; ".join(problems) + ": the table was written by something else than its job; "
            "restore it to a former version"
            if problems
            else None
        ),
        metadata={
            "ids": ids.num_rows,
            "repeated_ids": repeated.num_rows,
            "rows_that_did_not_arrive": foreign.num_rows,
            "other_days_read": len(set(others) - {day}),
            "examples": ", ".join(
                [*repeated["message_id"].to_pylist()[:10], *foreign["message_id"].to_pylist()[:10]]
            ),
        },
    )


def schema(lake: str, rows: pa.Table) -> dg.AssetCheckResult:
    """Compare the stored table's columns with the contract; look for nulls among the day's."""
    import pyarrow as pa
    from pyarrow import types

    from pax_assets.lake import tables
    from pax_assets.lake.schemas import MESSAGES

    snapshot = tables.newest(lake, "messages")
    stored = pa.schema(snapshot.schema().to_arrow()) if snapshot else pa.schema([])
    problems = []
    for field in MESSAGES:
        if field.name not in stored.names:
            problems.append(f"column {field.name} is missing")
        elif not types.is_nested(field.type) and stored.field(field.name).type != field.type:
            problems.append(
                f"column {field.name} is {stored.field(field.name).type}, not {field.type}"
            )
    problems += [
        f"column {name} is null in {rows[name].null_count} rows"
        for name in REQUIRED
        if rows[name].null_count
    ]
    return dg.AssetCheckResult(
        check_name="schema",
        passed=not problems,
        description="; ".join(problems) or None,
        metadata={"columns": len(stored.names)},
    )


def newest_event_time(lake: str, now: datetime | None = None) -> dg.AssetCheckResult:
    """Look at when the newest message of each channel was sent, on its newest days."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from pax_assets.lake.tables import read

    days = _newest_days(lake)
    among = pc.field("arrival_day").isin(pa.array(sorted(days), pa.string()))
    rows = read(lake, "messages", ["channel", "sent_at", "arrival_day"], among)
    newest = {
        row["channel"]: row
        for row in rows.group_by("channel")
        .aggregate([("sent_at", "max"), ("arrival_day", "max")])
        .to_pylist()
    }
    moment = now or datetime.now(UTC)
    ages = {channel: moment - row["sent_at_max"] for channel, row in sorted(newest.items())}
    silent = [
        f"{channel}: the newest message was sent {age.total_seconds() / 3600:.0f} hours ago and "
        f"arrived by {newest[channel]['arrival_day_max']}"
        for channel, age in ages.items()
        if age >= _SILENCE
    ]
    return dg.AssetCheckResult(
        check_name="newest_event_time",
        passed=bool(ages) and not silent,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(silent) if silent else None if ages else "there is no message yet",
        metadata={
            f"newest_sent_at_{channel}": row["sent_at_max"].isoformat()
            for channel, row in sorted(newest.items())
        },
    )


def _newest_days(lake: str) -> set[str]:
    """Return the newest days of `messages` and of each channel table, by their logs alone.

    A channel's newest day may bring nothing but an old export, or duplicates, hence several.
    """
    from pax_assets.lake import commit, ledger, tables
    from pax_assets.messages.message import CHANNELS

    days: set[str] = set()
    for table in ("messages", *(ledger.raw_table(channel) for channel in CHANNELS)):
        snapshot = tables.newest(lake, table)
        if snapshot is not None:
            days.update(commit.partition_values(snapshot, "arrival_day")[-_NEWEST_DAYS:])
    return days


def features_match_messages(lake: str, day: str, rows: pa.Table) -> dg.AssetCheckResult:
    """Compare the ids of a day's features with those of its messages."""
    import pyarrow.compute as pc

    from pax_assets.lake.tables import read

    ids = read(lake, "messages", ["message_id"], pc.field("arrival_day") == day)["message_id"]
    described = rows["message_id"]
    missing = pc.sum(pc.invert(pc.is_in(ids, described.combine_chunks()))).as_py() or 0
    surplus = pc.sum(pc.invert(pc.is_in(described, ids.combine_chunks()))).as_py() or 0
    repeated = len(described) - len(pc.unique(described))
    return dg.AssetCheckResult(
        check_name="features_match_messages",
        passed=not (missing or surplus or repeated),
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"{missing} messages lack features, {surplus} features lack their message, {repeated} "
            "rows are repeated; materialize the day again"
            if missing or surplus or repeated
            else None
        ),
        metadata={"missing": missing, "surplus": surplus, "repeated": repeated},
    )


def identity_files_usable(unusable: list[str]) -> dg.AssetCheckResult:
    """Judge the lines that could not be used; each says where it is and what is wrong."""
    return dg.AssetCheckResult(
        check_name="identity_files_usable",
        passed=not unusable,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(unusable[:10]) or None,
        metadata={"unusable_lines": len(unusable)},
    )
