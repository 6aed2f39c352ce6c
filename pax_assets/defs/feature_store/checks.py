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
_REQUIRED = ("message_id", "channel", "conversation_id", "sent_at", "text", "raw_uri")

SPECS = [
    dg.AssetCheckSpec(
        "message_id_unique",
        asset="messages",
        blocking=True,
        description="No `message_id` occurs twice in the whole table, whatever the day.",
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
        description="The newest message of the newest day was sent less than 48 hours ago. "
        "Freshness alone cannot tell: building an old day again makes the asset look fresh.",
    ),
]


def message_id_unique(lake: str) -> dg.AssetCheckResult:
    """Look for ids that occur more than once; reads the id column of every day."""
    import pyarrow.compute as pc

    from pax_assets.lake import read

    ids = read(lake, "messages", ["message_id"])
    counts = ids.group_by("message_id").aggregate([("message_id", "count")])
    repeated = counts.filter(pc.field("message_id_count") > 1)
    return dg.AssetCheckResult(
        check_name="message_id_unique",
        passed=repeated.num_rows == 0,
        metadata={
            "ids": ids.num_rows,
            "repeated_ids": repeated.num_rows,
            "examples": ", ".join(repeated["message_id"].to_pylist()[:10]),
        },
    )


def schema(lake: str, rows: pa.Table) -> dg.AssetCheckResult:
    """Compare the stored table's columns with the contract; look for nulls among the day's."""
    import pyarrow as pa
    from pyarrow import types

    from pax_assets.lake import tables
    from pax_assets.lake.schemas import MESSAGES

    snapshot = tables.open_table(lake, "messages")
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
        for name in _REQUIRED
        if rows[name].null_count
    ]
    return dg.AssetCheckResult(
        check_name="schema",
        passed=not problems,
        description="; ".join(problems) or None,
        metadata={"columns": len(stored.names)},
    )


def newest_event_time(lake: str, now: datetime | None = None) -> dg.AssetCheckResult:
    """Look at when the newest message of the newest day was sent."""
    import pyarrow.compute as pc

    from pax_assets.lake import commit, read, tables

    snapshot = tables.open_table(lake, "messages")
    days = commit.partition_values(snapshot, "arrival_day") if snapshot else []
    newest = None
    if days:
        sent = read(lake, "messages", ["sent_at"], pc.field("arrival_day") == days[-1])
        newest = pc.max(sent["sent_at"]).as_py()
    age = None if newest is None else (now or datetime.now(UTC)) - newest
    return dg.AssetCheckResult(
        check_name="newest_event_time",
        passed=age is not None and age < _SILENCE,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            "there is no message yet"
            if age is None
            else f"the newest message was sent {age.total_seconds() / 3600:.0f} hours ago"
        ),
        metadata={
            "newest_day": days[-1] if days else "",
            "newest_sent_at": newest.isoformat() if newest else "",
        },
    )
